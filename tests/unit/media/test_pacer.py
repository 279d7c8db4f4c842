"""The pacer's own promises, with its real thread. How well it keeps time is for the benchmark."""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from gateway.media.pacer import Paced, Pacer, raise_priority
from gateway.media.pacing import Seat

WAIT_S = 10.0
"""For what takes milliseconds, on a machine that may be busy."""


@pytest.fixture
def pacer() -> Iterator[Pacer]:
    pacer = Pacer()
    yield pacer
    pacer.stop()


class Sender:
    """Counts its ticks and lets a test wait for them."""

    def __init__(self, on_tick: Callable[[], None] = lambda: None) -> None:
        self.ticks = 0
        self.skipped = 0
        self._on_tick = on_tick
        self._changed = threading.Condition()

    def send(self, skipped: int) -> None:
        with self._changed:
            self.ticks += 1
            self.skipped += skipped
            self._changed.notify_all()
        self._on_tick()

    def wait_for(self, ticks: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.ticks >= ticks, WAIT_S), f"{self.ticks} of {ticks} ticks"


def test_it_starts_with_the_first_stream_and_ends_when_told(pacer: Pacer) -> None:
    assert not pacer.is_running
    sender = Sender()
    pacer.add(sender.send, 20)
    sender.wait_for(3)
    assert pacer.is_running
    pacer.stop()
    assert not pacer.is_running
    assert "media-pacer" not in {thread.name for thread in threading.enumerate()}
    ticks = sender.ticks
    pacer.stop()
    assert sender.ticks == ticks


def test_a_busy_event_loop_keeps_it_waiting_half_a_millisecond_at_most(pacer: Pacer) -> None:
    pacer.add(Sender().send, 20)
    assert sys.getswitchinterval() <= 0.0005


def test_after_a_stop_the_next_stream_starts_it_again(pacer: Pacer) -> None:
    first, second = Sender(), Sender()
    pacer.remove(pacer.add(first.send, 20))
    pacer.stop()
    pacer.add(second.send, 20)
    second.wait_for(2)


def test_it_sleeps_while_there_is_no_stream_and_wakes_for_the_next(pacer: Pacer) -> None:
    first, second = Sender(), Sender()
    paced = pacer.add(first.send, 20)
    first.wait_for(2)
    pacer.remove(paced)
    assert len(pacer) == 0
    pacer.add(second.send, 20)
    second.wait_for(2)
    assert second.skipped <= second.ticks, "the sleep is no stall"


def test_after_remove_returns_nothing_is_sent(pacer: Pacer) -> None:
    sender, other = Sender(), Sender()
    pacer.add(other.send, 10)
    paced = pacer.add(sender.send, 10)
    sender.wait_for(3)
    pacer.remove(paced)
    ticks = sender.ticks
    other.wait_for(other.ticks + 10)
    assert sender.ticks == ticks


def test_remove_waits_for_the_send_that_is_under_way(pacer: Pacer) -> None:
    is_sending, may_finish, has_finished = threading.Event(), threading.Event(), threading.Event()

    def send(skipped: int) -> None:
        is_sending.set()
        may_finish.wait(WAIT_S)
        has_finished.set()

    paced = pacer.add(send, 20)
    assert is_sending.wait(WAIT_S)
    threading.Timer(0.05, may_finish.set).start()
    pacer.remove(paced)
    assert has_finished.is_set()


def test_one_stream_that_raises_does_not_stop_the_others(pacer: Pacer, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("broken stream")

    broken, healthy = Sender(fail), Sender()
    with caplog.at_level(logging.ERROR):
        paced = pacer.add(broken.send, 20)
        pacer.add(healthy.send, 20)
        broken.wait_for(5)
        healthy.wait_for(5)
        pacer.stop()
    assert pacer.faults == paced.faults == broken.ticks
    assert len(caplog.records) == 1, "logged once, then only counted"


def test_another_pace_keeps_the_stream(pacer: Pacer) -> None:
    sender = Sender()
    paced = pacer.add(sender.send, 60)
    sender.wait_for(1)
    pacer.change(paced, 10)
    assert (paced.frame_ms, len(pacer)) == (10, 1)
    sender.wait_for(sender.ticks + 5)
    pacer.change(paced, 10)
    pacer.remove(paced)
    assert len(pacer) == 0


def test_lateness_is_measured_and_the_priority_can_be_told(pacer: Pacer) -> None:
    assert pacer.priority == "not started"
    sender = Sender()
    pacer.add(sender.send, 20)
    sender.wait_for(3)
    pacer.stop()
    assert pacer.lateness().ticks >= 3
    assert pacer.end_lateness().ticks == pacer.lateness().ticks
    assert pacer.priority.split()[0] in ("real-time", "nice", "normal")


def test_raising_the_priority_says_what_it_reached() -> None:
    reached: list[str] = []
    thread = threading.Thread(target=lambda: reached.append(raise_priority()))
    thread.start()
    thread.join()
    assert reached[0].split()[0] in ("real-time", "nice", "normal")


def test_a_retired_stream_ignores_ticks_already_taken() -> None:
    sender = Sender()
    paced = Paced(sender.send, 20, Seat(4, 0))
    paced.tick(0)
    paced.retire()
    paced.tick(0)
    assert sender.ticks == 1


def test_a_retired_stream_is_kept_by_nobody() -> None:
    sender = Sender()
    is_there = weakref.ref(sender)
    paced = Paced(sender.send, 20, Seat(4, 0))
    paced.retire()
    del sender
    assert is_there() is None
