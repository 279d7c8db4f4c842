from __future__ import annotations

import asyncio

from gateway.call.identity import CallDirection, CallLimits
from gateway.call.live_calls import LiveCalls
from gateway.call.termination import EndReason
from gateway.emulator.scenario import Scenario
from gateway.observability.logs import get_logger
from gateway.observability.metrics import Metrics
from tests.support.call_rig import CallRig


def table(metrics: Metrics, clock: list[float]) -> LiveCalls:
    return LiveCalls(metrics=metrics, logger=get_logger(), clock=lambda: clock[0])


async def test_a_call_is_found_by_both_names_counted_and_forgotten() -> None:
    metrics = Metrics()
    live = table(metrics, [1000.0])
    rig = CallRig(Scenario(), direction=CallDirection.OUTBOUND, offer=None)
    rig.call._on_end = live.ended  # as the assembly wires it
    live.add(rig.call)
    assert live.get("c-1") is rig.call
    assert live.of_sip_call("sip-1") is None, "nothing has been sent yet"
    live.run(rig.call, lambda call: rig.begin())
    live.run(rig.call, lambda call: rig.outbound.dial(lambda: "sip-1", rig.now))
    assert live.of_sip_call("sip-1") is rig.call
    assert (len(live), live.on_trunk("carrier"), live.has_source("192.0.2.7")) == (1, 1, True)
    live.run(rig.call, lambda call: call.end(EndReason.API, rig.now))
    assert (len(live), live.on_trunk("carrier"), live.has_source("192.0.2.7")) == (0, 0, False)
    assert live.of_sip_call("sip-1") is live.get("c-1") is None
    assert metrics.registry.get_sample_value("gateway_calls_ended_total", {"reason": "api"}) == 1
    live.close()


async def test_a_fault_of_ours_ends_that_call_only() -> None:
    live = table(Metrics(), [1000.0])
    rig = CallRig(Scenario())
    live.add(rig.call)

    def fail(_: object) -> None:
        raise ZeroDivisionError

    live.run(rig.call, fail)
    assert rig.call.end_reason is EndReason.ERROR
    live.close()


async def test_the_one_timer_fires_for_the_earliest_deadline() -> None:
    clock = [1000.0]
    live = table(Metrics(), clock)
    rig = CallRig(Scenario(), direction=CallDirection.OUTBOUND, offer=None, limits=CallLimits(ring_s=0.02))
    live.add(rig.call)
    live.run(rig.call, lambda call: call.begin(clock[0]))
    for _ in range(200):
        if rig.call.is_ended:
            break
        await asyncio.sleep(0.005)
    assert rig.call.end_reason is EndReason.NO_ANSWER
    live.close()


async def test_who_answered_a_call_of_ours_is_in_it_until_its_end() -> None:
    live = table(Metrics(), [1000.0])
    rig = CallRig(Scenario(), direction=CallDirection.OUTBOUND, offer=None)
    rig.call._on_end = live.ended
    live.add(rig.call)
    live.run(rig.call, lambda call: rig.begin())
    live.reached(rig.call, "198.51.100.9")
    live.reached(rig.call, "203.0.113.9")  # the first answer counts
    assert live.has_source("198.51.100.9")
    assert not live.has_source("203.0.113.9")
    live.run(rig.call, lambda call: call.end(EndReason.API, rig.now))
    assert not live.has_source("198.51.100.9")
    live.reached(rig.call, "198.51.100.9")
    assert not live.has_source("198.51.100.9"), "a call that is over"
    live.close()
