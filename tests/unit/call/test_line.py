from __future__ import annotations

from typing import Any

from gateway.call.line import UNPROVEN_MEDIA_S
from gateway.call.states import CallState
from gateway.emulator.scenario import Scenario
from tests.support.call_rig import CallRig


def scenario(**fields: Any) -> Scenario:
    return Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 1000}}} | fields)


def test_audio_to_an_address_that_only_sdp_has_named_ends_without_an_ack_and_returns_with_it() -> None:
    rig = CallRig(scenario(greeting={"tone": {"hz": 440, "ms": 20000}}), caller_audio=lambda _: None)
    rig.begin()
    rig.run_until(lambda: rig.call.state is CallState.ANSWERING)
    answered_at = rig.now
    rig.run(8.0)
    assert rig.sent
    assert rig.sent[-1].at - answered_at <= UNPROVEN_MEDIA_S + 0.021
    rig.inbound.confirmed(None, rig.now)
    resumed_at = rig.now
    rig.run(1.0)
    assert len([packet for packet in rig.sent if packet.at >= resumed_at]) >= 45


def test_a_caller_who_is_heard_needs_no_ack_to_go_on_hearing() -> None:
    rig = CallRig(scenario(greeting={"tone": {"hz": 440, "ms": 20000}}))
    rig.begin()
    rig.run(8.0)
    assert rig.call.state is CallState.ANSWERING
    assert rig.now - rig.sent[-1].at <= 0.021


def test_a_caller_whose_first_packet_comes_after_the_stop_is_heard_and_hears_again() -> None:
    speaks_from = [float("inf")]
    rig = CallRig(
        scenario(greeting={"tone": {"hz": 440, "ms": 20000}}),
        caller_audio=lambda now: b"\xff" * 160 if now >= speaks_from[0] else None,
    )
    rig.begin()
    rig.run_until(lambda: rig.call.state is CallState.ANSWERING)
    rig.run(4.0)
    stopped_at = rig.sent[-1].at
    assert rig.now - stopped_at > 0.9
    speaks_from[0] = rig.now
    rig.run(2.0)
    assert rig.call.state is CallState.ANSWERING
    assert rig.sent[-1].at > stopped_at + 1.5
