"""The conversation on virtual time: real protocol and media cores, the emulator's core as provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from gateway.bench import g711, speech
from gateway.call.journal import EventName
from gateway.call.turn import InterruptionPolicy
from gateway.emulator.scenario import Scenario
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
    from gateway.bench.listening import tone_share

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
