from __future__ import annotations

from typing import Any

import pytest

from gateway.call.identity import CallLimits
from gateway.call.inbound import EARLY_LIMIT_S, GREETING_WAIT_S, Provisionals
from gateway.call.journal import EventName
from gateway.call.line import UNPROVEN_MEDIA_S
from gateway.call.states import CallState
from gateway.call.termination import EndReason
from tests.support.call_rig import OFFER, CallRig, ended, scenario


def test_it_rings_while_the_agent_connects_and_answers_with_the_first_sound_of_the_greeting() -> None:
    rig = CallRig(scenario())
    rig.begin()
    assert rig.signalling.words() == ["ring"]
    assert rig.provider.is_started
    assert not rig.media.is_started
    rig.run_until(lambda: "answer" in rig.signalling.words())
    assert rig.media.is_started
    assert not rig.stream.playout.is_drained
    rig.run(0.021)
    assert rig.sent[0].payload != b"\xff" * 160, "the first packet already carries the greeting"


def test_a_greeting_that_does_not_come_is_not_waited_for_longer_than_a_second() -> None:
    rig = CallRig(scenario(greeting={"silence": True}))
    rig.begin()
    rig.run_until(lambda: EventName.PROVIDER_CONNECTED.value in rig.names())
    ready_at = rig.now
    rig.run_until(lambda: "answer" in rig.signalling.words())
    assert rig.now - ready_at == pytest.approx(GREETING_WAIT_S, abs=0.01)


def test_a_provider_that_is_not_ready_in_time_costs_the_caller_503_with_retry_after() -> None:
    rig = CallRig(scenario(faults={"stall_session_updated_ms": 20_000}), limits=CallLimits(answer_after_s=3))
    rig.begin()
    rig.run(3.1)
    assert ended(rig) is EndReason.PROVIDER_FAILED
    word, (status, headers) = rig.signalling.said[-1]  # type: ignore[misc]
    assert (word, status) == ("reject", 503)
    assert int(headers["Retry-After"]) > 0


def test_a_provider_that_refuses_after_the_upgrade_costs_503_too() -> None:
    rig = CallRig(scenario(faults={"refuse_after_upgrade": "invalid authorization credentials"}))
    rig.begin()
    rig.run(1.0)
    assert ended(rig) is EndReason.PROVIDER_FAILED
    assert rig.signalling.words() == ["ring", "reject"]
    assert "authorization" in rig.last(EventName.PROVIDER_ERROR).details["message"]


def test_cancel_while_ringing_ends_the_provider_session_too() -> None:
    rig = CallRig(scenario())
    rig.begin()
    rig.run(0.003)
    rig.call.end(EndReason.CANCELLED, rig.now, is_gone=True)
    rig.run(1.0)
    assert ended(rig) is EndReason.CANCELLED
    assert rig.sent == []
    assert rig.last(EventName.CALL_ENDED).details["answered"] is False


def test_an_invite_without_an_offer_is_completed_by_its_ack() -> None:
    rig = CallRig(scenario(), offer=None, caller_audio=lambda _: None)
    rig.begin()
    rig.run_until(lambda: rig.call.state is CallState.ANSWERING)
    assert b"m=audio 20000 RTP/AVP 0 8 101" in rig.signalling.said[-1][1]  # type: ignore[operator]
    rig.run(0.1)
    assert rig.sent == [], "there is nowhere to send yet"
    rig.inbound.confirmed(OFFER, rig.now)
    rig.run(0.1)
    assert rig.call.state is CallState.TALKING
    assert rig.sent


def test_an_ack_whose_answer_is_nonsense_ends_the_call() -> None:
    rig = CallRig(scenario(), offer=None)
    rig.begin()
    rig.run_until(lambda: rig.call.state is CallState.ANSWERING)
    rig.inbound.confirmed(b"not sdp", rig.now)
    assert ended(rig) is EndReason.ERROR


