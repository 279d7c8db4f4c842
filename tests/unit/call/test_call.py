from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.call.identity import CallLimits
from gateway.call.journal import EventName
from gateway.call.states import CallState
from gateway.call.termination import EndReason
from gateway.media.codec.g711 import ALAW_TO_ULAW
from tests.support.call_rig import OFFER, CallRig, ended, scenario, talking


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


LONG = {"tone": {"hz": 440, "ms": 20000}}


def test_our_own_hold_silences_the_agent_and_its_end_gives_it_the_floor_again() -> None:
    rig = talking(CallRig(scenario(greeting=LONG)))
    rig.run(0.5)
    rig.call.hold(rig.now)
    assert rig.call.state is CallState.HELD
    assert rig.last(EventName.CALL_HELD).details == {"by": "gateway", "how": "sendonly"}
    assert b"a=sendonly" in rig.signalling.said[-1][1]  # type: ignore[operator]
    rig.call.reoffer_answered(OFFER + b"a=recvonly\r\n", rig.now)
    held_at = rig.now
    rig.run(1.0)
    assert all(packet.payload == b"\xff" * 160 for packet in rig.sent if packet.at > held_at + 0.021)
    rig.call.hold(rig.now)
    assert rig.signalling.words().count("reoffer") == 1, "held is held"
    rig.call.resume(rig.now)
    rig.call.reoffer_answered(OFFER, rig.now)
    assert rig.call.state is CallState.TALKING


def test_both_hold_and_each_ends_its_own() -> None:
    rig = talking(CallRig(scenario()))
    rig.call.reoffered(OFFER + b"a=sendonly\r\n", rig.now)
    rig.call.hold(rig.now)
    rig.call.reoffer_answered(OFFER + b"a=inactive\r\n", rig.now)
    rig.call.reoffered(OFFER, rig.now)
    assert rig.call.state is CallState.HELD, "ours goes on"
    assert b"a=sendonly" in rig.signalling.said[-1][1]  # type: ignore[operator]
    rig.call.resume(rig.now)
    rig.call.reoffer_answered(OFFER, rig.now)
    assert rig.call.state is CallState.TALKING


def test_whoever_is_on_hold_is_asked_every_30_s_whether_it_is_still_there() -> None:
    rig = talking(CallRig(scenario(), limits=CallLimits(media_silence_s=5), caller_audio=lambda _: None))
    rig.call.reoffered(OFFER + b"a=inactive\r\n", rig.now)
    rig.run(95.0)
    assert rig.signalling.words().count("ping") == 3
    rig.call.reoffered(OFFER, rig.now)
    rig.run(1.0)
    assert rig.ended == []
    assert rig.signalling.words().count("ping") == 3


def test_a_re_invite_in_the_other_law_is_followed_in_both_directions() -> None:
    rig = talking(CallRig(scenario(greeting=LONG), caller_audio=lambda _: b"\xd5" * 160))
    rig.run(0.5)
    rig.call.reoffered(OFFER.replace(b"RTP/AVP 0 101", b"RTP/AVP 8 101"), rig.now)
    assert b"RTP/AVP 8 101" in rig.signalling.said[-1][1]  # type: ignore[operator]
    before = rig.emulator_record.caller_ms
    rig.run(0.5)
    assert rig.sent[-1].payload.translate(ALAW_TO_ULAW) != b"\xff" * 160
    assert rig.emulator_record.caller_ms > before
    assert rig.ended == []


def test_a_refused_offer_of_ours_is_told_and_the_call_goes_on() -> None:
    rig = talking(CallRig(scenario()))
    rig.call.hold(rig.now)
    rig.call.reoffer_refused(488, "Not Acceptable Here", rig.now)
    assert rig.last(EventName.CALL_REOFFER_REFUSED).details == {"status": 488, "reason": "Not Acceptable Here"}
    assert rig.ended == []


