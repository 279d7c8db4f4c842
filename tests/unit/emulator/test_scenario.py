from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.emulator.recordings import packaged_texts
from gateway.emulator.scenario import KEY_VOICES, Reaction, Scenario, keys_named_in


def test_an_empty_scenario_greets_and_repeats() -> None:
    scenario = Scenario()
    assert scenario.greeting.say == ("practice_greeting",)
    assert scenario.reaction_to_turn(1).echo
    assert scenario.reaction_to_turn(99).echo
    assert scenario.reaction_to_text("anything") is None
    assert scenario.transcript_of_turn(1) is None
    assert (scenario.limits.max_sessions, scenario.limits.max_messages_per_second) == (20, 1000)
    assert scenario.faults.late_deltas == 2


def test_turns_and_transcripts_are_counted_from_one() -> None:
    scenario = Scenario.model_validate({"turns": [{"say": "all_right"}], "transcripts": ["one", "two"]})
    assert scenario.reaction_to_turn(1).say == ("all_right",)
    assert scenario.reaction_to_turn(2).echo
    assert [scenario.transcript_of_turn(number) for number in (1, 2, 3)] == ["one", "two", None]


def test_a_single_voice_tool_or_phrase_needs_no_list() -> None:
    scenario = Scenario.model_validate(
        {"texts": [{"contains": "PRESSED", "say": "all_right", "tool": {"name": "hang_up"}}]}
    )
    reaction = scenario.reaction_to_text("the caller pressed 1")
    assert reaction is not None
    assert (reaction.say, reaction.tool[0].name, reaction.tool[0].arguments) == (("all_right",), "hang_up", {})


@pytest.mark.parametrize(
    "reaction",
    [
        {},
        {"text": "words but no voice"},
        {"echo": True, "say": "all_right"},
        {"echo": True, "silence": True},
        {"tone": {"hz": 440, "ms": 100}, "say_keys": True},
        {"say": "no_such_voice"},
        {"say": "missing/file.wav"},
        {"echo": True, "after_tool": {"echo": True}},
        {"tone": {"hz": 5, "ms": 100}},
        {"tool": {"name": ""}},
        {"echo": True, "laugh": True},
        {"echo": True, "speed": 0},
        {"echo": True, "latency_ms": -1},
    ],
)
def test_reactions_that_make_no_sense_are_refused(reaction: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Reaction.model_validate(reaction)


@pytest.mark.parametrize(
    "scenario",
    [
        {"pace": {"shortest_delta_ms": 300, "longest_delta_ms": 200}},
        {"faults": {"reject_upgrade": 200}},
        {"faults": {"drop_socket": {"count": 1}}},
        {"faults": {"drop_socket": {"after": "session.create"}}},
        {"limits": {"max_messages_per_second": 0}},
        {"texts": [{"say": "all_right"}]},
        {"texts": [{"contains": "", "say": "all_right"}]},
    ],
)
def test_scenarios_that_make_no_sense_are_refused(scenario: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Scenario.model_validate(scenario)


def test_every_key_of_a_telephone_has_a_voice() -> None:
    assert set(KEY_VOICES) == set("0123456789*#")
    assert set(KEY_VOICES.values()) <= set(packaged_texts())
    assert keys_named_in("The caller pressed 1, then #.") == ["1", "#"]
    assert keys_named_in("keys on the telephone keypad: 4 Star 0 pound") == ["4", "*", "0", "#"]
    assert keys_named_in("the starfish compounds nothing") == []


def test_eagerness_means_a_silence() -> None:
    listening = Scenario().listening
    assert [listening.silence_ms(name) for name in ("high", "medium", "auto", "low")] == [400, 700, 700, 1200]
