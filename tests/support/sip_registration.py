"""A registration on virtual time, and a registrar's answers to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.sip.digest import Credentials
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response, make_request, make_response
from gateway.sip.registration import Action, Registration, RegistrationConfig, Resolve, SendRegister
from gateway.sip.transaction.table import RequestFailure

HOP = Flow("udp", ("192.0.2.1", 5060), ("203.0.113.1", 5060))
SECOND_HOP = Flow("udp", ("192.0.2.1", 5060), ("203.0.113.2", 5060))
CREDENTIALS = Credentials("trunk", Secret("pw"))
CONFIG = RegistrationConfig("sip:trunk@carrier.example", "sip:carrier.example", CREDENTIALS, expires_s=3600)
CHALLENGE = [("WWW-Authenticate", 'Digest realm="carrier", nonce="n", qop="auth"')]


def contact_on(flow: Flow) -> str:
    """What we call ourselves on a flow."""
    return f"<sip:trunk@{flow.local[0]}:{flow.local[1]}>"


class RegistrationBench:
    """Carries out actions at once, all but the sending: that is for the test to answer."""

    def __init__(self, config: RegistrationConfig = CONFIG, hops: Sequence[Flow] = (HOP,), seed: int = 5) -> None:
        self.registration = Registration(config, IdSource(seed), contact_on)
        self.hops = list(hops)
        self.now = 1000.0
        self.sent: list[SendRegister] = []
        self.told: list[Action] = []
        self.under_way: SendRegister | None = None

    def drive(self) -> None:
        """Carry out what the registration wants."""
        while (action := self.registration.next_action()) is not None:
            if isinstance(action, Resolve):
                if self.hops:
                    self.registration.resolved(self.hops, self.now)
                else:
                    self.registration.resolution_failed("no such name", self.now)
            elif isinstance(action, SendRegister):
                assert self.under_way is None, "two REGISTERs under way"
                self.under_way = action
                self.sent.append(action)
            else:
                self.told.append(action)

    def start(self) -> SendRegister:
        """Begin; returns the first REGISTER."""
        self.registration.start()
        self.drive()
        return self.last

    @property
    def last(self) -> SendRegister:
        """The REGISTER under way."""
        assert self.under_way is not None
        return self.under_way

    def request(self) -> Request:
        """The REGISTER under way as a message."""
        sent = self.last
        fields = [
            ("Via", f"SIP/2.0/UDP {sent.flow.local[0]}:{sent.flow.local[1]};branch=z9hG4bKx;rport"),
            ("From", f"{sent.from_};tag={sent.from_tag}"),
            ("To", sent.to),
            ("Call-ID", sent.call_id),
            ("CSeq", f"{sent.cseq} REGISTER"),
            *sent.headers,
        ]
        return make_request("REGISTER", sent.uri, headers=fields)

    def respond(self, status: int, headers: Iterable[tuple[str, str]] = (), reason: str | None = None) -> None:
        """The registrar answers what is under way."""
        response = make_response(self.request(), status, reason, to_tag="r", headers=headers)
        self.respond_with(response)

    def respond_with(self, response: Response) -> None:
        """The same with a response of the test's making."""
        self.under_way = None
        self.registration.receive_response(response, self.now)
        self.drive()

    def grant(self, expires_s: int = 3600, headers: Iterable[tuple[str, str]] = ()) -> None:
        """200 with our own contact."""
        contact = self.request().headers.get("Contact") or ""
        own = contact.replace(f";expires={contact.rpartition('=')[2]}", f";expires={expires_s}")
        self.respond(200, [("Contact", own), *headers])

    def fail(self, failure: RequestFailure = RequestFailure.TIMEOUT) -> None:
        """No answer."""
        self.under_way = None
        self.registration.request_failed(failure, self.now)
        self.drive()

    def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer; stops where a REGISTER goes out that the test must answer."""
        end = self.now + seconds
        while (deadline := self.registration.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.registration.handle_timeout(self.now)
            self.drive()
        self.now = end

    def take_told(self) -> list[Action]:
        """What was told since the last call of this."""
        told, self.told = self.told, []
        return told


def header(sent: SendRegister, name: str) -> str | None:
    """The first header of this name in a REGISTER."""
    return next((value for key, value in sent.headers if key == name), None)
