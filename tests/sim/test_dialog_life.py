"""Two user agents of ours and everything that can happen inside a call, on networks good and bad."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallOffered,
    CallReoffered,
    CallRinging,
    EndCause,
    InfoReceived,
    ReferProgress,
    ReofferAnswered,
)
from gateway.sip.message import Request, parse_message
from tests.support.sip_peer import ANSWER, OFFER
from tests.support.virtual_network import Agent, VirtualNetwork, talkative

BAD: dict[str, Any] = {"loss": 0.15, "duplication": 0.1, "latency_s": (0.005, 0.4)}
GOOD: dict[str, Any] = {"latency_s": (0.02, 0.02)}


class Wire:
    """What each agent sent: every new request's number, by dialog and sender."""

    def __init__(self, net: VirtualNetwork) -> None:
        self.methods: list[tuple[float, str, str]] = []
        self._net = net
        self._seen: set[str] = set()
        self._last: dict[tuple[str, str, str], int] = {}
        self._ended: set[tuple[str, str, str]] = set()
        net.on_sent = self._look

    def _look(self, agent: Agent, data: bytes) -> None:
        message = parse_message(data)
        if not isinstance(message, Request) or message.method in ("ACK", "CANCEL"):
            return
        branch = message.via.branch or ""
        if branch in self._seen:
            return
        self._seen.add(branch)
        self.methods.append((self._net.now, agent.address[0], message.method))
        key = (message.call_id, message.from_.tag or "", message.to.tag or "")
        assert key not in self._ended or message.method == "BYE", f"{message.method} behind a BYE"
        if message.method == "BYE":
            self._ended.add(key)
        initial = self._last.get((message.call_id, message.from_.tag or "", ""), -1)
        assert message.cseq.number > max(self._last.get(key, -1), initial if message.to.tag else -1), message.method
        self._last[key] = message.cseq.number

    def count(self, method: str) -> int:
        return sum(sent == method for _, _, sent in self.methods)


def pair(seed: int, **network: Any) -> tuple[VirtualNetwork, Agent, Agent, Wire]:
    net = VirtualNetwork(seed, **network)
    wire = Wire(net)
    return net, net.add("192.0.2.1", talkative), net.add("192.0.2.2", talkative), wire


def assert_converged(*agents: Agent) -> None:
    for agent in agents:
        assert agent.counts() == (0, 0, 0)
        assert agent.ua.next_deadline() is None
        for call, ends in agent.ends().items():
            assert len(ends) == 1, (call, ends)


def test_a_31_minute_call_is_refreshed_by_its_caller_and_talks_on() -> None:
    net, caller, callee, wire = pair(1, **GOOD)
    call = caller.call(callee, OFFER)
    net.run(31 * 60)
    assert wire.count("UPDATE") == 2, "at 15 and at 30 minutes"
    assert {who for _, who, method in wire.methods if method == "UPDATE"} == {"192.0.2.1"}
    assert not callee.events(CallReoffered)
    assert not caller.events(CallEnded)
    caller.do(lambda ua, now: ua.hang_up(call, now))
    net.run(400)
    assert_converged(caller, callee)


def test_on_a_bad_network_the_refreshes_get_through() -> None:
    for seed in range(20):
        net, caller, callee, _ = pair(seed, **BAD)
        call = caller.call(callee, OFFER)
        net.run(3600)
        ended = [event.cause for agent in (caller, callee) for event in agent.events(CallEnded)]
        assert EndCause.SESSION_EXPIRED not in ended
        caller.do(lambda ua, now, call=call: ua.hang_up(call, now))
        net.run(400)
        assert_converged(caller, callee)


def test_a_network_that_dies_ends_the_call_on_both_sides_without_anybody_hanging_up() -> None:
    net, caller, callee, _ = pair(1, **GOOD)
    caller.call(callee, OFFER)
    net.run(10)
    net.loss = 1.0
    net.run(1800)
    assert [event.cause for event in caller.events(CallEnded)] == [EndCause.DIALOG_GONE]
    assert [event.cause for event in callee.events(CallEnded)] == [EndCause.SESSION_EXPIRED]
    net.run(100)
    assert_converged(caller, callee)


def test_422_between_two_of_ours() -> None:
    net = VirtualNetwork(1, **GOOD)
    caller = net.add("192.0.2.1", talkative, session_expires_s=300)
    callee = net.add("192.0.2.2", talkative, session_expires_s=1200, min_se_s=900)
    wire = Wire(net)
    caller.call(callee, OFFER)
    net.run(40 * 60)
    assert wire.count("INVITE") == 2
    assert not caller.events(CallEnded)
    assert [round(at) for at, _, method in wire.methods if method == "UPDATE"][:2] == [451, 901]


@pytest.mark.parametrize("reliable", ["off", "supported", "required"])
def test_early_media_with_and_without_prack(reliable: str) -> None:
    net = VirtualNetwork(1, **GOOD)
    caller, callee = net.add("192.0.2.1", talkative, reliable=reliable), net.add("192.0.2.2", talkative)
    wire = Wire(net)
    call = caller.call(callee, OFFER)
    net.run(20)
    assert [event.body for event in caller.events(CallRinging)] == [ANSWER]
    assert wire.count("PRACK") == (0 if reliable == "off" else 1)
    assert len(caller.events(CallAnswered)) == 1
    caller.do(lambda ua, now: ua.hang_up(call, now))
    net.run(400)
    assert_converged(caller, callee)


