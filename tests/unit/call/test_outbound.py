from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gateway.call.identity import CallDirection, CallLimits
from gateway.call.journal import EventName
from gateway.call.states import CallState
from gateway.call.termination import EndReason
from gateway.emulator.scenario import Scenario
from gateway.measure import g711
from tests.support.call_rig import OFFER as ANSWER
from tests.support.call_rig import CallRig, ended

SILENCE = b"\xff" * 160


def outbound(limits: CallLimits | None = None, *, instructions: str | None = "Greet.", **fields: Any) -> CallRig:
    scenario = Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 1000}}} | fields)
    return CallRig(scenario, direction=CallDirection.OUTBOUND, limits=limits, offer=None, greeting=instructions)


def dial(rig: CallRig) -> None:
    rig.outbound.dial(lambda: rig.signalling.invite(rig.outbound.offer("192.0.2.1", "192.0.2.7")), rig.now)


def ringing(rig: CallRig, seconds: float = 1.0) -> CallRig:
    rig.begin()
    dial(rig)
    rig.run(0.1)
    rig.outbound.progressed(180, "Ringing", None, rig.now)
    rig.run(seconds)
    return rig


def test_the_call_id_that_carriers_ask_for_is_told_as_soon_as_the_invite_has_left() -> None:
    rig = outbound()
    rig.begin()
    assert "sip_call_id" not in rig.events[-1].details
    dial(rig)
    assert rig.last(EventName.CALL_DIALING).details == {"sip_call_id": rig.call.sip_call}


def test_the_greeting_waits_while_it_rings_and_leaves_within_60_ms_of_the_answer() -> None:
    rig = ringing(outbound(), 5.0)
    assert rig.call.state is CallState.RINGING
    assert rig.sent == []
    assert rig.conversation.has_agent_audio, "generated while it rings"
    rig.outbound.answered(ANSWER, rig.now)
    answered_at = rig.now
    assert rig.call.state is CallState.TALKING
    rig.run(1.5)
    assert rig.sent[0].at - answered_at <= 0.06
    assert rig.sent[0].payload != SILENCE, "the first packet carries the greeting"
    spoken = [packet for packet in rig.sent if packet.payload != SILENCE]
    assert len(spoken) == pytest.approx(50, abs=2), "and the whole second of it is heard"
    assert [name for name in rig.names() if name.startswith("call.")] == [
        "call.queued",
        "call.dialing",
        "call.ringing",
        "call.answered",
    ]


def test_the_agents_turn_begins_when_its_greeting_is_heard_and_not_when_it_was_generated() -> None:
    rig = ringing(outbound(), 5.0)
    assert EventName.AGENT_STARTED.value not in rig.names()
    rig.outbound.answered(ANSWER, rig.now)
    answered_at = rig.now
    rig.run_until(lambda: EventName.AGENT_STARTED.value in rig.names())
    assert 0 <= rig.now - answered_at <= 0.06
    assert rig.now >= rig.sent[0].at
    rig.run(2.0)
    assert rig.names().count(EventName.AGENT_STARTED.value) == 1
    assert rig.names().count(EventName.AGENT_STOPPED.value) == 1


SPOKEN = {"tone": {"hz": 440, "ms": 2000}, "text": "hello this is Ada speaking"}


def agent_words(rig: CallRig) -> list[tuple[str, str]]:
    told = [event.details for event in rig.events if event.name is EventName.TRANSCRIPT_AGENT]
    return [(details["state"], details["text"]) for details in told]


def test_a_greeting_that_nobody_picked_up_for_was_generated_and_never_heard() -> None:
    rig = ringing(outbound(greeting=SPOKEN), 4.0)
    rig.outbound.refused(486, "Busy Here", (), rig.now)
    assert agent_words(rig) == [("generated", "hello this is Ada speaking")]
    assert EventName.AGENT_STARTED.value not in rig.names()


