from __future__ import annotations

from typing import Any

import pytest

from gateway.call.identity import CallLimits
from gateway.call.journal import EventName
from gateway.call.states import CallState
from gateway.call.termination import EndReason
from gateway.emulator.scenario import Scenario
from tests.support.call_rig import OFFER, CallRig


def scenario(**fields: Any) -> Scenario:
    return Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 1000}}} | fields)


def talking(rig: CallRig) -> CallRig:
    rig.begin()
    rig.run_until(lambda: rig.call.state is CallState.ANSWERING)
    rig.inbound.confirmed(None, rig.now)
    return rig


def ended(rig: CallRig) -> EndReason | None:
    assert rig.ended == [rig.call]
    assert rig.media.is_closed
    assert rig.provider.is_closed
    assert rig.call.next_deadline() is None
    return rig.call.end_reason


def test_a_provider_lost_in_mid_call_ends_it_with_a_bye_that_says_why() -> None:
    rig = talking(CallRig(scenario()))
    rig.run(0.5)
    rig.cut_provider()
    assert ended(rig) is EndReason.PROVIDER_FAILED
    word, headers = rig.signalling.said[-1]
    assert word == "hang_up"
    assert "cause=41" in headers["Reason"]  # type: ignore[index]


def test_the_caller_hanging_up_ends_everything_without_a_word_to_sip() -> None:
    rig = talking(CallRig(scenario()))
    rig.call.end(EndReason.CALLER_HUNG_UP, rig.now, is_gone=True)
    rig.call.end(EndReason.ERROR, rig.now)
    assert ended(rig) is EndReason.CALLER_HUNG_UP
    assert rig.signalling.words() == ["ring", "answer"]
    assert rig.names().count("call.ended") == 1


def test_hold_and_resume_by_re_invite() -> None:
    rig = talking(CallRig(scenario(greeting={"tone": {"hz": 440, "ms": 5000}})))
    rig.run(0.5)
    rig.call.reoffered(OFFER + b"a=sendonly\r\n", rig.now)
    assert rig.call.state is CallState.HELD
    assert b"a=recvonly" in rig.signalling.said[-1][1]  # type: ignore[operator]
    rig.call.reoffered(OFFER, rig.now)
    assert rig.call.state is CallState.TALKING
    assert b"a=sendrecv" in rig.signalling.said[-1][1]  # type: ignore[operator]
    assert {"call.held", "call.resumed"} <= set(rig.names())


def test_a_re_invite_that_changes_nothing_changes_nothing() -> None:
    rig = talking(CallRig(scenario(greeting={"tone": {"hz": 440, "ms": 3000}})))
    rig.run(0.5)
    rig.call.reoffered(OFFER, rig.now)
    rig.run(1.0)
    assert not {"call.held", "call.resumed", "turn.interrupted", "call.ended"} & set(rig.names())
    assert all(packet.payload != b"\xff" * 160 for packet in rig.sent)


def test_a_re_invite_with_nothing_in_common_is_refused_and_the_call_goes_on() -> None:
    rig = talking(CallRig(scenario()))
    rig.call.reoffered(OFFER.replace(b"RTP/AVP 0 101", b"RTP/AVP 9"), rig.now)
    assert rig.signalling.said[-1] == ("refuse_offer", 488)
    assert rig.call.state is CallState.TALKING


def test_a_caller_from_whom_nothing_comes_is_given_up() -> None:
    rig = talking(CallRig(scenario(), limits=CallLimits(media_silence_s=5), caller_audio=lambda _: None))
    rig.run(7.0)
    assert ended(rig) is EndReason.MEDIA_TIMEOUT


def test_silence_on_hold_is_not_a_lost_caller() -> None:
    rig = talking(CallRig(scenario(), limits=CallLimits(media_silence_s=5), caller_audio=lambda _: None))
    rig.call.reoffered(OFFER + b"a=inactive\r\n", rig.now)
    rig.run(9.0)
    assert rig.ended == []
    rig.call.reoffered(OFFER, rig.now)
    rig.run(4.0)
    assert rig.ended == []
    rig.run(3.0)
    assert ended(rig) is EndReason.MEDIA_TIMEOUT


def test_the_maximum_duration_is_counted_from_the_answer() -> None:
    rig = talking(CallRig(scenario(), limits=CallLimits(duration_s=4)))
    answered_at = rig.now
    rig.run_until(lambda: bool(rig.ended))
    assert rig.now - answered_at == pytest.approx(4.0, abs=0.01)
    assert ended(rig) is EndReason.MAX_DURATION


def test_two_silent_parties_are_parted_after_the_idle_limit() -> None:
    rig = talking(CallRig(scenario(), limits=CallLimits(idle_s=3)))
    rig.run_until(lambda: EventName.AGENT_STOPPED.value in rig.names())
    silent_since = rig.now
    rig.run_until(lambda: bool(rig.ended))
    assert 3.0 <= rig.now - silent_since <= 4.1
    assert ended(rig) is EndReason.IDLE


def test_a_call_that_arrives_on_hold_is_held_and_not_given_up() -> None:
    for direction in (b"a=sendonly\r\n", b"a=inactive\r\n"):
        rig = CallRig(
            scenario(greeting={"tone": {"hz": 440, "ms": 9000}}),
            offer=OFFER + direction,
            limits=CallLimits(media_silence_s=5),
            caller_audio=lambda _: None,
        )
        rig.begin()
        rig.run_until(lambda rig=rig: rig.call.state is CallState.ANSWERING)
        rig.inbound.confirmed(None, rig.now)
        assert rig.call.state is CallState.HELD
        rig.run(8.0)
        assert rig.ended == []
        assert rig.sent == []
        rig.call.reoffered(OFFER, rig.now)
        assert rig.call.state is CallState.TALKING
        rig.run(1.0)
        assert any(packet.payload != b"\xff" * 160 for packet in rig.sent), "the agent speaks once the caller is there"


def test_a_caller_who_only_listens_is_no_lost_caller() -> None:
    rig = talking(CallRig(scenario(), limits=CallLimits(media_silence_s=5), caller_audio=lambda _: None))
    rig.call.reoffered(OFFER + b"a=recvonly\r\n", rig.now)
    rig.run(9.0)
    assert rig.ended == []


def test_nothing_is_recorded_after_the_end() -> None:
    rig = talking(CallRig(scenario(), limits=CallLimits(duration_s=1.02)))
    rig.run(5.0)
    assert ended(rig) is EndReason.MAX_DURATION
    assert rig.names()[-1] == "call.ended"


def test_a_leg_that_cannot_be_told_keeps_no_other_from_being_let_go() -> None:
    rig = talking(CallRig(scenario()))

    def fail(*_: object) -> None:
        raise RuntimeError("signalling has forgotten this call")

    rig.signalling.hang_up = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="forgotten"):
        rig.call.end(EndReason.API, rig.now)
    assert ended(rig) is EndReason.API
