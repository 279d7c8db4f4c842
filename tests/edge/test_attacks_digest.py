"""Attacks on passwords and registrations: replay, other people's challenges, names found out, bindings stolen."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from typing import Any

import pytest

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.sip.digest import Credentials, DigestClient
from gateway.sip.events import CallOffered
from gateway.sip.message import Request, Response, parse_message
from tests.support.cpu_cost import calls_of
from tests.support.open_door import CARRIER, STRANGER, OpenDoor
from tests.support.sip_peer import invite, request

PHONE = "192.0.2.77"
ACCOUNTS: dict[str, Any] = {"accounts": {"1001": {"password": "right"}, "1002": {"password": "other"}}}


_calls = itertools.count()


class Bench(OpenDoor):
    """Phones that know their passwords, and what an attacker saw of them."""

    def __init__(self, **sections: Any) -> None:
        super().__init__(**(ACCOUNTS | sections))

    def ask(self, sent: Request, host: str = PHONE) -> Response | None:
        answers = [parse_message(data) for data in self.send(sent.to_bytes(), host)]
        return next((one for one in answers if isinstance(one, Response)), None)

    def status(self, sent: Request, host: str = PHONE) -> int:
        answer = self.ask(sent, host)
        return 0 if answer is None else answer.status

    def credentials(
        self, method: str, uri: str, *, username: str = "1001", password: str = "right", host: str = PHONE, **more: Any
    ) -> str:
        """The Authorization with which a phone would answer a fresh challenge."""
        sent = make(method, uri=uri, **more)
        asked = self.ask(sent, host)
        assert asked is not None
        assert asked.status == 401
        headers = DigestClient(Credentials(username, Secret(password)), IdSource()).answer(
            asked, method, sent.uri, sent.body
        )
        assert headers is not None
        return headers[0][1]

    def contacts(self, account: str = "1001") -> list[str]:
        return [binding.uri for binding in self.accounts.registrar.contacts(account, self.now)]


def make(method: str, *, authorization: str = "", to: str = "", headers: Any = (), **changes: Any) -> Request:
    changes = {"call_id": f"call-{next(_calls)}@peer"} | changes
    more = [*headers, *([("Authorization", authorization)] if authorization else [])]
    sent = invite(headers=more, **changes) if method == "INVITE" else request(method, headers=more, **changes)
    if to:
        sent.headers.set("To", to)
    return sent


def register(authorization: str = "", contact: str = "<sip:1001@192.0.2.77>", **changes: Any) -> Request:
    given = {"uri": "sip:gw", "to": "<sip:1001@gw>", "headers": [("Contact", contact)]} | changes
    return make("REGISTER", authorization=authorization, **given)


def offered(bench: Bench) -> int:
    return sum(isinstance(event, CallOffered) for event in bench.events)


# Replay


def test_a_captured_answer_serves_nobody_again() -> None:
    bench = Bench()
    seen = bench.credentials("INVITE", "sip:desk@gw")
    assert bench.status(make("INVITE", uri="sip:desk@gw", authorization=seen)) == 100
    assert offered(bench) == 1
    for host in (PHONE, STRANGER, "192.0.2.78"):
        for call_id in ("call-1@peer", "another@peer"):
            answer = bench.ask(make("INVITE", uri="sip:desk@gw", authorization=seen, call_id=call_id), host)
            assert answer is not None
            assert answer.status in {401, 482}, "482: the very request again, by another branch"
    assert offered(bench) == 1


def test_a_captured_answer_that_was_never_used_serves_one_request_of_its_own_source_only() -> None:
    bench = Bench()
    seen = bench.credentials("INVITE", "sip:desk@gw")
    assert bench.status(make("INVITE", uri="sip:desk@gw", authorization=seen), STRANGER) == 401
    assert bench.status(make("INVITE", uri="sip:+4490012345@gw", authorization=seen)) == 403, "another number"
    assert bench.status(make("BYE", uri="sip:desk@gw", authorization=seen)) == 403, "another method"
    assert bench.status(register(seen)) == 403
    assert offered(bench) == 0


@pytest.mark.parametrize(
    ("old", "new"), [("nc=00000001", "nc=00000002"), ("qop=auth, nc=00000001, ", ""), ("qop=auth", "qop=auth-int")]
)
def test_counting_on_without_the_password_is_wrong(old: str, new: str) -> None:
    bench = Bench()
    seen = bench.credentials("INVITE", "sip:desk@gw")
    assert old in seen
    assert bench.status(make("INVITE", uri="sip:desk@gw", authorization=seen.replace(old, new))) in {401, 403}
    assert offered(bench) == 0


def test_a_nonce_of_another_realm_age_or_making_is_no_nonce() -> None:
    trunk = {"accept_from": ["198.51.100.0/24"], "username": "acme", "password": "right", "challenge": True}
    bench = Bench(trunks={"carrier": trunk | {"realm": "carrier.example"}})
    of_carrier = make("INVITE", uri="sip:desk@gw")
    asked = bench.ask(of_carrier, CARRIER)
    assert asked is not None
    assert 'realm="carrier.example"' in (asked.headers.get("WWW-Authenticate") or "")
    nonce = (asked.headers.get("WWW-Authenticate") or "").partition('nonce="')[2].partition('"')[0]
    for forged in (nonce, "0" * 60, "", nonce[::-1], "\N{SUPERSCRIPT TWO}" * 60, nonce.upper()):
        secret = hashlib.md5(b"1001:gateway:right").hexdigest()
        what = hashlib.md5(b"INVITE:sip:desk@gw").hexdigest()
        response = hashlib.md5(f"{secret}:{forged}:00000001:c:auth:{what}".encode()).hexdigest()
        authorization = (
            f'Digest username="1001", realm="gateway", nonce="{forged}", uri="sip:desk@gw", '
            f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"'
        )
        assert bench.status(make("INVITE", uri="sip:desk@gw", authorization=authorization), CARRIER) == 401, forged
    seen = bench.credentials("INVITE", "sip:desk@gw")
    bench.now += 301
    answer = bench.ask(make("INVITE", uri="sip:desk@gw", authorization=seen))
    assert answer is not None
    assert "stale=true" in (answer.headers.get("WWW-Authenticate") or "")
    assert offered(bench) == 0


# Names


def test_an_unknown_name_is_answered_as_a_wrong_password_is() -> None:
    answers = []
    for username in ("1001", "9999", "", "1001\N{SUPERSCRIPT TWO}"):
        bench = Bench()
        for method in ("REGISTER", "INVITE"):
            seen = bench.credentials(method, "sip:gw", username=username, password="guess")
            answer = bench.ask(make(method, uri="sip:gw", authorization=seen))
            assert answer is not None
            names = [name for name, _ in answer.headers]
            answers.append((method, answer.status, answer.reason, names))
    assert len(set(map(str, answers))) == 2, "one for each method"
    for uri in ("sip:1001@gw", "sip:9999@gw"):
        assert Bench().status(make("INVITE", uri=uri)) == 401, "who is called says nothing either"


def test_an_unknown_name_takes_as_long_as_a_wrong_password_does() -> None:
    """The same functions are called as often: no clock says as much, and none that a network leaves readable."""
    bench = Bench(protection={"ban": "none", "requests_per_second": 100_000})
    work = []
    for round_number, username in enumerate(["9999", "1001", "9999", "1001"]):
        bench.now += 1
        seen = bench.credentials("REGISTER", "sip:gw", username=username, password="guess")
        sent = register(seen, call_id=f"call-{round_number}").to_bytes()
        work.append(calls_of(lambda sent=sent: bench.send(sent, PHONE)))  # type: ignore[misc]
    _, known, unknown, known_again = work
    assert known == known_again, "each try takes the same work"
    assert (known - unknown) + (unknown - known) == Counter({"Secret.reveal": 1}), "it only hands a text over"
    assert known["HASH.hexdigest"] >= 3, "the answer is worked out"


# Registrations


def test_registration_hijack_by_another_accounts_to() -> None:
    bench = Bench()
    for to in (
        "<sip:1002@gw>",
        "<sip:100%32@gw>",
        "<sip:1001@gw>, <sip:1002@gw>",
        "<tel:1002>",
        '"1001" <sip:1002@gw>',
    ):
        seen = bench.credentials("REGISTER", "sip:gw")
        assert bench.status(register(seen, to=to)) in {400, 403}, to
    assert bench.contacts() == bench.contacts("1002") == []


def test_third_party_registration_and_a_trunks_address_take_the_accounts_password() -> None:
    bench = Bench()
    for host in (STRANGER, CARRIER):
        assert bench.status(register(), host) == 401
        seen = bench.credentials("REGISTER", "sip:gw", username="1002", password="other", host=host)
        assert bench.status(register(seen), host) == 403, "1002 does not speak for 1001"
    assert bench.contacts() == []


def registered(bench: Bench, account: str, password: str, contact: str, **changes: Any) -> int:
    seen = bench.credentials("REGISTER", "sip:gw", username=account, password=password)
    return bench.status(register(seen, contact, to=f"<sip:{account}@gw>", **changes))


def test_no_binding_goes_by_a_wildcard_or_an_instance_of_anothers() -> None:
    bench = Bench()
    device = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>";reg-id=1'
    outbound = {"headers": [("Supported", "outbound, path"), ("Contact", f"<sip:1001@192.0.2.77>{device}")]}
    assert registered(bench, "1001", "right", "", call_id="a@peer", **outbound) == 200
    for contact in ("*", f"<sip:1002@203.0.113.66>{device}", "<sip:1001@192.0.2.77>;expires=0"):
        headers = [("Supported", "outbound"), ("Contact", contact), *([("Expires", "0")] if contact == "*" else [])]
        assert registered(bench, "1002", "other", "", headers=headers) == 200
    assert bench.contacts() == ["sip:1001@192.0.2.77"]
    for expires in (None, "3600"):
        headers = [("Contact", "*"), *([("Expires", expires)] if expires else [])]
        assert registered(bench, "1001", "right", "", headers=headers) == 400
    assert bench.status(register(headers=[("Contact", "*"), ("Expires", "0")]), PHONE) == 401
    assert bench.contacts() == ["sip:1001@192.0.2.77"]


@pytest.mark.parametrize(
    "contact", ["<sip:1001@127.0.0.1:8080;transport=tcp>", "<sip:1001@10.0.0.1;maddr=169.254.169.254>", "<sip:1001@gw>"]
)
def test_a_call_goes_to_where_the_phone_registered_from_whatever_its_contact_and_path_say(contact: str) -> None:
    bench = Bench()
    path = [("Path", "<sip:127.0.0.1:22;lr;transport=tcp>"), ("Supported", "path"), ("Contact", contact)]
    assert registered(bench, "1001", "right", "", headers=path) == 200
    (binding,) = bench.accounts.registrar.contacts("1001", bench.now)
    assert binding.flow.remote == (PHONE, 5060)
    assert binding.flow.transport == "udp"


def test_a_flood_of_registrations_without_a_password_is_remembered_nowhere() -> None:
    bench = Bench(protection={"requests_per_second": 100_000})
    for number in range(3000):
        bench.now += 0.01
        bench.send(register(call_id=f"flood-{number}").to_bytes(), f"203.0.{number % 250}.{number % 251 + 1}")
    assert bench.ua.transactions == 0
    assert bench.door.digest.nonces == 0


# Bans


@pytest.mark.parametrize("password", ["guess", ""])
def test_nobody_is_banned_by_forged_failures(password: str) -> None:
    """The attacker sees no answer to what he sends in the victim's name: his nonces are his own, or made up."""
    bench = Bench()
    for number in range(100):
        bench.now += 0.2
        seen = bench.credentials("REGISTER", "sip:gw", password=password or "guess", host=STRANGER)
        forged = seen if password else seen.replace('nonce="', 'nonce="0')
        for victim in (PHONE, CARRIER):
            assert bench.status(register(forged, call_id=f"forged-{number}"), victim) == 401
    assert bench.door.banned == 0
    assert bench.status(register(bench.credentials("REGISTER", "sip:gw"))) == 200
    assert bench.status(make("INVITE", uri="sip:desk@gw"), CARRIER) == 100
