"""A SIP peer made of literal messages, and a bench that drives one user agent on virtual time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from gateway.base.ids import IdSource
from gateway.sip.admission import ALLOW, Admission
from gateway.sip.events import Event, RequestRefused
from gateway.sip.flow import Flow
from gateway.sip.invite.invitation import Invitation
from gateway.sip.message import Request, Response, make_request, make_response, parse_message
from gateway.sip.user_agent import UserAgent, UserAgentConfig

UDP = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 5060))
TCP = Flow("tcp", ("192.0.2.1", 5060), ("198.51.100.7", 40001), connection=3)

OFFER = b"v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ALLOWED = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY"
"""The Allow header of a user agent without accounts."""

ANSWER = b"v=0\r\no=- 2 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n"

Header = tuple[str, str]
_branches = itertools.count(1)


def request(
    method: str,
    *,
    uri: str = "sip:agent@192.0.2.1",
    branch: str | None = None,
    via: str | None = None,
    from_tag: str | None = "caller-tag",
    to_tag: str | None = None,
    call_id: str = "call-1@peer",
    cseq: int = 1,
    contact: str | None = "<sip:caller@198.51.100.7:5060>",
    headers: Iterable[Header] = (),
    body: bytes = b"",
    content_type: str | None = "application/sdp",
) -> Request:
    """A request as a plain phone would send it from 198.51.100.7:5060."""
    branch = branch or f"z9hG4bKpeer{next(_branches)}"
    from_ = "<sip:caller@example.com>" + (f";tag={from_tag}" if from_tag else "")
    to = "<sip:agent@example.com>" + (f";tag={to_tag}" if to_tag else "")
    fields = [
        ("Via", via or f"SIP/2.0/UDP 198.51.100.7:5060;branch={branch}"),
        ("Max-Forwards", "70"),
        ("From", from_),
        ("To", to),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} {method}"),
    ]
    if contact and method == "INVITE":
        fields.append(("Contact", contact))
    if body and content_type:
        fields.append(("Content-Type", content_type))
    return make_request(method, uri, headers=[*fields, *headers], body=body)


def invite(**changes: object) -> Request:
    """An INVITE with an offer."""
    return request("INVITE", **{"body": OFFER, **changes})  # type: ignore[arg-type]


def invitation(*hops: Flow, **changes: object) -> Invitation:
    """A call of ours to bob over ``hops``, UDP when none is named."""
    given: dict[str, object] = {
        "request_uri": "sip:bob@example.net",
        "hops": hops or (UDP,),
        "from_": "<sip:a@b>",
        "to": "<sip:bob@example.net>",
        "body": OFFER,
    }
    return Invitation(**{**given, **changes})  # type: ignore[arg-type]


def ack_for(sent: Request, response: Response, **changes: object) -> Request:
    """The ACK of ``sent``: in its own transaction for a 2xx, in the INVITE's for a refusal."""
    branch = None if 200 <= response.status < 300 else sent.via.branch
    given: dict[str, object] = {
        "branch": branch,
        "to_tag": response.to.tag,
        "call_id": sent.call_id,
        "cseq": sent.cseq.number,
        "from_tag": sent.from_.tag,
    }
    return request("ACK", **{**given, **changes})  # type: ignore[arg-type]


def respond(sent: Request, status: int, **changes: object) -> Response:
    """A peer's response to a request of ours."""
    return make_response(sent, status, **changes)  # type: ignore[arg-type]


class UserAgentBench:
    """One user agent, a clock that only moves when told, and everything it said."""

    def __init__(self, admission: Admission = ALLOW, seed: int = 7, **config: object) -> None:
        self.admission = admission
        self.asked: list[str] = []
        self.now = 1000.0
        given = {"advertise": lambda flow: flow.local, "admit": self._admit, **config}
        self.ua = UserAgent(UserAgentConfig(**given), IdSource(seed))  # type: ignore[arg-type]
        self.sent: list[Request | Response] = []
        self.flows: list[Flow] = []
        self.events: list[Event] = []

    def _admit(self, request: Request, flow: Flow, now: float) -> Admission:
        self.asked.append(request.method)
        return self.admission

    def feed(self, message: Request | Response | bytes, flow: Flow | None = None) -> list[Request | Response]:
        """Hand a message in; returns what was sent because of it.

        Without a flow a response comes back on that of its request, anything else over UDP.
        """
        data = message if isinstance(message, bytes) else message.to_bytes()
        if flow is None:
            flow = self._flow_of_request(message) if isinstance(message, Response) else UDP
        self.ua.receive_message(data, flow, self.now)
        return self.drain()

    def _flow_of_request(self, response: Response) -> Flow:
        pairs = reversed(list(zip(self.sent, self.flows, strict=True)))
        vias = response.headers.get_all("Via")
        return next((flow for sent, flow in pairs if sent.headers.get_all("Via") == vias), UDP)

    def drain(self) -> list[Request | Response]:
        """Everything sent since the last look, parsed; events are gathered in ``events``."""
        outgoing = self.ua.take_outgoing()
        self.flows += [flow for flow, _ in outgoing]
        fresh = [parse_message(data) for _, data in outgoing]
        self.sent += fresh
        while (event := self.ua.next_event()) is not None:
            self.events.append(event)
        return fresh

    def advance(self, seconds: float) -> list[tuple[float, Request | Response]]:
        """Let time pass, timer by timer; returns (seconds since the call, message) for all that was sent."""
        start, end = self.now, self.now + seconds
        sent: list[tuple[float, Request | Response]] = []
        while (deadline := self.ua.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.ua.handle_timeout(self.now)
            sent += [(round(self.now - start, 6), message) for message in self.drain()]
        self.now = end
        return sent

    def take_events(self) -> list[Event]:
        """The events since the last call of this."""
        events, self.events = self.events, []
        return events

    def counts(self) -> tuple[int, int, int]:
        """Live transactions, dialogs and calls."""
        return self.ua.transactions, self.ua.dialogs, self.ua.calls


def refused(bench: UserAgentBench, message: Request, flow: Flow = UDP) -> tuple[Response, RequestRefused]:
    """The answer to a message that is refused, and what is told of it."""
    (response,) = bench.feed(message, flow)
    assert isinstance(response, Response)
    (event,) = bench.take_events()
    assert isinstance(event, RequestRefused)
    return response, event


def statuses(messages: Iterable[Request | Response]) -> list[int | str]:
    """Status of each response, method of each request."""
    return [message.status if isinstance(message, Response) else message.method for message in messages]


def times(sent: Iterable[tuple[float, Request | Response]]) -> list[float]:
    """When each message left."""
    return [at for at, _ in sent]
