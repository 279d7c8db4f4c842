"""Calls placed over bad networks to bad peers: whatever they do, each call ends once and nothing is left of it."""

from __future__ import annotations

import random

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.base.redact import Secret
from gateway.sip.digest import Credentials
from gateway.sip.events import CallAnswered, CallEnded, CallRedirected, CallRefused, EndCause
from gateway.sip.flow import Flow
from gateway.sip.invite.invitation import Invitation, Target
from gateway.sip.message import Request, Response, make_response
from tests.support.sip_peer import ANSWER, OFFER, UserAgentBench

CONTACT = ("Contact", "<sip:callee@203.0.113.9>")
SDP = ("Content-Type", "application/sdp")
CALLS = 60


def hop(number: int, transport: str = "udp") -> Flow:
    return Flow(transport, ("192.0.2.1", 5060), (f"198.51.100.{number}", 5060))  # type: ignore[arg-type]


class World:
    """Peers that answer a request of ours with whatever the dice say, at once or later, or not at all."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.bench = UserAgentBench(seed=seed)
        self.seen = 0
        self.waiting: list[tuple[float, Response, Flow]] = []
        self.invites: dict[str, tuple[Request, Flow]] = {}
        self.acked: set[tuple[str, str]] = set()
        self.answered: set[tuple[str, str]] = set()
        self.ended: set[tuple[str, str]] = set()

    def place(self) -> str:
        count = self.chance.randint(1, 3)
        hops = tuple(hop(self.chance.randint(1, 9), self.chance.choice(("udp", "tcp"))) for _ in range(count))
        more = (Target("sip:bob@backup.example", (hop(20),)),) if self.chance.random() < 0.3 else ()
        body = OFFER + (b"a=x:" + b"y" * 1400 + b"\r\n" if self.chance.random() < 0.2 else b"")
        return self.bench.ua.invite(
            Invitation(
                "sip:bob@example.net",
                hops,
                from_="<sip:a@b>",
                to="<sip:bob@example.net>",
                body=body,
                credentials=Credentials("alice", Secret("x")) if self.chance.random() < 0.7 else None,
                ring_timeout_s=self.chance.choice((None, 5.0, 30.0)),
                more_targets=more,
            ),
            self.bench.now,
        )

    def answer_all(self) -> None:
        """Let the peers react to everything that was sent since the last look."""
        bench = self.bench
        bench.drain()
        while self.seen < len(bench.sent):
            message, flow = bench.sent[self.seen], bench.flows[self.seen]
            self.seen += 1
            if not isinstance(message, Request):
                continue
            key = (message.call_id, message.to.tag or "")
            if message.method == "INVITE" and not message.to.tag:
                self.invites[message.via.branch or ""] = (message, flow)
                self._react_to_invite(message, flow)
            elif message.method == "ACK" and message.via.branch not in self.invites:
                self.acked.add(key)  # that of a 2xx: a refusal is acknowledged on the branch of its INVITE
            elif message.method == "BYE":
                self.ended.add(key)
                self._later(message, flow, 200)
            elif message.method == "CANCEL":
                self._later(message, flow, 200)
                invite, invite_flow = self.invites[message.via.branch or ""]
                self._later(invite, invite_flow, self.chance.choice((487, 487, 200)))

    def _react_to_invite(self, invite: Request, flow: Flow) -> None:
        chance = self.chance
        kind = chance.random()
        if kind < 0.15:
            return  # silence
        if kind < 0.25 and flow.is_reliable:
            self.bench.ua.flow_failed(flow, self.bench.now)
            self.bench.drain()
            return
        if chance.random() < 0.5:
            self._later(invite, flow, 100)
        for _ in range(chance.randint(0, 2)):
            self._later(invite, flow, chance.choice((180, 183)), tag=f"f{chance.randint(1, 3)}")
        for _ in range(chance.randint(0, 2)):
            self._later(invite, flow, chance.choice((200, 200, 302, 302, 302, 401, 407, 486, 503, 603)))

    def _later(self, request: Request, flow: Flow, status: int, tag: str = "") -> None:
        if not request.to.tag and status > 100:
            tag = tag or f"t{self.chance.randint(1, 3)}"
        headers: list[tuple[str, str]] = [CONTACT] if status < 300 else []
        if status == 302:
            headers = [("Contact", f"<sip:c{self.chance.randint(1, 9)}@x.example>") for _ in range(2)]
        elif status in (401, 407):
            name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
            nonce = self.chance.randint(1, 10**9)
            stale = self.chance.choice(("", ", stale=true"))
            headers = [(name, f'Digest realm="r", nonce="{nonce}", qop="auth"{stale}')]
        has_body = status in (183, 200) and request.method == "INVITE"
        response = make_response(
            request,
            status,
            to_tag=tag or None,
            headers=[*headers, *([SDP] if has_body else [])],
            body=ANSWER if has_body else b"",
        )
        self.waiting.append((self.bench.now + self.chance.uniform(0, 4), response, flow))

    def step(self) -> None:
        """A moment passes: what is due arrives, some of it twice, and somebody may decide something."""
        bench = self.bench
        bench.advance(self.chance.uniform(0.05, 0.7))
        due = [entry for entry in self.waiting if entry[0] <= bench.now]
        self.waiting = [entry for entry in self.waiting if entry[0] > bench.now]
        for _, response, flow in due:
            for _ in range(1 + (self.chance.random() < 0.2)):
                if response.status < 300 and response.status >= 200 and response.cseq.method == "INVITE":
                    self.answered.add((response.call_id, response.to.tag or ""))
                bench.feed(response, flow)
        self.answer_all()


@pytest.mark.parametrize("seed", range(12))
def test_every_call_ends_once_and_nothing_is_left(seed: int) -> None:
    world = World(seed)
    bench, chance = world.bench, world.chance
    placed: list[str] = []
    told = 0
    while told < 1 or len(placed) < CALLS or bench.ua.calls:
        if len(placed) < CALLS and chance.random() < 0.5:
            placed.append(world.place())
            world.answer_all()
        world.step()
        for event in bench.events[told:]:
            if isinstance(event, CallRedirected):
                if chance.random() < 0.7:
                    bench.ua.redirect(event.call, event.contacts[0], [hop(chance.randint(1, 9))], bench.now)
                elif chance.random() < 0.5:
                    bench.ua.give_up(event.call)
        told = len(bench.events)
        if placed and chance.random() < 0.1:
            bench.ua.hang_up(chance.choice(placed), bench.now)
        if len(placed) == CALLS and bench.now > 1300:
            for call in placed:
                bench.ua.hang_up(call, bench.now)
        world.answer_all()
        assert bench.now < 4000, "calls stay for ever"
    for _ in range(40):
        world.step()
    bench.advance(400)
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None
    for call in placed:
        ends = [event for event in bench.events if isinstance(event, CallRefused | CallEnded) and event.call == call]
        assert len(ends) == 1, call
    answers = [event.call for event in bench.events if isinstance(event, CallAnswered)]
    assert len(answers) == len(set(answers))
    assert answers, "some were answered"
    causes = {event.cause for event in bench.events if isinstance(event, CallEnded)}
    assert EndCause.HUNG_UP in causes
    assert bench.ua.stats.failovers
    assert bench.ua.stats.redirects_followed


@pytest.mark.parametrize("seed", range(6))
def test_every_2xx_is_acknowledged_and_ended_unless_it_is_the_call(seed: int) -> None:
    world = World(100 + seed)
    bench = world.bench
    for _ in range(CALLS):
        world.place()
        world.answer_all()
        world.step()
    for _ in range(200):
        world.step()
    heard = world.answered & world.acked
    answers = {event.call for event in bench.events if isinstance(event, CallAnswered)}
    alive = heard - world.ended
    assert len(alive) <= len(answers), "beyond the calls that were answered no fork is left talking to nobody"
    assert bench.ua.stats.stray_responses < 2_000


ODD = b'\0\x01\xff<>";,=:@ \t%0a9\\'


def responses_to(invite: Request) -> list[Response]:
    digest = ("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5')
    routes = ("Record-Route", "<sip:p.example;lr>, <sip:q.example;lr>")
    reliable = (("Require", "100rel"), ("RSeq", "5"))
    contacts = ("Contact", "<sip:a@192.0.2.50>;q=0.5, <sip:b@x.example>")
    return [
        make_response(invite, 401, to_tag="x", headers=[digest]),
        make_response(invite, 302, to_tag="x", headers=[contacts]),
        make_response(invite, 503, to_tag="x", headers=[("Retry-After", "5 (x);duration=3")]),
        make_response(invite, 422, to_tag="x", headers=[("Min-SE", "2000")]),
        make_response(invite, 183, to_tag="x", headers=[CONTACT, SDP, *reliable], body=ANSWER),
        make_response(invite, 200, to_tag="x", headers=[CONTACT, SDP, routes], body=ANSWER),
    ]


def damaged(response: Response, chance: random.Random) -> bytes:
    """With one to four octets changed, lost or put in."""
    raw = bytearray(response.to_bytes())
    for _ in range(chance.randint(1, 4)):
        at, kind = chance.randrange(len(raw)), chance.randrange(3)
        if kind == 0:
            raw[at] = chance.choice(ODD)
        elif kind == 1:
            del raw[at]
        else:
            raw[at:at] = bytes([chance.choice(ODD)])
    return bytes(raw)


def test_damaged_responses_raise_nothing_and_leave_nothing() -> None:
    chance = random.Random(5)
    credentials = Credentials("alice", Secret("x"))
    for _ in range(1500):
        bench = UserAgentBench()
        hops = (hop(1), hop(2))
        uri = "sip:bob@example.net"
        call = bench.ua.invite(
            Invitation(uri, hops, from_="<sip:a@b>", to=f"<{uri}>", body=OFFER, credentials=credentials), bench.now
        )
        (sent,) = bench.drain()
        assert isinstance(sent, Request)
        bench.feed(damaged(chance.choice(responses_to(sent)), chance), hops[0])
        for event in bench.take_events():
            if isinstance(event, CallRedirected):
                try:
                    bench.ua.redirect(call, event.contacts[0], [hop(3)], bench.now)
                except LocalProtocolError:
                    bench.ua.give_up(call)
        bench.ua.hang_up(call, bench.now)
        bench.drain()
        bench.advance(400)
        assert bench.counts() == (0, 0, 0)
