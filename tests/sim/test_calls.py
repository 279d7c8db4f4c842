"""Two user agents on a bad network: whatever is lost, doubled or overtaken, both ends agree at last and forget it."""

from __future__ import annotations

import pytest

from gateway.sip.events import (
    CallAnswered,
    CallCancelled,
    CallConfirmed,
    CallEnded,
    CallOffered,
    CallRefused,
    CallReoffered,
    EndCause,
    Event,
    ReofferAnswered,
    ReofferRefused,
)
from tests.support.sip_peer import ANSWER, OFFER
from tests.support.virtual_network import Agent, Policy, VirtualNetwork

BAD = {"loss": 0.2, "duplication": 0.1, "latency_s": (0.005, 0.4)}
"""Each way. Latency spread wider than T1's half makes packets overtake each other all the time."""

SEEDS = range(150)


def answers(ring_s: float = 0.2, answer_s: float = 1.0) -> Policy:
    """A phone that rings, answers, and takes every offer."""

    def policy(agent: Agent, event: Event) -> None:
        if isinstance(event, CallOffered):
            call = event.call
            agent.network.at(ring_s, lambda: agent.attempt(lambda: agent.ua.ring(call, agent.now)))
            agent.network.at(answer_s, lambda: agent.attempt(lambda: agent.ua.answer(call, ANSWER, agent.now)))
        elif isinstance(event, CallReoffered):
            agent.ua.answer_offer(event.call, ANSWER, agent.now)

    return policy


def pair(seed: int, callee: Policy | None = None, **network: object) -> tuple[VirtualNetwork, Agent, Agent]:
    net = VirtualNetwork(seed, **{**BAD, **network})  # type: ignore[arg-type]
    return net, net.add("192.0.2.1", answers()), net.add("192.0.2.2", callee or answers())


def assert_converged(*agents: Agent) -> None:
    for agent in agents:
        assert agent.counts() == (0, 0, 0)
        assert agent.ua.next_deadline() is None
        for call, ends in agent.ends().items():
            assert len(ends) == 1, (call, ends)


@pytest.mark.parametrize("hangs_up", ["caller", "callee"])
def test_set_up_and_tear_down_under_20_percent_loss(hangs_up: str) -> None:
    established = 0
    lost = 0
    for seed in SEEDS:
        net, caller, callee = pair(seed)
        call = caller.call(callee, OFFER)
        net.run(40)
        if caller.events(CallAnswered):
            assert callee.events(CallConfirmed)
            established += 1
            if hangs_up == "caller":
                caller.do(lambda ua, now, call=call: ua.hang_up(call, now))
            else:
                theirs = callee.events(CallOffered)[0].call
                callee.do(lambda ua, now, theirs=theirs: ua.hang_up(theirs, now))
        net.run(400)
        assert_converged(caller, callee)
        lost += net.lost
    assert established >= 0.97 * len(SEEDS), "retransmission is there to make calls happen"
    assert lost > 2 * len(SEEDS), "the network was not bad at all"


def test_a_good_network_needs_no_repetition() -> None:
    net, caller, callee = pair(1, loss=0.0, duplication=0.0, latency_s=(0.02, 0.02))
    call = caller.call(callee, OFFER)
    net.run(5)
    caller.do(lambda ua, now: ua.hang_up(call, now))
    net.run(400)
    assert_converged(caller, callee)
    assert callee.ua.stats.requests_repeated == callee.ua.stats.answers_repeated == 0
    assert caller.ua.stats.responses_received == 4  # 100, 180, 200 to INVITE; 200 to BYE
    assert [type(event) for _, event in callee.log] == [CallOffered, CallConfirmed, CallEnded]


def test_over_tcp_the_same_call_sends_everything_once() -> None:
    net, caller, callee = pair(1)
    call = caller.call(callee, OFFER, transport="tcp")
    net.run(5)
    callee.do(lambda ua, now: ua.hang_up(callee.events(CallOffered)[0].call, now))
    net.run(400)
    assert caller.ends()[call] == [CallEnded(call, EndCause.BYE)]
    assert callee.ua.stats.requests_repeated == caller.ua.stats.requests_repeated == 0
    assert_converged(caller, callee)


def test_cancel_at_any_moment() -> None:
    outcomes = set()
    for seed in SEEDS:
        net, caller, callee = pair(seed)
        call = caller.call(callee, OFFER)
        net.at(seed / len(SEEDS) * 3, lambda call=call, caller=caller: caller.do(lambda ua, now: ua.hang_up(call, now)))
        net.run(500)
        assert_converged(caller, callee)
        assert caller.ends()[call] == [CallEnded(call, EndCause.HUNG_UP)]
        outcomes |= {type(ends[0]) for ends in callee.ends().values()}
    assert outcomes == {CallCancelled, CallEnded}, "some were cancelled while ringing, some crossed the answer"


