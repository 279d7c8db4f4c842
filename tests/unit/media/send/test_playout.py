"""The one queue toward the caller and its ledger."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.media.codec.g711 import PCMA, PCMU, ULAW_TO_ALAW
from gateway.media.send.playout import ItemHeard, ItemKey, Playout

A: ItemKey = ("resp-1", "item-a")
B: ItemKey = ("resp-1", "item-b")
C: ItemKey = ("resp-2", "item-c")
SILENCE = 0xFF


def frames(playout: Playout) -> list[bytes]:
    """Everything that can be taken now."""
    taken = []
    while (frame := playout.next_frame()) is not None:
        taken.append(frame)
    return taken


def test_audio_leaves_in_frames_in_the_order_it_came() -> None:
    playout = Playout()
    audio = bytes(range(250)) * 2
    playout.enqueue(A, audio[:100])
    playout.enqueue(A, audio[100:470])
    assert b"".join(frames(playout)) == audio[:320]


def test_a_frame_waits_for_the_rest_of_its_bytes() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 159)
    assert playout.next_frame() is None
    playout.enqueue(A, b"a")
    assert playout.next_frame() == b"a" * 160


def test_the_tail_of_a_finished_item_is_padded_with_the_laws_silence() -> None:
    for law in (PCMU, PCMA):
        playout = Playout(law)
        playout.enqueue(A, b"a" * 200)
        playout.finish(A)
        assert frames(playout) == [b"a" * 160, b"a" * 40 + bytes((law.silence,)) * 120]
        assert playout.ledger(A) == ItemHeard(A, 25, 25)


def test_finishing_before_during_and_after_changes_nothing_else() -> None:
    playout = Playout()
    playout.finish(A)
    playout.enqueue(A, b"a" * 160)
    playout.finish(A)
    playout.finish(A)
    assert len(frames(playout)) == 1
    playout.finish(A)
    assert playout.next_frame() is None


def test_the_next_item_ends_the_one_before_it_at_a_frame_boundary() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 100)
    playout.enqueue(B, b"b" * 160)
    assert frames(playout) == [b"a" * 100 + b"\xff" * 60, b"b" * 160]


def test_items_back_to_back_are_accounted_for_apart() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 320)
    playout.enqueue(B, b"b" * 320)
    for _ in range(3):
        playout.next_frame()
    assert playout.ledger(A) == ItemHeard(A, 40, 40)
    assert playout.ledger(B) == ItemHeard(B, 20, 40)


def test_flush_tells_what_was_heard_of_each_item_it_cut_off() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 160)
    playout.enqueue(B, b"b" * 800)
    playout.enqueue(C, b"c" * 100)
    for _ in range(3):
        playout.next_frame()
    assert playout.flush() == [ItemHeard(B, 40, 100), ItemHeard(C, 0, 12)]


def test_the_frame_after_a_flush_is_silence() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 16_050)
    playout.next_frame()
    playout.flush()
    assert playout.next_frame() is None
    assert (playout.pending_ms, playout.is_drained) == (0, True)


def test_an_item_that_was_heard_whole_but_is_not_finished_is_cut_off_too() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 160)
    playout.next_frame()
    assert playout.flush() == [ItemHeard(A, 20, 20)]


def test_an_item_that_was_heard_whole_and_is_finished_is_not() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 160)
    playout.finish(A)
    playout.next_frame()
    assert playout.flush() == []


def test_flushing_twice_tells_each_item_once() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 320)
    assert playout.flush() == [ItemHeard(A, 0, 40)]
    assert playout.flush() == []


def test_audio_that_still_comes_for_a_flushed_item_is_refused_and_counted() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 320)
    playout.flush()
    playout.enqueue(A, b"a" * 160)
    playout.finish(A)
    assert playout.next_frame() is None
    assert playout.stale_bytes == 160
    assert playout.ledger(A) == ItemHeard(A, 0, 40)


def test_a_new_item_after_a_flush_is_heard_from_its_start() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 100)
    playout.flush()
    playout.enqueue(B, b"b" * 160)
    playout.enqueue(A, b"a" * 160)
    playout.enqueue(B, b"b" * 160)
    assert frames(playout) == [b"b" * 160] * 2


def test_drained_means_that_all_audio_has_left() -> None:
    playout = Playout()
    assert playout.is_drained
    playout.enqueue(A, b"a" * 200)
    playout.next_frame()
    assert (playout.is_drained, playout.pending_ms) == (False, 5)
    playout.finish(A)
    playout.next_frame()
    assert playout.is_drained


@pytest.mark.parametrize("frame_bytes", [80, 160, 240, 320, 480])
def test_every_frame_has_the_agreed_length(frame_bytes: int) -> None:
    playout = Playout(PCMU, frame_bytes)
    playout.enqueue(A, b"a" * 1000)
    playout.enqueue(B, b"b" * 1000)
    playout.finish(B)
    taken = frames(playout)
    assert {len(frame) for frame in taken} == {frame_bytes}
    assert b"".join(taken).replace(b"\xff", b"") == b"a" * 1000 + b"b" * 1000


def test_a_full_queue_refuses_and_counts() -> None:
    playout = Playout(max_pending_bytes=320)
    playout.enqueue(A, b"a" * 300)
    playout.enqueue(A, b"b" * 20)
    playout.enqueue(A, b"c")
    assert playout.dropped_bytes == 1
    playout.next_frame()
    playout.enqueue(A, b"d" * 160)
    assert playout.dropped_bytes == 1
    assert playout.ledger(A) == ItemHeard(A, 20, 60)


def test_a_frame_the_network_refused_was_not_heard() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 320)
    playout.finish(A)
    playout.next_frame()
    playout.mark_unsent()
    playout.mark_unsent()
    assert playout.ledger(A) == ItemHeard(A, 0, 40)
    playout.next_frame()
    playout.next_frame()
    playout.mark_unsent()
    assert playout.ledger(A) == ItemHeard(A, 20, 40)
    assert playout.is_drained
    assert playout.flush() == []


def test_an_unknown_item_has_no_ledger() -> None:
    assert Playout().ledger(A) is None


def test_the_ledger_remembers_the_last_items_only() -> None:
    playout = Playout()
    for number in range(1000):
        playout.enqueue(("resp", str(number)), b"a" * 160)
        playout.finish(("resp", str(number)))
        playout.next_frame()
    assert playout.ledger(("resp", "0")) is None
    assert playout.ledger(("resp", "999")) == ItemHeard(("resp", "999"), 20, 20)


def test_another_packet_length_cuts_what_waits_anew() -> None:
    playout = Playout()
    playout.enqueue(A, b"a" * 400)
    playout.enqueue(B, b"b" * 500)
    playout.next_frame()
    with playout.lock:
        playout.reshape(PCMU, 240)
    playout.finish(B)
    assert frames(playout) == [b"a" * 240, b"b" * 240, b"b" * 240, b"b" * 20 + b"\xff" * 220]
    assert playout.ledger(A) == ItemHeard(A, 50, 50)
    assert playout.ledger(B) == ItemHeard(B, 62, 62)


def test_another_law_translates_what_waits() -> None:
    playout = Playout()
    audio = bytes(range(200))
    playout.enqueue(A, audio)
    with playout.lock:
        playout.reshape(PCMA, 160)
    playout.finish(A)
    assert b"".join(frames(playout)) == audio.translate(ULAW_TO_ALAW) + b"\xd5" * 120


def test_items_that_took_turns_stay_apart_when_cut_anew() -> None:
    playout = Playout()
    for item, letter in ((A, b"a"), (B, b"b"), (A, b"a")):
        playout.enqueue(item, letter * 170)
    with playout.lock:
        playout.reshape(PCMU, 480)
    assert frames(playout) == [b"a" * 170 + b"\xff" * 310, b"b" * 170 + b"\xff" * 310]
    playout.finish(A)
    assert frames(playout) == [b"a" * 170 + b"\xff" * 310]


ITEMS = st.sampled_from([A, B, C, ("resp-3", "item-d")])


class LedgerMachine(RuleBasedStateMachine):
    """Any sequence of enqueue, finish, flush, take and reshape, against a plain record of the bytes that went by.

    Each item speaks with a byte of its own that is no silence, so that what left can be counted in the frames.
    """

    def __init__(self) -> None:
        super().__init__()
        self.playout = Playout()
        self.frame_bytes = 160
        self.voice: dict[ItemKey, int] = {}
        self.sent: dict[int, int] = {}
        self.accepted: dict[ItemKey, int] = {}
        self.flushed: set[ItemKey] = set()

    def voice_of(self, item: ItemKey) -> int:
        return self.voice.setdefault(item, len(self.voice) + 1)

    @rule(item=ITEMS, size=st.integers(0, 700))
    def enqueue(self, item: ItemKey, size: int) -> None:
        self.playout.enqueue(item, bytes((self.voice_of(item),)) * size)
        if item not in self.flushed:
            self.accepted[item] = self.accepted.get(item, 0) + size

    @rule(item=ITEMS)
    def finish(self, item: ItemKey) -> None:
        self.playout.finish(item)

    @rule()
    def take(self) -> None:
        frame = self.playout.next_frame()
        if frame is None:
            return
        assert len(frame) == self.frame_bytes
        voices = set(frame) - {SILENCE}
        assert len(voices) == 1, "a frame belongs to one item"
        voice = voices.pop()
        self.sent[voice] = self.sent.get(voice, 0) + frame.count(voice)

    @rule()
    def flush(self) -> None:
        pending_before = self.playout.pending_ms
        heard = self.playout.flush()
        for line in heard:
            assert line.sent_ms == self.sent.get(self.voice_of(line.item), 0) // 8
            assert line.item not in self.flushed
            self.flushed.add(line.item)
        assert heard or pending_before == 0
        assert self.playout.next_frame() is None

    @rule(frame_bytes=st.sampled_from([80, 160, 240, 480]))
    def reshape(self, frame_bytes: int) -> None:
        with self.playout.lock:
            self.playout.reshape(PCMU, frame_bytes)
        self.frame_bytes = frame_bytes

    @precondition(lambda self: self.accepted)
    @invariant()
    def the_ledger_says_exactly_what_left(self) -> None:
        for item, accepted in self.accepted.items():
            heard = self.playout.ledger(item)
            assert heard is not None
            assert heard.sent_ms == self.sent.get(self.voice_of(item), 0) // 8
            assert heard.produced_ms == accepted // 8

    @invariant()
    def what_waits_is_what_was_accepted_and_neither_sent_nor_flushed(self) -> None:
        live = [item for item in self.accepted if item not in self.flushed]
        waiting = sum(self.accepted[item] - self.sent.get(self.voice_of(item), 0) for item in live)
        assert self.playout.pending_ms == waiting // 8
        assert self.playout.is_drained == (waiting == 0)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


@given(sizes=st.lists(st.integers(1, 900), min_size=1, max_size=20), flush_after=st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_a_taker_in_another_thread_and_a_flush_agree_on_every_byte(sizes: list[int], flush_after: int) -> None:
    playout = Playout()
    taken: list[bytes] = []
    is_done = threading.Event()

    def take() -> None:
        while not is_done.is_set():
            frame = playout.next_frame()
            if frame is not None:
                taken.append(frame)

    taker = threading.Thread(target=take)
    taker.start()
    try:
        for index, size in enumerate(sizes):
            if index == flush_after:
                break
            playout.enqueue(A, b"a" * size)
        heard = playout.flush()
    finally:
        is_done.set()
        taker.join()
    if heard:
        assert heard[0].sent_ms == b"".join(taken).count(b"a") // 8