def test_of_a_greeting_that_waited_for_the_answer_only_what_left_was_heard() -> None:
    rig = ringing(outbound(greeting=SPOKEN), 4.0)
    rig.outbound.answered(ANSWER, rig.now)
    rig.run(1.0)
    rig.call.end(EndReason.CALLER_HUNG_UP, rig.now, is_gone=True)
    assert agent_words(rig) == [("generated", "hello this is Ada speaking"), ("heard", "hello this is")]


def test_a_greeting_that_was_played_to_its_end_was_heard_in_full() -> None:
    rig = ringing(outbound(greeting=SPOKEN), 4.0)
    rig.outbound.answered(ANSWER, rig.now)
    rig.run(3.0)
    assert agent_words(rig)[-1] == ("heard", "hello this is Ada speaking")


def test_an_agent_that_listens_first_says_nothing_and_hears_from_the_answer_on() -> None:
    rig = ringing(outbound(instructions=None))
    rig.outbound.answered(ANSWER, rig.now)
    rig.run(1.0)
    assert rig.call.state is CallState.TALKING
    assert all(packet.payload == SILENCE for packet in rig.sent)
    assert rig.emulator_record.caller_ms > 0


def test_early_media_is_taken_and_neither_answered_with_the_greeting_nor_heard_by_the_agent() -> None:
    rig = outbound()
    rig.begin()
    dial(rig)
    rig.run(0.5)
    rig.outbound.progressed(183, "Session Progress", ANSWER, rig.now)
    rig.run(1.0)
    assert rig.media.is_started
    assert rig.stream.statistics.packets > 0, "it is received"
    assert rig.sent == [], "the greeting is kept for the answer"
    assert rig.emulator_record.caller_ms == 0, "ringback is no caller"
    assert rig.last(EventName.CALL_RINGING).details == {
        "sip_status": 183,
        "sip_reason": "Session Progress",
        "early_media": True,
    }
    rig.outbound.answered(ANSWER, rig.now)
    rig.run(0.06)
    assert rig.sent[0].payload != SILENCE
    rig.run(0.5)
    assert rig.emulator_record.caller_ms > 0


def test_an_update_before_the_answer_moves_early_media_and_does_not_let_the_greeting_out() -> None:
    rig = outbound()
    rig.begin()
    dial(rig)
    rig.outbound.progressed(183, "Session Progress", ANSWER, rig.now)
    rig.run(0.5)
    rig.call.reoffered(ANSWER.replace(b"m=audio 30000", b"m=audio 30002"), rig.now)
    assert rig.signalling.words()[-1] == "answer_offer"
    rig.run(0.5)
    assert rig.sent == []
    rig.outbound.answered(b"", rig.now)
    rig.run(0.1)
    assert rig.sent[0].payload != SILENCE


def test_a_200_without_sdp_after_a_183_that_brought_it_is_an_answer() -> None:
    rig = outbound()
    rig.begin()
    dial(rig)
    rig.run(0.5)
    rig.outbound.progressed(183, "Session Progress", ANSWER, rig.now)
    rig.run(0.5)
    rig.outbound.answered(b"", rig.now)
    rig.run(0.1)
    assert rig.call.state is CallState.TALKING
    assert rig.sent[0].payload != SILENCE


def test_a_200_without_sdp_takes_that_of_the_fork_which_answered() -> None:
    rig = outbound()
    rig.begin()
    dial(rig)
    rig.outbound.progressed(183, "Session Progress", ANSWER, rig.now, "desk")
    rig.outbound.progressed(183, "Session Progress", ANSWER.replace(b"audio 30000", b"audio 40000"), rig.now, "mobile")
    rig.outbound.answered(b"", rig.now, "desk")
    assert rig.stream.config.remote == ("192.0.2.7", 30000)