def test_both_hang_up_within_the_same_moment() -> None:
    for seed in SEEDS:
        net, caller, callee = pair(seed)
        call = caller.call(callee, OFFER)
        net.run(40)
        for agent, name in ((caller, call), *((callee, event.call) for event in callee.events(CallOffered))):
            delay = net.random.uniform(0, 0.3)
            net.at(delay, lambda agent=agent, name=name: agent.do(lambda ua, now: ua.hang_up(name, now)))
        net.run(400)
        assert_converged(caller, callee)


def test_a_refusal_arrives_however_often_it_is_lost() -> None:
    def refuses(agent: Agent, event: Event) -> None:
        if isinstance(event, CallOffered):
            agent.ua.reject(event.call, 486, agent.now)

    refused = 0
    for seed in SEEDS:
        net, caller, callee = pair(seed, refuses)
        call = caller.call(callee, OFFER)
        net.run(400)
        assert_converged(caller, callee)
        refused += caller.ends()[call] == [CallRefused(call, 486, "Busy Here")]
    assert refused >= 0.97 * len(SEEDS)


def test_glare_is_sorted_out_and_both_offers_are_taken() -> None:
    glared = 0
    for seed in SEEDS:
        net, caller, callee = pair(seed, loss=0.05, duplication=0.05, latency_s=(0.02, 0.08))
        call = caller.call(callee, OFFER)
        net.run(40)
        theirs = callee.events(CallOffered)[0].call
        caller.do(lambda ua, now, call=call: ua.reoffer(call, OFFER, now))
        callee.do(lambda ua, now, theirs=theirs: ua.reoffer(theirs, OFFER, now))
        net.run(60)
        for agent in (caller, callee):
            assert len(agent.events(ReofferAnswered)) == 1
            assert len(agent.events(CallReoffered)) == 1
            assert not agent.events(ReofferRefused)
        glared += caller.ua.stats.requests_refused + callee.ua.stats.requests_refused > 0
        caller.do(lambda ua, now, call=call: ua.hang_up(call, now))
        net.run(400)
        assert_converged(caller, callee)
    assert glared == len(SEEDS)


def test_a_network_that_dies_in_the_middle_leaves_nothing() -> None:
    for seed in SEEDS:
        net, caller, callee = pair(seed)
        call = caller.call(callee, OFFER)
        net.run(seed / len(SEEDS) * 4)
        net.loss = 1.0
        net.run(40)
        caller.do(lambda ua, now, call=call: ua.hang_up(call, now))
        for event in callee.events(CallOffered):
            callee.do(lambda ua, now, event=event: ua.hang_up(event.call, now))
        net.run(400)
        assert_converged(caller, callee)


def test_any_mixture_of_commands_converges() -> None:
    """Both sides do whatever comes to their minds, allowed or not, for two minutes; then everybody hangs up."""
    for seed in SEEDS:
        net, alice, bob = pair(seed)
        for _ in range(60):
            net.run(net.random.uniform(0, 2))
            agent, other = net.random.sample((alice, bob), 2)
            calls = list(agent.ends())
            if not calls or net.random.random() < 0.1:
                agent.call(other, OFFER)
                continue
            act(agent, net.random.choice(calls), net.random.random())
        for agent in (alice, bob):
            for call in agent.ends():
                agent.do(lambda ua, now, call=call: ua.hang_up(call, now))
        net.run(600)
        for agent in (alice, bob):
            assert agent.counts() == (0, 0, 0)
            assert agent.ua.next_deadline() is None
            assert all(len(ends) == 1 for ends in agent.ends().values())


def act(agent: Agent, call: str, choice: float) -> None:
    ua, now = agent.ua, agent.now
    if choice < 0.2:
        agent.attempt(lambda: ua.answer(call, ANSWER, now))
    elif choice < 0.3:
        agent.attempt(lambda: ua.ring(call, now, status=183))
    elif choice < 0.4:
        agent.attempt(lambda: ua.reject(call, 603, now))
    elif choice < 0.6:
        agent.attempt(lambda: ua.hang_up(call, now))
    elif choice < 0.8:
        agent.attempt(lambda: ua.reoffer(call, OFFER, now))
    else:
        agent.attempt(lambda: ua.refuse_offer(call, 488, now))


def test_seventy_five_calls_a_second_for_ten_seconds() -> None:
    net, caller, callee = pair(1, answers(0.05, 0.1), loss=0.02, duplication=0.02, latency_s=(0.01, 0.03))
    for number in range(750):
        net.at(number / 75, lambda: caller.call(callee, OFFER))
    net.run(11)
    assert len(caller.events(CallAnswered)) >= 700
    assert callee.ua.transactions > 700, "INVITE transactions linger for 64*T1"
    net.run(30)
    for call in caller.placed:
        caller.do(lambda ua, now, call=call: ua.hang_up(call, now))
    net.run(400)
    assert_converged(caller, callee)
