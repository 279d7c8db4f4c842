"""A registrar on virtual time and a phone that knows its password."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.sip.digest import Credentials, DigestClient, DigestServer
from gateway.sip.flow import Flow
from gateway.sip.message import Request, make_request, make_response
from gateway.sip.registrar import RegisterAnswer, Registrar, RegistrarConfig
from tests.support.sip_peer import UDP

PASSWORDS = {"1001": Secret("one"), "1002": Secret("two")}
ACCOUNTS = {"1001": 3, "1002": 3}
WALL = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)

_branches = itertools.count(1)


def make_registrar(**config: object) -> Registrar:
    """With two accounts, of three contacts each."""
    given: dict[str, object] = {"accounts": ACCOUNTS, **config}
    digest = DigestServer("gateway", b"key of the node", PASSWORDS.get)
    return Registrar(RegistrarConfig(**given), digest, wall_clock=lambda: WALL)  # type: ignore[arg-type]


def register(
    *contacts: str,
    user: str = "1001",
    expires: int | str | None = None,
    call_id: str = "phone-1",
    cseq: int = 1,
    headers: Iterable[tuple[str, str]] = (),
    via: str | None = None,
) -> Request:
    """A REGISTER as a phone would send it from 198.51.100.7."""
    fields = [
        ("Via", via or f"SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKreg{next(_branches)};rport"),
        ("Max-Forwards", "70"),
        ("From", f"<sip:{user}@gateway.example.com>;tag=from"),
        ("To", f"<sip:{user}@gateway.example.com>"),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} REGISTER"),
        *(("Contact", contact) for contact in contacts),
    ]
    if expires is not None:
        fields.append(("Expires", str(expires)))
    return make_request("REGISTER", "sip:gateway.example.com", headers=[*fields, *headers])


class RegisteringPhone:
    """Sends each request twice: the second time with the answer to its challenge."""

    def __init__(self, registrar: Registrar, username: str = "1001", password: str = "one", flow: Flow = UDP) -> None:
        self.registrar = registrar
        self.flow = flow
        self.credentials = Credentials(username, Secret(password))

    def authorized(self, request: Request, now: float) -> Request:
        """The same request with credentials."""
        challenge = self.registrar.receive(request, self.flow, now)
        assert challenge.status == 401
        digest = DigestClient(self.credentials, IdSource(1))
        answer = digest.answer(make_response(request, 401, headers=challenge.headers), "REGISTER", request.uri)
        assert answer is not None
        return make_request("REGISTER", request.uri, headers=[*request.headers, *answer])

    def register(self, *contacts: str, now: float = 0.0, **given: object) -> RegisterAnswer:
        """What the registrar answers at last."""
        request = register(*contacts, **given)  # type: ignore[arg-type]
        return self.registrar.receive(self.authorized(request, now), self.flow, now)


def contacts_of(answer: RegisterAnswer) -> list[str]:
    """The Contact elements of an answer."""
    return [value for name, value in answer.headers if name == "Contact"]


def header_of(answer: RegisterAnswer, name: str) -> str | None:
    """The first header of this name."""
    return next((value for header, value in answer.headers if header == name), None)
