"""A call that we placed, at its first INVITE: the bench, what was sent, and the words of the far end."""

from __future__ import annotations

from gateway.base.redact import Secret
from gateway.sip.digest import Credentials
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response
from tests.support.sip_peer import (
    UDP,
    UserAgentBench,
    invitation,
    respond,
    statuses,
)

CONTACT = ("Contact", "<sip:callee@203.0.113.9:5066>")
SDP = ("Content-Type", "application/sdp")
SECOND = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.8", 5060))
THIRD = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.9", 5060))
CREDENTIALS = Credentials("alice", Secret("wonderland"))


def placed(flow: Flow = UDP, **changes: object) -> tuple[UserAgentBench, Request, str]:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(flow, **{"from_": '"Alice" <sip:alice@example.com>', **changes}), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    return bench, sent, call


def callee(sent: Request, status: int, tag: str | None = "callee", body: bytes = b"", *headers: object) -> Response:
    fields = [CONTACT, *headers, *([SDP] if body else [])]
    return respond(sent, status, to_tag=tag, headers=fields, body=body)


def assert_nothing_is_left(bench: UserAgentBench) -> None:
    bench.advance(400)
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None


def placed_over(*hops: Flow, **changes: object) -> tuple[UserAgentBench, Request, str]:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(*hops, **changes), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    return bench, sent, call


def last_invite(bench: UserAgentBench) -> Request:
    return next(sent for sent in reversed(bench.sent) if isinstance(sent, Request) and sent.method == "INVITE")


def redirected(status: int, *contacts: str, **changes: object) -> tuple[UserAgentBench, Request, str]:
    bench, sent, call = placed_over(UDP, **changes)
    assert statuses(bench.feed(moved(sent, status, *contacts))) == ["ACK"]
    return bench, sent, call


def moved(sent: Request, status: int, *contacts: str) -> Response:
    return respond(sent, status, to_tag="there", headers=[("Contact", contact) for contact in contacts])


def challenge(sent: Request, status: int = 401, nonce: str = "n1", extra: str = "", **params: str) -> Response:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    value = f'Digest realm="{params.get("realm", "pbx")}", nonce="{nonce}", qop="auth", algorithm=MD5{extra}'
    return respond(sent, status, to_tag="ask", headers=[(name, value)])