def test_reliable_ringing_survives_a_bad_network() -> None:
    answered = 0
    for seed in range(60):
        net, caller, callee, wire = pair(seed, **BAD)
        call = caller.call(callee, OFFER)
        net.run(60)
        answered += len(caller.events(CallAnswered))
        bodies = [event.body for event in caller.events(CallRinging)]
        assert len(bodies) <= 1, "each reliable answer is told once"
        assert wire.count("PRACK") <= 1
        caller.do(lambda ua, now, call=call: ua.hang_up(call, now))
        net.run(400)
        assert_converged(caller, callee)
    assert answered >= 58


def test_a_transfer_is_told_to_its_end_on_a_bad_network() -> None:
    done = 0
    for seed in range(60):
        net, caller, callee, _ = pair(seed, **BAD)
        call = caller.call(callee, OFFER)
        net.run(30)
        caller.attempt(lambda: caller.ua.refer(call, "sip:carol@example.net", caller.now))  # noqa: B023
        net.run(60)
        finals = [event.status for event in caller.events(ReferProgress) if event.is_final]
        assert len(finals) <= 1
        done += finals == [200]
        caller.do(lambda ua, now, call=call: ua.hang_up(call, now))
        net.run(400)
        assert_converged(caller, callee)
    assert done >= 57


def test_offers_that_cross_by_update_and_reinvite_are_both_taken() -> None:
    for seed in range(40):
        net, caller, callee, _ = pair(seed, latency_s=(0.02, 0.08))
        call = caller.call(callee, OFFER)
        net.run(20)
        theirs = callee.events(CallOffered)[0].call
        caller.do(lambda ua, now, call=call: ua.reoffer(call, OFFER, now, prefer_update=True))
        callee.do(lambda ua, now, theirs=theirs: ua.reoffer(theirs, OFFER, now))
        net.run(30)
        assert len(caller.events(ReofferAnswered)) == len(callee.events(ReofferAnswered)) == 1
        caller.do(lambda ua, now, call=call: ua.hang_up(call, now))
        net.run(400)
        assert_converged(caller, callee)


COMMANDS = (  # noqa: SIM905 - nineteen quoted words are harder to read
    "answer ring ring_early reject hang_up reoffer reoffer_update reoffer_empty update answer_offer refuse_offer refer "
    "attended info ping invite invite_empty wait wait_long"
).split()


@given(
    seed=st.integers(0, 2**16),
    steps=st.lists(st.tuples(st.sampled_from(COMMANDS), st.booleans(), st.integers(0, 7)), min_size=5, max_size=60),
    is_bad=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_any_mixture_of_commands_on_both_sides_ends_clean(
    seed: int, steps: list[tuple[str, bool, int]], *, is_bad: bool
) -> None:
    """No transaction is stuck, no number used twice, nothing left, each call ended once, on both sides."""
    net, alice, bob, _ = pair(seed, **(BAD if is_bad else GOOD))
    chance = random.Random(seed)
    alice.call(bob, OFFER)
    for command, is_alice, choice in steps:
        agent, other = (alice, bob) if is_alice else (bob, alice)
        net.run(chance.uniform(0, 1.5))
        act(net, agent, other, command, choice)
    for agent in (alice, bob):
        for call in agent.ends():
            agent.do(lambda ua, now, call=call: ua.hang_up(call, now))
    net.run(700)
    assert_converged(alice, bob)
    for agent in (alice, bob):
        assert agent.ua.stats.malformed_requests == 0, "we understand one another"


def act(net: VirtualNetwork, agent: Agent, other: Agent, command: str, choice: int) -> None:
    calls = list(agent.ends())
    if command in ("invite", "invite_empty") or not calls:
        agent.call(other, OFFER if command == "invite" else b"", "tcp" if choice == 0 else "udp")
        return
    call, second = calls[choice % len(calls)], calls[-1]
    ua, now = agent.ua, agent.now
    commands: dict[str, Any] = {
        "answer": lambda: ua.answer(call, ANSWER, now),
        "ring": lambda: ua.ring(call, now, 180 + choice % 4, is_reliable=bool(choice & 1)),
        "ring_early": lambda: ua.ring(call, now, 183, body=ANSWER),
        "reject": lambda: ua.reject(call, 603, now),
        "hang_up": lambda: ua.hang_up(call, now),
        "reoffer": lambda: ua.reoffer(call, OFFER, now),
        "reoffer_update": lambda: ua.reoffer(call, OFFER, now, prefer_update=True),
        "reoffer_empty": lambda: ua.reoffer(call, b"", now),
        "update": lambda: ua.update(call, now),
        "answer_offer": lambda: ua.answer_offer(call, ANSWER, now),
        "refuse_offer": lambda: ua.refuse_offer(call, 488, now),
        "refer": lambda: ua.refer(call, "sip:carol@example.net", now),
        "attended": lambda: ua.refer(call, "", now, replaces=second),
        "info": lambda: ua.info(call, "application/dtmf", b"5", now),
        "ping": lambda: ua.ping(call, now),
        "wait": lambda: net.run(5),
        "wait_long": lambda: net.run(200 * choice),
    }
    agent.attempt(commands[command])


def test_info_arrives_once_though_it_is_doubled() -> None:
    net, caller, callee, _ = pair(3, loss=0.3, duplication=0.5, latency_s=(0.005, 0.3))
    call = caller.call(callee, OFFER)
    net.run(30)
    for _ in range(10):
        caller.attempt(lambda: caller.ua.info(call, "application/dtmf", b"5", caller.now))
        net.run(40)
    assert len(callee.events(InfoReceived)) == 10