def test_early_media_greets_before_the_answer_and_answers_when_the_greeting_was_heard() -> None:
    rig = CallRig(scenario(), provisionals=Provisionals(has_early_media=True))
    rig.begin()
    rig.run_until(lambda: rig.signalling.words() == ["ring", "ring"])
    status, body = rig.signalling.said[-1][1]  # type: ignore[misc]
    assert status == 183
    assert b"m=audio 20000 RTP/AVP 0 101" in body
    rig.run(0.9)
    assert rig.call.state is CallState.RINGING
    assert rig.sent[0].payload != b"\xff" * 160
    assert rig.emulator_record.caller_ms == 0, "the caller is not heard before the answer"
    rig.run_until(lambda: "answer" in rig.signalling.words(), 2)
    assert rig.signalling.said[-1] == ("answer", body), "the same description: nothing was offered anew"
    heard = [packet for packet in rig.sent if packet.payload != b"\xff" * 160]
    assert len(heard) == pytest.approx(50, abs=2), "the whole second of the greeting, once"
    rig.inbound.confirmed(None, rig.now)
    rig.run(0.5)
    assert rig.emulator_record.caller_ms > 0
    assert rig.call.state is CallState.TALKING


def test_a_greeting_without_end_is_answered_in_the_middle() -> None:
    rig = CallRig(scenario(greeting={"tone": {"hz": 440, "ms": 60_000}}), provisionals=Provisionals(True))
    rig.begin()
    rig.run_until(lambda: len(rig.signalling.words()) == 2)
    began = rig.now
    rig.run_until(lambda: "answer" in rig.signalling.words(), 40)
    assert rig.now - began == pytest.approx(EARLY_LIMIT_S, abs=0.01)


def test_an_invite_without_an_offer_has_no_early_media() -> None:
    rig = CallRig(scenario(), offer=None, provisionals=Provisionals(has_early_media=True))
    rig.begin()
    rig.run_until(lambda: "answer" in rig.signalling.words())
    assert rig.signalling.words() == ["ring", "answer"]


def test_a_caller_who_gives_up_during_early_media_leaves_nothing() -> None:
    rig = CallRig(scenario(), provisionals=Provisionals(has_early_media=True))
    rig.begin()
    rig.run_until(lambda: len(rig.signalling.words()) == 2)
    rig.run(0.2)
    rig.call.end(EndReason.CANCELLED, rig.now, is_gone=True)
    assert ended(rig) is EndReason.CANCELLED
    assert rig.last(EventName.CALL_ENDED).details["answered"] is False


EARLY_UNHEARD = Provisionals(has_early_media=True)
LONG = {"tone": {"hz": 440, "ms": 20_000}}


def early_to_silent_caller(**fields: Any) -> tuple[CallRig, float]:
    rig = CallRig(scenario(greeting=LONG), provisionals=EARLY_UNHEARD, **({"caller_audio": lambda _: None} | fields))
    rig.begin()
    rig.run_until(lambda: len(rig.signalling.words()) == 2)
    return rig, rig.now


def test_early_audio_to_an_address_that_only_sdp_has_named_ends_after_3_s_and_the_answer_adds_none() -> None:
    rig, began = early_to_silent_caller()
    rig.run(12.0)
    assert rig.sent
    assert rig.sent[-1].at - began <= UNPROVEN_MEDIA_S + 0.021
    assert rig.call.state is CallState.ANSWERING, "its ACK would be proof, so it is asked for"
    rig.inbound.confirmed(None, rig.now)
    rig.run(1.0)
    assert rig.now - rig.sent[-1].at <= 0.021, "the greeting goes on where it stopped"


def test_a_prack_proves_the_caller_before_the_answer() -> None:
    rig, _ = early_to_silent_caller()
    rig.run(0.5)
    rig.call.heard_from(rig.now)
    rig.run(6.0)
    assert rig.call.state is CallState.RINGING
    assert rig.now - rig.sent[-1].at <= 0.021


def test_audio_from_the_caller_proves_it_before_the_answer() -> None:
    rig, _ = early_to_silent_caller(caller_audio=lambda _: b"\xff" * 160)
    rig.run(6.0)
    assert rig.call.state is CallState.RINGING
    assert rig.now - rig.sent[-1].at <= 0.021


def test_what_the_caller_wants_during_early_media_still_holds_after_the_answer() -> None:
    rig = CallRig(scenario(), provisionals=Provisionals(has_early_media=True))
    rig.begin()
    rig.run_until(lambda: len(rig.signalling.words()) == 2)
    rig.call.reoffered(OFFER.replace(b"m=audio 30000", b"m=audio 30002"), rig.now)
    said, early = rig.signalling.said[-1]
    assert said == "answer_offer"
    assert rig.stream.config.remote == ("192.0.2.7", 30002)
    rig.run_until(lambda: "answer" in rig.signalling.words(), 3)
    assert rig.stream.config.remote == ("192.0.2.7", 30002)
    assert rig.signalling.said[-1] == ("answer", early)
