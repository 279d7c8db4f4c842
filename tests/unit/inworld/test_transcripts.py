"""Words that come twice, again, or longer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inworld.transcripts import AgentText, CallerTranscripts, Words


def partials(*deltas: str) -> list[str | None]:
    transcripts = CallerTranscripts()
    words = [transcripts.add_delta("u1", delta) for delta in deltas]
    return [None if word is None else word.text for word in words]


def test_cumulative_deltas_replace() -> None:
    assert partials("I want", "I want to", "I want to book") == ["I want", "I want to", "I want to book"]


def test_incremental_deltas_are_appended() -> None:
    assert partials("I want", " to", " book") == ["I want", "I want to", "I want to book"]


def test_an_equal_delta_and_a_shorter_beginning_change_nothing() -> None:
    assert partials("I want", "I want", "I wa") == ["I want", None, None]


def test_a_revision_of_a_cumulative_text_replaces_it() -> None:
    assert partials("I want to", "I want to by", "I want to buy bread")[-1] == "I want to buy bread"


def test_one_callers_partials_do_not_touch_anothers() -> None:
    transcripts = CallerTranscripts()
    transcripts.add_delta("u1", "one")
    assert transcripts.add_delta("u2", "two") == Words("two", is_final=False)


def test_deltas_after_completed_are_ignored() -> None:
    transcripts = CallerTranscripts()
    transcripts.complete("u1", "done")
    assert transcripts.add_delta("u1", "done and more") is None
    assert transcripts.replace("u1", "else") is None


def test_completed_may_repeat_and_the_last_one_wins() -> None:
    transcripts = CallerTranscripts()
    assert transcripts.complete("u1", "I want") == Words("I want", is_final=True)
    assert transcripts.complete("u1", "I want bread") == Words("I want bread", is_final=True)


def test_a_snapshot_replaces() -> None:
    transcripts = CallerTranscripts()
    transcripts.add_delta("u1", "eye want")
    assert transcripts.replace("u1", "I want") == Words("I want", is_final=False)
    assert transcripts.replace("u1", "I want") is None


def test_old_utterances_are_forgotten() -> None:
    transcripts = CallerTranscripts()
    for number in range(40):
        transcripts.complete(f"u{number}", "x")
    assert transcripts.add_delta("u0", "again") == Words("again", is_final=False)
    assert transcripts.add_delta("u39", "again") is None


@given(st.text(min_size=1, max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_both_kinds_of_delta_end_in_the_same_text(text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    transcripts = CallerTranscripts()
    last = None
    for edge in edges[1:]:
        last = transcripts.add_delta("cumulative", text[:edge]) or last
    assert last == Words(text, is_final=False)


def test_agent_words_grow() -> None:
    text = AgentText()
    assert text.add_delta("Hello") == Words("Hello", is_final=False)
    assert text.add_delta("") is None
    assert text.add_delta(" there.") == Words("Hello there.", is_final=False)
    assert text.finish("Hello there.") == Words("Hello there.", is_final=True)


@pytest.mark.parametrize("space", [" ", ""])
def test_a_done_for_each_sentence_adds_up(space: str) -> None:
    text = AgentText()
    text.add_delta("Hello.")
    assert text.finish("Hello.").text == "Hello."
    text.add_delta(space + "How are you?")
    assert text.finish("How are you?").text == f"Hello.{space}How are you?"


def test_sentences_without_deltas_are_joined_by_a_blank() -> None:
    text = AgentText()
    text.finish("Hello.")
    assert text.finish("How are you?") == Words("Hello. How are you?", is_final=True)


def test_a_whole_text_at_the_end_is_not_said_twice() -> None:
    text = AgentText()
    text.add_delta("Hello.")
    text.finish("Hello.")
    text.add_delta(" Bye.")
    assert text.finish("Hello. Bye.") == Words("Hello. Bye.", is_final=True)


def test_the_done_text_corrects_lost_deltas() -> None:
    text = AgentText()
    text.add_delta("Hel")
    assert text.finish("Hello there.") == Words("Hello there.", is_final=True)


def test_a_done_without_text_settles_the_deltas() -> None:
    text = AgentText()
    text.add_delta("Hello")
    assert text.finish(None) == Words("Hello", is_final=True)
