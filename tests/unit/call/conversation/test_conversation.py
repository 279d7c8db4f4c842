"""The conversation on virtual time: real protocol and media cores, the emulator's core as provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from gateway.call.conversation.turn import InterruptionPolicy
from gateway.call.journal import EventName
from gateway.emulator.scenario import Scenario
from gateway.measure import g711, speech
from tests.support.call_rig import CallRig

SILENCE = b"\xff" * 160


def scenario(**fields: Any) -> Scenario:
    return Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 1500}}} | fields)


class Voice:
    """A caller who is silent until told to speak for a while."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []

    def say(self, seconds: float) -> None:
        self._frames = g711.frames(g711.encode(speech.synthesise(seconds, seed=3)))

    def __call__(self, _: float) -> bytes:
        return self._frames.pop(0) if self._frames else SILENCE


def audible_ms(rig: CallRig, since: float = 0.0) -> int:
    return 20 * sum(packet.payload != SILENCE for packet in rig.sent if packet.at >= since)


def in_progress(rig: CallRig, name: EventName) -> Callable[[], bool]:
    return lambda: any(event.name is name for event in rig.events)


def test_the_greeting_is_played_and_its_end_is_noticed() -> None:
    rig = CallRig(scenario())
    rig.begin()
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    assert abs(audible_ms(rig) - 1500) <= 20
    started = next(event for event in rig.events if event.name is EventName.AGENT_STARTED)
    assert 1.45 <= rig.last(EventName.AGENT_STOPPED).offset_s - started.offset_s <= 1.6


def test_an_agent_without_a_greeting_listens_first() -> None:
    rig = CallRig(scenario(), greeting=None)
    rig.begin()
    rig.run(2.0)
    assert "answer" in rig.signalling.words()
    assert audible_ms(rig) == 0


def test_a_spoken_turn_is_answered() -> None:
    voice = Voice()
    rig = CallRig(scenario(turns=[{"tone": {"hz": 880, "ms": 800}}]), greeting=None, caller_audio=voice)
    rig.begin()
    rig.run(0.5)
    voice.say(1.5)
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    heard = np.concatenate([g711.decode(packet.payload) for packet in rig.sent if packet.payload != SILENCE])
    assert speech_is_tone(heard, 880)
    assert [name for name in rig.names() if name.startswith("turn")] == [
        "turn.user_started",
        "turn.user_stopped",
        "turn.agent_started",
        "turn.agent_stopped",
    ]


def speech_is_tone(samples: g711.Samples, frequency_hz: float) -> bool:
    from gateway.measure.listening import tone_share

    return tone_share(samples, frequency_hz) > 0.9


def test_an_agent_that_may_not_be_interrupted_is_heard_to_the_end() -> None:
    voice = Voice()
    rig = CallRig(
        scenario(greeting={"tone": {"hz": 440, "ms": 3000}}, turns=[{"silence": True}]),
        interruption=InterruptionPolicy(is_allowed=False),
        caller_audio=voice,
    )
    rig.begin()
    rig.run(1.0)
    voice.say(1.0)
    rig.run_until(in_progress(rig, EventName.USER_STARTED))
    rig.run(3.0)
    assert EventName.INTERRUPTED.value not in rig.names()
    assert rig.last(EventName.USER_STARTED).details["reaction"] == "keep_speaking"
    assert abs(audible_ms(rig) - 3000) <= 20


def test_a_protected_greeting_keeps_the_caller_from_the_provider_until_it_was_played() -> None:
    voice = Voice()
    rig = CallRig(
        scenario(greeting={"tone": {"hz": 440, "ms": 2000}}),
        interruption=InterruptionPolicy(protects_greeting=True),
        caller_audio=voice,
    )
    rig.begin()
    rig.run(0.6)
    voice.say(1.0)
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    assert rig.speech_started_at == []
    assert not rig.uplink.is_silenced
    voice.say(1.0)
    rig.run_until(lambda: bool(rig.speech_started_at))


def test_digits_reach_the_agent_as_one_message_and_interrupt_what_it_says() -> None:
    rig = CallRig(
        scenario(
            greeting={"tone": {"hz": 440, "ms": 20000}},
            texts=[{"contains": "4 2", "tone": {"hz": 880, "ms": 500}}],
        )
    )
    rig.begin()
    rig.run(1.0)
    for digit in "42":
        rig.call.receive_digit(digit, rig.now)
        rig.run(0.3)
    rig.call.receive_digit("#", rig.now)
    rig.run_until(lambda: EventName.AGENT_STOPPED.value in rig.names(), limit_s=5)
    assert len(rig.emulator_record.texts) == 1
    assert rig.observer.digits == 3
    assert rig.observer.interruptions == 1
    assert rig.emulator_record.responses[0].status == "cancelled"
    assert rig.emulator_record.responses[1].status == "completed"
    truncation = rig.emulator_record.truncations[0]
    assert truncation.refused is None