def transferring(**fields: Any) -> CallRig:
    rig = talking(CallRig(scenario(greeting=LONG, **fields)))
    rig.run(0.5)
    rig.call.transfer("sip:desk@pbx.example", rig.now)
    assert rig.call.state is CallState.TRANSFERRING
    assert rig.signalling.said[-1] == ("refer", ("sip:desk@pbx.example", None))
    return rig


def states_of(rig: CallRig) -> list[str]:
    return [event.details["state"] for event in rig.events if event.name is EventName.TRANSFER_PROGRESS]


def test_a_transfer_that_works_ends_the_call_with_a_bye_and_the_agent_was_silent_meanwhile() -> None:
    rig = transferring()
    began = rig.now
    rig.call.refer_progress(202, "Accepted", rig.now, is_final=False)
    rig.call.refer_progress(100, "Trying", rig.now, is_final=False)
    rig.call.refer_progress(180, "Ringing", rig.now, is_final=False)
    rig.call.refer_progress(180, "Ringing", rig.now, is_final=False)
    rig.run(40.0)
    assert all(packet.payload == b"\xff" * 160 for packet in rig.sent if packet.at > began + 0.021)
    rig.call.refer_progress(200, "OK", rig.now, is_final=True)
    assert ended(rig) is EndReason.TRANSFERRED
    assert rig.signalling.words()[-1] == "hang_up"
    assert states_of(rig) == ["requested", "under_way", "under_way", "under_way", "succeeded"]


@pytest.mark.parametrize("status", [486, 408, 603])
def test_a_transfer_that_fails_gives_the_call_back_to_the_agent_who_says_so(status: int) -> None:
    rig = transferring()
    rig.call.refer_progress(202, "Accepted", rig.now, is_final=False)
    rig.run(2.0)
    rig.call.refer_progress(status, "No", rig.now, is_final=True)
    assert rig.call.state is CallState.TALKING
    back_at = rig.now
    rig.run(2.0)
    assert any(packet.payload != b"\xff" * 160 for packet in rig.sent if packet.at > back_at), "the agent speaks"
    assert states_of(rig)[-1] == "failed"
    rig.call.transfer("sip:other@pbx.example", rig.now)
    assert rig.call.state is CallState.TRANSFERRING, "and may try another"


def test_a_refer_that_is_refused_gives_the_call_back_at_once() -> None:
    rig = transferring()
    rig.call.refer_refused(405, "Method Not Allowed", rig.now)
    assert rig.call.state is CallState.TALKING
    assert rig.last(EventName.TRANSFER_PROGRESS).details["sip_status"] == 405


def test_a_transfer_that_succeeds_after_we_gave_up_still_lets_the_caller_go() -> None:
    rig = transferring()
    rig.call.refer_progress(408, "Request Timeout", rig.now, is_final=True)
    assert rig.call.state is CallState.TALKING
    rig.run(1.0)
    rig.call.refer_progress(200, "OK", rig.now, is_final=True)
    assert ended(rig) is EndReason.TRANSFERRED


def test_no_audio_during_a_transfer_is_no_lost_caller_and_a_hold_in_it_is_remembered() -> None:
    rig = talking(CallRig(scenario(), limits=CallLimits(media_silence_s=3), caller_audio=lambda _: None))
    rig.call.transfer("sip:desk@pbx.example", rig.now)
    rig.run(10.0)
    assert rig.ended == []
    rig.call.reoffered(OFFER + b"a=sendonly\r\n", rig.now)
    rig.call.refer_progress(486, "Busy Here", rig.now, is_final=True)
    assert rig.call.state is CallState.HELD