def test_a_200_without_sdp_from_a_fork_that_described_none_is_no_answer() -> None:
    rig = outbound()
    rig.begin()
    dial(rig)
    rig.outbound.progressed(183, "Session Progress", ANSWER, rig.now, "desk")
    rig.outbound.answered(b"", rig.now, "mobile")
    assert ended(rig) is EndReason.ERROR
    assert rig.last(EventName.CALL_ENDED).details["sip_cause"] == "unusable_answer"


def test_an_answer_in_the_other_law_is_spoken_and_heard_in_it() -> None:
    rig = ringing(outbound())
    alaw = ANSWER.replace(b"RTP/AVP 0 101", b"RTP/AVP 8 101")
    rig.outbound.answered(alaw, rig.now)
    rig.run(0.5)
    heard = g711.decode(b"".join(packet.payload for packet in rig.sent[2:22]), "PCMA").astype(float)
    spectrum = np.abs(np.fft.rfft(heard))
    assert abs(float(np.argmax(spectrum)) * 8000 / len(heard) - 440) < 5, "the tone, when read as A-law"
    assert spectrum.max() ** 2 > 0.9 * (spectrum**2).sum() / 2, "and little else"
    assert rig.last(EventName.CALL_ANSWERED).details["codec"] == "PCMA"
    assert rig.call.state is CallState.TALKING


@pytest.mark.parametrize(
    ("status", "reason_header", "expected"),
    [
        (486, None, EndReason.BUSY),
        (600, None, EndReason.BUSY),
        (480, None, EndReason.NO_ANSWER),
        (408, None, EndReason.NO_ANSWER),
        (403, None, EndReason.REJECTED),
        (603, None, EndReason.REJECTED),
        (404, None, EndReason.REJECTED),
        (503, None, EndReason.ERROR),
        (480, 'Q.850;cause=17;text="User busy"', EndReason.BUSY),
    ],
)
def test_a_refusal_ends_the_call_with_its_reason_and_the_sip_reply_is_kept(
    status: int, reason_header: str | None, expected: EndReason
) -> None:
    rig = ringing(outbound())
    headers = [("Reason", reason_header)] if reason_header else []
    rig.outbound.refused(status, "Their Words", headers, rig.now)
    assert ended(rig) is expected
    assert rig.signalling.words() == ["invite"], "it is over in SIP already"
    said = rig.last(EventName.CALL_ENDED).details
    assert (said["sip_status"], said["sip_reason"], said["reason"]) == (status, "Their Words", expected.value)
    if reason_header:
        assert (said["q850_cause"], said["q850_text"]) == (17, "User busy")


def test_nobody_answers_within_the_ring_timeout() -> None:
    rig = outbound(CallLimits(ring_s=20))
    began = rig.now
    ringing(rig, 19.0)
    assert rig.ended == []
    rig.run_until(lambda: bool(rig.ended), 5)
    assert rig.now - began == pytest.approx(20, abs=0.01)
    assert ended(rig) is EndReason.NO_ANSWER
    assert rig.signalling.words() == ["invite", "hang_up"]


def test_a_name_that_never_resolves_is_bounded_by_the_ring_timeout_too() -> None:
    rig = outbound(CallLimits(ring_s=5))
    rig.begin()
    rig.run(5.1)
    assert ended(rig) is EndReason.NO_ANSWER
    assert rig.signalling.words() == []


def test_a_destination_without_an_address_ends_the_call_with_why() -> None:
    rig = outbound()
    rig.begin()
    rig.outbound.could_not_dial("unresolved", "no such name", rig.now)
    assert ended(rig) is EndReason.ERROR
    assert rig.last(EventName.CALL_ENDED).details["sip_cause"] == "unresolved"
    dial(rig)
    assert rig.signalling.words() == [], "an INVITE after the end is not sent"