def test_the_goodbye_is_heard_before_the_line_closes() -> None:
    rig = CallRig(
        scenario(
            texts=[
                {"contains": "9", "tool": {"name": "hang_up"}, "after_tool": {"tone": {"hz": 660, "ms": 900}}},
            ]
        )
    )
    rig.begin()
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    asked_at = rig.now
    rig.call.receive_digit("9", rig.now)
    rig.run_until(lambda: bool(rig.ended))
    assert "hang_up" in rig.signalling.words()
    assert abs(audible_ms(rig, since=asked_at) - 900) <= 20
    outputs = rig.emulator_record.tool_outputs
    assert [json.loads(output)["ok"] for output in outputs.values()] == [True]
    assert rig.last(EventName.CALL_ENDED).details["reason"] == "agent_hung_up"


def test_a_goodbye_spoken_with_the_tool_call_is_not_asked_for_twice() -> None:
    rig = CallRig(scenario(texts=[{"contains": "9", "tone": {"hz": 660, "ms": 700}, "tool": {"name": "hang_up"}}]))
    rig.begin()
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    asked_at = rig.now
    rig.call.receive_digit("9", rig.now)
    rig.run_until(lambda: bool(rig.ended))
    assert abs(audible_ms(rig, since=asked_at) - 700) <= 20
    assert len(rig.emulator_record.responses) == 2
    assert rig.now - asked_at < 5


def test_a_caller_who_speaks_up_calls_the_hang_up_off() -> None:
    voice = Voice()
    rig = CallRig(
        scenario(
            texts=[{"contains": "9", "tool": {"name": "hang_up"}, "after_tool": {"tone": {"hz": 660, "ms": 4000}}}],
            turns=[{"tone": {"hz": 880, "ms": 500}}],
        ),
        caller_audio=voice,
    )
    rig.begin()
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    rig.call.receive_digit("9", rig.now)
    rig.run_until(lambda: rig.names().count("turn.agent_started") == 2)
    voice.say(1.0)
    rig.run(8.0)
    assert rig.ended == []
    assert rig.observer.interruptions == 1
    assert any("Call hang_up again" in text for text in rig.emulator_record.texts)


def test_an_unknown_tool_and_broken_arguments_are_answered_and_the_talk_goes_on() -> None:
    rig = CallRig(
        scenario(
            texts=[
                {"contains": "1", "tool": {"name": "order_pizza"}, "after_tool": {"tone": {"hz": 660, "ms": 300}}},
                {
                    "contains": "2",
                    "tool": {"name": "hang_up", "arguments": "{broken"},
                    "after_tool": {"tone": {"hz": 880, "ms": 300}},
                },
            ]
        )
    )
    rig.begin()
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    for digit in "12":
        before = rig.names().count("turn.agent_stopped")
        rig.call.receive_digit(digit, rig.now)
        rig.run_until(lambda before=before: rig.names().count("turn.agent_stopped") > before)  # type: ignore[misc]
    outputs = [json.loads(output) for output in rig.emulator_record.tool_outputs.values()]
    assert [output["ok"] for output in outputs] == [False, False]
    assert "order_pizza" in outputs[0]["error"]
    assert rig.ended == []
    outcomes = [event.details["outcome"] for event in rig.events if event.name is EventName.TOOL_RETURNED]
    assert outcomes == ["unknown tool", "bad arguments"]


def test_hold_silences_both_directions_and_resume_restores_them() -> None:
    voice = Voice()
    rig = CallRig(scenario(greeting={"tone": {"hz": 440, "ms": 4000}}), caller_audio=voice)
    rig.begin()
    rig.run(1.0)
    rig.conversation.hold(rig.now)
    rig.provider.flush()
    held_at = rig.now
    voice.say(1.0)
    rig.run(2.0)
    assert audible_ms(rig, since=held_at + 0.02) == 0
    assert rig.speech_started_at == []
    rig.conversation.resume(rig.now)
    voice.say(1.0)
    rig.run_until(lambda: bool(rig.speech_started_at))


def test_a_protected_greeting_that_never_sounds_does_not_shield_the_caller_for_ever() -> None:
    voice = Voice()
    rig = CallRig(
        scenario(greeting={"silence": True}),
        interruption=InterruptionPolicy(protects_greeting=True),
        caller_audio=voice,
    )
    rig.begin()
    rig.run(6.0)
    assert not rig.uplink.is_silenced
    voice.say(1.0)
    rig.run_until(lambda: bool(rig.speech_started_at))


def test_an_agent_that_finishes_what_it_says_then_answers_the_question_and_greets_only_once() -> None:
    voice = Voice()
    rig = CallRig(
        scenario(greeting={"tone": {"hz": 440, "ms": 5000}}, pace={"speed": 1.2}),
        interruption=InterruptionPolicy(is_allowed=False),
        caller_audio=voice,
    )
    rig.begin()
    rig.run(1.0)
    voice.say(1.0)
    rig.run(12.0)
    creates = [logged.event for logged in rig.emulator_record.received if logged.type == "response.create"]
    greetings = [create for create in creates if (create.get("response") or {}).get("instructions")]
    assert len(greetings) == 1
    assert rig.emulator_record.responses[0].status == "completed"
    assert len([one for one in rig.emulator_record.responses if one.status == "completed"]) >= 2


