"""Calls that stand, for tests of what happens inside them: a user agent on virtual time, its peer made of messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.sip.events import CallAnswered, CallOffered
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response
from tests.support.sip_peer import (
    ALLOWED,
    ANSWER,
    OFFER,
    UDP,
    UserAgentBench,
    ack_for,
    invitation,
    invite,
    request,
    respond,
)

SDP = ("Content-Type", "application/sdp")
ALL_METHODS = ("Allow", ALLOWED)
PEER_CONTACT = ("Contact", "<sip:bob@203.0.113.9>")

Header = tuple[str, str]


@dataclass
class Talk:
    """A call, seen from the peer's side of the wire."""

    bench: UserAgentBench
    call: str
    our_tag: str
    peer_tag: str
    call_id: str
    invite: Request
    answer: Response
    """The 2xx to the INVITE, whoever sent it."""
    cseq: int = 100

    def ask(self, method: str, **changes: object) -> list[Request | Response]:
        """The peer sends a request in the dialog; returns what was sent because of it."""
        return self.bench.feed(self.request(method, **changes))

    def request(self, method: str, **changes: object) -> Request:
        """The peer's next request in the dialog."""
        self.cseq += 1
        given = {"from_tag": self.peer_tag, "to_tag": self.our_tag, "call_id": self.call_id, "cseq": self.cseq}
        return request(method, **{**given, **changes})  # type: ignore[arg-type]

    def acknowledge(self, *, body: bytes = b"", branch: str | None = None) -> list[Request | Response]:
        """The ACK to our answer to the peer's last request."""
        number = self.cseq
        ack = self.request("ACK", cseq=number, body=body, branch=branch)
        self.cseq = number
        return self.bench.feed(ack)

    def sent(self) -> Request:
        """The one request that we have sent since the last look."""
        (message,) = self.bench.drain()
        assert isinstance(message, Request)
        return message

    def reply(self, sent: Request, status: int, **changes: object) -> list[Request | Response]:
        """The peer answers a request of ours."""
        return self.bench.feed(respond(sent, status, **changes))

    def events(self) -> list[object]:
        """What the call layer was told since the last look."""
        self.bench.drain()
        return list(self.bench.take_events())


def offered(flow: Flow = UDP, *, config: dict[str, object] | None = None, **changes: object) -> Talk:
    """An INVITE that nobody has answered; ``answer`` is its 100."""
    bench = UserAgentBench(**(config or {}))  # type: ignore[arg-type]
    sent = invite(**changes)
    (trying,) = bench.feed(sent, flow)
    (event,) = bench.take_events()
    assert isinstance(event, CallOffered)
    assert isinstance(trying, Response)
    return Talk(bench, event.call, "", sent.from_.tag or "", sent.call_id, sent, trying)


def inbound(flow: Flow = UDP, *, config: dict[str, object] | None = None, **changes: object) -> Talk:
    """A call that we have answered."""
    talk = offered(flow, config=config, **changes)
    talk.bench.ua.answer(talk.call, ANSWER, talk.bench.now)
    (response,) = talk.bench.drain()
    assert isinstance(response, Response)
    talk.answer = response
    talk.our_tag = response.to.tag or ""
    talk.bench.feed(ack_for(talk.invite, response), flow)
    talk.bench.take_events()
    return talk


def outbound(
    *,
    config: dict[str, object] | None = None,
    headers: Iterable[Header] = (),
    contact: Header = PEER_CONTACT,
    flow: Flow = UDP,
) -> Talk:
    """A call that the peer has answered, with ``headers`` in its 200."""
    bench = UserAgentBench(**(config or {}))  # type: ignore[arg-type]
    call = bench.ua.invite(invitation(flow), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    answer = respond(sent, 200, to_tag="callee", headers=[contact, SDP, *headers], body=ANSWER)
    bench.feed(answer, flow)
    assert bench.take_events() == [CallAnswered(call, ANSWER)]
    return Talk(bench, call, sent.from_.tag or "", "callee", sent.call_id, sent, answer)


def assert_nothing_is_left(bench: UserAgentBench) -> None:
    """Every table empty, no timer armed, once the transactions have lingered."""
    bench.advance(400)
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None


__all__ = ["ALL_METHODS", "ANSWER", "OFFER", "SDP", "Talk", "assert_nothing_is_left", "inbound", "offered", "outbound"]