@pytest.mark.parametrize("seconds", [0.0, 0.003, 0.5, 3.0])
def test_the_operator_ends_it_at_any_moment_before_the_answer(seconds: float) -> None:
    rig = outbound()
    rig.begin()
    rig.run(seconds)
    rig.call.end(EndReason.API, rig.now)
    assert ended(rig) is EndReason.API
    assert rig.signalling.words() == [], "no INVITE was sent, so there is nothing to take back"
    rig = ringing(outbound(), seconds)
    rig.call.end(EndReason.API, rig.now)
    assert ended(rig) is EndReason.API
    word, headers = rig.signalling.said[-1]
    assert word == "hang_up", "signalling makes it a CANCEL, or a BYE when the answer crossed it"
    assert "Q.850" in headers["Reason"]  # type: ignore[index]
    rig.outbound.answered(ANSWER, rig.now)
    assert rig.sent == []
    assert rig.names().count("call.ended") == 1


def test_a_provider_that_fails_while_it_rings_takes_the_call_back() -> None:
    rig = outbound(faults={"refuse_after_upgrade": "invalid authorization credentials"})
    rig.begin()
    dial(rig)
    rig.run(1.0)
    assert ended(rig) is EndReason.PROVIDER_FAILED
    assert rig.signalling.words() == ["invite", "hang_up"]


def test_a_provider_lost_while_it_rings_takes_the_call_back() -> None:
    rig = ringing(outbound())
    rig.cut_provider()
    assert ended(rig) is EndReason.PROVIDER_FAILED
    assert rig.signalling.words()[-1] == "hang_up"


def test_who_answers_before_the_agent_is_there_waits_and_is_then_greeted() -> None:
    rig = outbound(faults={"stall_session_updated_ms": 2000})
    rig.begin()
    dial(rig)
    rig.run(0.5)
    rig.outbound.answered(ANSWER, rig.now)
    assert rig.call.state is CallState.ANSWERING
    rig.run(1.0)
    assert rig.sent, "the line is not dead: silence flows"
    rig.run_until(lambda: rig.call.state is CallState.TALKING, 3)
    rig.run(0.5)
    assert rig.sent[-1].payload != SILENCE


def test_who_answers_and_gets_no_agent_within_the_limit_is_let_go() -> None:
    rig = outbound(CallLimits(answer_after_s=3), faults={"stall_session_updated_ms": 30_000})
    rig.begin()
    dial(rig)
    rig.run(1.0)
    rig.outbound.answered(ANSWER, rig.now)
    rig.run(3.1)
    assert ended(rig) is EndReason.PROVIDER_FAILED
    assert rig.signalling.words() == ["invite", "hang_up"]


def test_an_answer_that_cannot_be_used_is_ended_with_a_bye() -> None:
    rig = ringing(outbound())
    rig.outbound.answered(ANSWER.replace(b"RTP/AVP 0 101", b"RTP/AVP 9"), rig.now)
    assert ended(rig) is EndReason.ERROR
    assert rig.signalling.words()[-1] == "hang_up"
    assert rig.last(EventName.CALL_ENDED).details["sip_cause"] == "unusable_answer"


def test_forked_and_repeated_ringing_is_one_event_for_each_status() -> None:
    rig = ringing(outbound())
    rig.outbound.progressed(180, "Ringing", None, rig.now)
    rig.outbound.progressed(180, "Ringing", None, rig.now)
    rig.outbound.progressed(182, "Queued", None, rig.now)
    assert [event.details["sip_status"] for event in rig.events if event.name is EventName.CALL_RINGING] == [180, 182]


def test_the_far_end_hangs_up_and_may_hold_like_any_caller() -> None:
    rig = ringing(outbound())
    rig.outbound.answered(ANSWER, rig.now)
    rig.run(0.5)
    rig.call.reoffered(ANSWER + b"a=inactive\r\n", rig.now)
    assert rig.call.state is CallState.HELD
    assert rig.last(EventName.CALL_HELD).details == {"by": "peer", "how": "inactive"}
    rig.call.end(EndReason.CALLER_HUNG_UP, rig.now, is_gone=True)
    assert ended(rig) is EndReason.CALLER_HUNG_UP