def test_a_caller_who_begins_before_the_agent_does_is_not_talked_over() -> None:
    voice = Voice()
    rig = CallRig(
        scenario(
            texts=[{"contains": "9", "tool": {"name": "hang_up"}, "after_tool": {"tone": {"hz": 660, "ms": 3000}}}],
            other_turns={"silence": True},
        ),
        provider_delay_s=0.3,
        caller_audio=voice,
    )
    rig.begin()
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    for wait_s in (0.2, 0.8, 1.0):
        rig.call.receive_digit("9", rig.now)
        rig.call.receive_digit("#", rig.now)
        rig.run(wait_s)
        voice.say(3.0)
        rig.run(1.2)
        speaking_since = rig.now
        rig.run(1.5)
        assert audible_ms(rig, since=speaking_since) == 0, f"talked over after {wait_s} s"
        rig.run(6.0)
        assert rig.ended == [], f"hung up on a speaking caller after {wait_s} s"


def test_a_goodbye_longer_than_any_limit_is_heard_to_its_end_and_a_moment_is_left_for_the_telephone() -> None:
    rig = CallRig(
        scenario(
            texts=[{"contains": "9", "tool": {"name": "hang_up"}, "after_tool": {"tone": {"hz": 660, "ms": 20000}}}]
        )
    )
    rig.begin()
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    asked_at = rig.now
    rig.call.receive_digit("9", rig.now)
    rig.run_until(lambda: bool(rig.ended))
    assert abs(audible_ms(rig, since=asked_at) - 20000) <= 20
    last_voice = max(packet.at for packet in rig.sent if packet.payload != SILENCE)
    assert rig.now - last_voice >= 0.2


def test_hold_during_the_goodbye_does_not_hang_up_on_the_held_caller() -> None:
    rig = CallRig(
        scenario(
            texts=[{"contains": "9", "tool": {"name": "hang_up"}, "after_tool": {"tone": {"hz": 660, "ms": 4000}}}]
        )
    )
    rig.begin()
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    rig.call.receive_digit("9", rig.now)
    rig.run_until(lambda: rig.names().count("turn.agent_started") == 2)
    rig.conversation.hold(rig.now)
    rig.provider.flush()
    rig.run(5.0)
    assert rig.ended == []


def test_what_the_hold_cut_off_or_kept_waiting_is_answered_on_resume() -> None:
    rig = CallRig(scenario(texts=[{"contains": "4", "tone": {"hz": 880, "ms": 600}}]))
    rig.begin()
    rig.run_until(in_progress(rig, EventName.AGENT_STOPPED))
    rig.conversation.hold(rig.now)
    rig.call.receive_digit("4", rig.now)
    rig.run(3.0)
    held_until = rig.now
    assert audible_ms(rig, since=held_until - 2.9) == 0
    rig.conversation.resume(rig.now)
    rig.provider.flush()
    rig.run(2.0)
    assert abs(audible_ms(rig, since=held_until) - 600) <= 20


def test_digits_do_not_cut_what_the_settings_protect() -> None:
    rig = CallRig(
        scenario(greeting={"tone": {"hz": 440, "ms": 4000}}, texts=[{"contains": "1", "tone": {"hz": 880, "ms": 300}}]),
        interruption=InterruptionPolicy(protects_greeting=True),
    )
    rig.begin()
    rig.run(1.0)
    rig.call.receive_digit("1", rig.now)
    rig.call.receive_digit("#", rig.now)
    rig.run(8.0)
    assert rig.observer.interruptions == 0
    assert abs(audible_ms(rig) - 4300) <= 60


def test_an_answer_in_the_making_and_a_caller_who_speaks_are_not_idle() -> None:
    voice = Voice()
    rig = CallRig(
        scenario(greeting={"silence": True}, turns=[{"tone": {"hz": 440, "ms": 300}, "latency_ms": 6000}]),
        caller_audio=voice,
    )
    rig.begin()
    rig.run(1.0)
    voice.say(2.0)
    rig.run_until(lambda: bool(rig.speech_started_at))
    rig.run(1.0)
    assert rig.conversation.idle_for(rig.now) == 0.0
    rig.run(4.0)
    assert rig.conversation.idle_for(rig.now) == 0.0
    rig.run(10.0)
    assert rig.conversation.idle_for(rig.now) > 3


def test_a_fault_reported_a_thousand_times_is_one_event_and_a_count() -> None:
    rig = CallRig(scenario())
    for number in range(1000):
        rig.conversation.note_fault("rate_limited", "too many", 1000.0 + number)
    assert rig.names().count("provider.error") == 1
    assert rig.conversation.provider_faults["rate_limited"] == 1000
