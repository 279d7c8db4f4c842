from __future__ import annotations

import pytest

from gateway.call.conversation.hearing import LOOK_S, Hearing, heard_words
from gateway.media.send.playout import Playout

ITEM = ("response", "item")


def waiting() -> tuple[Hearing, Playout]:
    playout = Playout()
    playout.enqueue(ITEM, bytes(1600))
    hearing = Hearing(playout)
    hearing.turn_queued(ITEM, 1.0)
    return hearing, playout


def test_a_turn_begins_with_its_first_packet_and_is_told_once() -> None:
    hearing, playout = waiting()
    assert hearing.next_deadline() is None, "while it rings nobody looks"
    hearing.line_opened(5.0)
    assert hearing.next_deadline() == pytest.approx(5.0 + LOOK_S)
    assert hearing.turn_started(5.02) is None
    playout.next_frame()
    assert hearing.turn_started(5.04) == "response"
    assert hearing.turn_started(5.06) is None
    assert hearing.next_deadline() is None


def test_what_is_cut_off_before_its_first_packet_never_began() -> None:
    hearing, playout = waiting()
    hearing.line_opened(5.0)
    playout.flush()
    hearing.cut_off()
    assert (hearing.next_deadline(), hearing.turn_started(6.0)) == (None, None)


def test_words_are_heard_as_far_as_their_audio_has_left() -> None:
    hearing, playout = waiting()
    hearing.note_text(ITEM, "good morning how are you")
    assert playout.next_frame()
    for _ in range(5):
        playout.next_frame()
    assert hearing.settle() == [("item", "good morning")]
    assert hearing.settle() == []


def test_nothing_that_never_left_is_heard() -> None:
    hearing, _ = waiting()
    hearing.note_text(ITEM, "good morning")
    hearing.note_text(("response", "unknown"), "hello")
    assert hearing.settle() == []


@pytest.mark.parametrize(
    ("sent_ms", "words"),
    [(0, ""), (100, ""), (500, "one"), (640, "one two"), (999, "one two"), (1000, "one two three")],
)
def test_only_whole_words_count(sent_ms: int, words: str) -> None:
    assert heard_words("one two three", sent_ms, 1000) == words
