from __future__ import annotations

from gateway.emulator.audio import AudioFormat
from gateway.emulator.director import Director
from gateway.emulator.scenario import Reaction, Scenario
from gateway.emulator.speech import CallerTurn

TURN = CallerTurn(b"\xff" * 800, AudioFormat("pcmu", 8000), "words")
SCENARIO = Scenario.model_validate(
    {
        "greeting": {"text": "greeting", "silence": True},
        "turns": [{"text": "first", "silence": True}, {"text": "second", "silence": True}],
        "other_turns": {"text": "further", "silence": True},
        "texts": [
            {"contains": ["Pressed"], "tool": {"name": "hang_up"}, "after_tool": {"text": "bye", "silence": True}},
            {"contains": "weather", "tool": {"name": "look"}},
        ],
        "other_texts": {"text": "text", "silence": True},
        "after_tools": {"text": "generic", "silence": True},
        "transcripts": ["one"],
    }
)


def texts(*reactions: Reaction) -> list[str | None]:
    return [reaction.text for reaction in reactions]


def test_the_first_bare_response_is_the_greeting_and_later_ones_are_not() -> None:
    director = Director(SCENARIO)
    assert texts(director.choose(), director.choose()) == ["greeting", "text"]


def test_a_text_that_matches_nothing_asks_for_the_greeting_first() -> None:
    director = Director(SCENARIO)
    director.read_text("Say hello to the caller.")
    assert director.choose().text == "greeting"
    director.read_text("Say hello to the caller.")
    assert director.choose().text == "text"


def test_turns_are_answered_by_their_number() -> None:
    director = Director(SCENARIO)
    answers = []
    for _ in range(4):
        director.hear_turn(TURN)
        answers.append(director.choose().text)
    assert answers == ["first", "second", "further", "further"]
    assert director.turns_heard == 4


def test_a_turn_is_answered_once() -> None:
    director = Director(SCENARIO)
    director.hear_turn(TURN)
    assert texts(director.choose(), director.choose()) == ["first", "text"]


def test_texts_match_whatever_their_case_and_lead_to_their_own_reaction_after_the_tool() -> None:
    director = Director(SCENARIO)
    director.read_text("The caller PRESSED 1")
    assert director.choose().tool[0].name == "hang_up"
    director.take_tool_output()
    assert director.choose().text == "bye"


def test_a_tool_without_its_own_aftermath_gets_the_general_one() -> None:
    director = Director(SCENARIO)
    director.read_text("what is the weather")
    assert director.choose().tool[0].name == "look"
    director.take_tool_output()
    assert director.choose().text == "generic"


def test_the_latest_stimulus_decides() -> None:
    director = Director(SCENARIO)
    director.read_text("pressed 1")
    director.hear_turn(TURN)
    assert director.choose().text == "first"
    director.hear_turn(TURN)
    director.read_text("pressed 1")
    assert director.choose().tool


def test_instructions_of_a_bare_response_are_read_as_text() -> None:
    director = Director(SCENARIO)
    director.choose()
    assert director.choose("Tell them about the weather").tool[0].name == "look"


def test_transcripts_belong_to_the_turn_that_comes_next() -> None:
    director = Director(SCENARIO)
    assert director.next_transcript() == "one"
    director.hear_turn(TURN)
    assert director.next_transcript() is None