def test_a_far_end_that_holds_us_can_be_transferred_and_is_still_held_when_that_failed() -> None:
    rig = talking(CallRig(scenario(greeting=LONG)))
    rig.call.reoffered(OFFER + b"a=sendonly\r\n", rig.now)
    assert rig.call.state is CallState.HELD
    rig.call.transfer("sip:desk@pbx.example", rig.now)
    assert rig.call.state is CallState.TRANSFERRING
    rig.call.refer_progress(202, "Accepted", rig.now, is_final=False)
    rig.call.refer_progress(486, "Busy Here", rig.now, is_final=True)
    assert rig.call.state is CallState.HELD
    rig.run(1.0)
    rig.call.reoffered(OFFER, rig.now)
    back_at = rig.now
    rig.run(2.0)
    assert any(packet.payload != b"\xff" * 160 for packet in rig.sent if packet.at > back_at), "then the agent speaks"


def test_an_attended_transfer_names_the_other_call_and_both_must_be_up() -> None:
    rig, other = talking(CallRig(scenario())), talking(CallRig(scenario()))
    other.call.sip_call = "sip-2"
    rig.call.transfer("", rig.now, to_call=other.call)
    assert rig.signalling.said[-1] == ("refer", ("", "sip-2"))
    assert rig.last(EventName.TRANSFER_PROGRESS).details["kind"] == "attended"
    third, ringing = talking(CallRig(scenario())), CallRig(scenario())
    ringing.begin()
    with pytest.raises(LocalProtocolError, match="ringing"):
        third.call.transfer("", third.now, to_call=ringing.call)
    assert third.call.state is CallState.TALKING


def test_a_refer_of_the_far_end_is_declined_with_its_rule() -> None:
    rig = talking(CallRig(scenario()))
    rig.call.referred("1", "sip:premium@elsewhere.example", rig.now)
    assert rig.signalling.said[-1] == ("refuse_refer", 603)
    assert rig.last(EventName.TRANSFER_PROGRESS).details["rule"] == "refer_not_followed"
    assert rig.call.state is CallState.TALKING


def test_a_key_told_by_info_and_rtp_is_one_key() -> None:
    rig = talking(CallRig(scenario()))
    rig.call.receive_digit("5", rig.now)
    rig.call.receive_digit("5", rig.now + 0.1, "info")
    assert rig.observer.digits == 1


def _facts(description: bytes) -> tuple[int, str]:
    """Version and direction."""
    text = description.decode()
    version = re.search(r"^o=\S+ \S+ (\d+)", text, re.MULTILINE)
    direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)", text, re.MULTILINE)
    assert version is not None
    assert direction is not None
    return int(version[1]), direction[1]


def test_both_hold_and_each_ends_its_own_hold_alone() -> None:
    rig = talking(CallRig(scenario()))

    def said() -> tuple[int, str]:
        body = rig.signalling.said[-1][1]
        assert isinstance(body, bytes)
        return _facts(body)

    def theirs(direction: str) -> bytes:
        return OFFER + f"a={direction}\r\n".encode()

    rig.call.reoffered(theirs("sendonly"), rig.now)
    rig.call.hold(rig.now)
    ours = said()
    assert ours[1] == "sendonly"
    rig.call.reoffer_answered(theirs("inactive"), rig.now)
    assert rig.stream.config.direction == "inactive"
    rig.call.reoffered(theirs("sendrecv"), rig.now)
    resumed = said()
    assert resumed[1] == "sendonly", "their hold is over, ours is not"
    assert rig.call.state is CallState.HELD
    rig.call.reoffered(theirs("sendrecv"), rig.now)
    assert said() == resumed, "a refresh changes nothing, its version included"
    rig.call.reoffered(None, rig.now)
    assert said()[1] == "sendonly", "asked for our offer, we still hold"
    rig.call.reoffer_confirmed(theirs("recvonly"), rig.now)
    assert rig.call.state is CallState.HELD
    rig.call.resume(rig.now)
    last = said()
    assert last[1] == "sendrecv"
    assert last[0] > resumed[0]
    rig.call.reoffer_answered(theirs("sendrecv"), rig.now)
    assert rig.call.state is CallState.TALKING
    assert rig.stream.config.direction == "sendrecv"
