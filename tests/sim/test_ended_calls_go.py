"""A call that is over is gone: by counting references alone, for the daemon lets the garbage collector come rarely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.sip.events import CallConfirmed, CallOffered, CallRedirected, Event
from gateway.sip.invite.call import Call
from gateway.sip.invite.invitation import Invitation
from tests.support.garbage import without_collector
from tests.support.sip_peer import ANSWER, OFFER
from tests.support.virtual_network import Agent, VirtualNetwork, talkative

CALLS = 20
END_S = 400.0
"""Every timer of a call that is over has run out by then."""


def refusing(agent: Agent, event: Event) -> None:
    if isinstance(event, CallOffered):
        agent.ua.reject(event.call, 486, agent.now)


def silent(agent: Agent, event: Event) -> None:
    """Rings for ever, and decides on nothing."""
    if isinstance(event, CallOffered):
        agent.ua.ring(event.call, agent.now, 183, body=ANSWER, is_reliable=True)


Story = Callable[[VirtualNetwork, Agent, Agent, str], None]
"""One call from its INVITE on."""


def hang_up(net: VirtualNetwork, caller: Agent, callee: Agent, call: str) -> None:
    net.run(3)
    caller.do(lambda ua, now: ua.hang_up(call, now))


def is_hung_up_on(net: VirtualNetwork, caller: Agent, callee: Agent, call: str) -> None:
    net.run(3)
    offered = callee.events(CallOffered)[-1].call
    callee.do(lambda ua, now: ua.hang_up(offered, now))


def change_everything(net: VirtualNetwork, caller: Agent, callee: Agent, call: str) -> None:
    net.run(3)
    offered = callee.events(CallOffered)[-1].call
    for agent, name in ((caller, call), (callee, offered)):
        agent.do(lambda ua, now, name=name: ua.reoffer(name, OFFER, now))  # type: ignore[misc]
        net.run(5)
        agent.do(lambda ua, now, name=name: ua.reoffer(name, OFFER, now, prefer_update=True))  # type: ignore[misc]
        net.run(5)
        agent.do(lambda ua, now, name=name: ua.update(name, now))  # type: ignore[misc]
        agent.do(lambda ua, now, name=name: ua.info(name, "application/dtmf-relay", b"Signal=1", now))  # type: ignore[misc]
        agent.do(lambda ua, now, name=name: ua.refer(name, "sip:1002@example.net", now))  # type: ignore[misc]
        net.run(5)
    caller.do(lambda ua, now: ua.hang_up(call, now))


def end_amid_changes(net: VirtualNetwork, caller: Agent, callee: Agent, call: str) -> None:
    """Both offer, one refers, and both hang up before anybody has answered."""
    net.run(3)
    offered = callee.events(CallOffered)[-1].call
    caller.do(lambda ua, now: ua.refer(call, "sip:1002@example.net", now))
    caller.do(lambda ua, now: ua.reoffer(call, OFFER, now))
    callee.do(lambda ua, now: ua.reoffer(offered, OFFER, now))
    net.run(0.03)
    caller.do(lambda ua, now: ua.hang_up(call, now))
    callee.do(lambda ua, now: ua.hang_up(offered, now))


def take_back(net: VirtualNetwork, caller: Agent, callee: Agent, call: str) -> None:
    net.run(0.5)
    caller.do(lambda ua, now: ua.hang_up(call, now))


def only_wait(net: VirtualNetwork, caller: Agent, callee: Agent, call: str) -> None:
    net.run(0.5)


def lose_everything(net: VirtualNetwork, caller: Agent, callee: Agent, call: str) -> None:
    net.run(3)
    net.loss = 1.0
    caller.do(lambda ua, now: ua.hang_up(call, now))
    net.run(4000)  # the other side notices by its session timer
    net.loss = 0.0


STORIES: dict[str, tuple[Story, Any]] = {
    "hung up": (hang_up, talkative),
    "hung up by the other": (is_hung_up_on, talkative),
    "changed and transferred": (change_everything, talkative),
    "ended amid changes": (end_amid_changes, talkative),
    "refused": (only_wait, refusing),
    "cancelled": (take_back, silent),
    "rung in vain": (only_wait, silent),
    "never heard of": (only_wait, None),
    "lost": (lose_everything, talkative),
}


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_nothing_of_an_ended_call_waits_for_the_collector(story: str, transport: str) -> None:
    tell, policy = STORIES[story]
    with without_collector(Call) as left:
        net = VirtualNetwork(1, latency_s=(0.02, 0.02))
        caller, callee = net.add("192.0.2.1", talkative), net.add("192.0.2.2", policy)
        for _ in range(CALLS):
            tell(net, caller, callee, caller.call(callee, OFFER, transport))
            net.run(END_S)
        assert (caller.counts(), callee.counts()) == ((0, 0, 0), (0, 0, 0))
    assert not left


def test_an_ended_call_is_gone_before_its_transactions_are() -> None:
    net = VirtualNetwork(1, latency_s=(0.02, 0.02))
    caller, callee = net.add("192.0.2.1", talkative), net.add("192.0.2.2", talkative)
    with without_collector(Call) as left:
        call = caller.call(callee, OFFER)
        hang_up(net, caller, callee, call)
        net.run(10)  # timers J, L and M still run
        assert caller.ua.transactions
        assert callee.ua.transactions
    assert not left


def test_a_call_that_had_to_look_for_somebody_is_gone_as_well() -> None:
    """A dead hop, then one that redirects, then the place it has named."""

    def redirecting(agent: Agent, event: Event) -> None:
        if isinstance(event, CallOffered):
            agent.ua.reject(event.call, 302, agent.now, headers=[("Contact", "<sip:bob@192.0.2.3>")])

    def following(agent: Agent, event: Event) -> None:
        if isinstance(event, CallRedirected):
            agent.ua.redirect(event.call, event.contacts[0], [agent.flow_to(callee)], agent.now)

    net = VirtualNetwork(1, latency_s=(0.02, 0.02))
    caller, proxy = net.add("192.0.2.1", following), net.add("192.0.2.2", redirecting)
    callee = net.add("192.0.2.3", talkative)
    hops = (replace(caller.flow_to(proxy), remote=("192.0.2.9", 5060)), caller.flow_to(proxy))
    placed = Invitation("sip:bob@b", hops, from_="<sip:a@b>", to="<sip:bob@b>", body=OFFER)
    with without_collector(Call) as left:
        for _ in range(CALLS):
            caller.do(lambda ua, now: caller.placed.append(ua.invite(placed, now)))
            net.run(20)
            hang_up(net, caller, callee, caller.placed[-1])
            net.run(END_S)
        assert len(callee.events(CallConfirmed)) == CALLS
    assert not left
