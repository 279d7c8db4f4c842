"""Edge: one thread that sends the next packet of every call at its time.

A thread of its own, because a tick inside the event loop waits behind every socket that is ready there; at real-time
priority where the system permits, because on a busy machine the order in which threads run is what decides the pace.
Deadlines are absolute: one late tick does not move the next.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

from gateway.media.pacing import Grid, Lateness, LatenessMeter, Seat, Wheel

_log = logging.getLogger(__name__)

_SWITCH_INTERVAL_S = 0.0005
"""How long Python code of another thread may keep this one waiting. With the interpreter's 5 ms each busy moment of the
event loop makes a tick 5 ms late; with this the p99 is 0.5 to 1 ms (tests/benchmarks/bench_media.py)."""
_REAL_TIME_PRIORITY = 10
_NICE = -11


class Paced:
    """One stream on the pacer. ``send(skipped)`` sends the frame due now; ``skipped`` more had been due before it."""

    __slots__ = ("_lock", "_send", "faults", "frame_ms", "seat")

    def __init__(self, send: Callable[[int], None], frame_ms: int, seat: Seat) -> None:
        self.frame_ms = frame_ms
        self.seat = seat
        self.faults = 0
        """Ticks in which ``send`` raised."""
        self._send: Callable[[int], None] | None = send
        self._lock = threading.Lock()

    def tick(self, skipped: int) -> None:
        """Send, unless the stream has been removed (pacer's thread)."""
        with self._lock:
            if self._send is not None:
                self._send(skipped)

    def retire(self) -> None:
        """Once this returns no send is under way and none will follow: its socket may be closed."""
        with self._lock:
            self._send = None


class Pacer:
    """Starts its thread with the first stream and keeps it, asleep while there is none, until ``stop``.

    ``add``, ``change``, ``remove`` and ``stop`` belong to one thread, the event loop's.
    """

    def __init__(self) -> None:
        self.priority = "not started"
        """What the thread runs at, for the log."""
        self.faults = 0
        """Ticks in which a stream raised; the others went on."""
        self.skipped_ticks = 0
        """Ticks of the grid that passed while the thread could not run."""
        self._wheel: Wheel[Paced] = Wheel()
        self._start_meter = LatenessMeter()
        self._end_meter = LatenessMeter()
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._wheel)

    def add(self, send: Callable[[int], None], frame_ms: int) -> Paced:
        """Call ``send`` every ``frame_ms`` from now on, in the pacer's thread."""
        paced = Paced(send, frame_ms, self._wheel.choose(frame_ms))
        self._wheel.enter(paced, paced.seat)
        self._wake.set()
        if self._thread is None:
            self._is_stopping = False
            sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL_S))
            self._thread = threading.Thread(target=self._run, name="media-pacer", daemon=True)
            self._thread.start()
        return paced

    def change(self, paced: Paced, frame_ms: int) -> None:
        """Let the stream tick at another pace."""
        if frame_ms != paced.frame_ms:
            self._wheel.leave(paced, paced.seat)
            paced.frame_ms = frame_ms
            paced.seat = self._wheel.choose(frame_ms)
            self._wheel.enter(paced, paced.seat)

    def remove(self, paced: Paced) -> None:
        """Once this returns the stream sends nothing any more."""
        paced.retire()
        self._wheel.leave(paced, paced.seat)

    def stop(self) -> None:
        """End the thread and wait for it. ``add`` starts another."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._is_stopping = True
            self._wake.set()
            thread.join()

    @property
    def is_running(self) -> bool:
        """True while the thread exists."""
        return self._thread is not None

    def lateness(self) -> Lateness:
        """How late ticks began: the system's share."""
        return self._start_meter.snapshot()

    def end_lateness(self) -> Lateness:
        """How late the last packet of a tick had been sent: with the work of the tick itself."""
        return self._end_meter.snapshot()

    def _run(self) -> None:
        self.priority = raise_priority()
        _log.info("media pacer runs at priority: %s", self.priority)
        grid = Grid(time.monotonic())
        while not self._is_stopping:
            if not len(self._wheel):
                self._sleep_until_needed()
                grid.restart(time.monotonic())
                continue
            delay = grid.deadline - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            self._tick(grid)

    def _sleep_until_needed(self) -> None:
        self._wake.clear()
        if not len(self._wheel) and not self._is_stopping:
            self._wake.wait()

    def _tick(self, grid: Grid) -> None:
        deadline = grid.deadline
        now = time.monotonic()
        ticks = grid.take_due(now)
        if not ticks:
            return
        self._start_meter.note(now - deadline)
        self.skipped_ticks += len(ticks) - 1
        for skipped, members in self._wheel.due(ticks):
            for paced in members:
                try:
                    paced.tick(skipped)
                except Exception:  # noqa: BLE001 - one call's fault must not silence the others
                    self._note_fault(paced)
        self._end_meter.note(time.monotonic() - deadline)

    def _note_fault(self, paced: Paced) -> None:
        self.faults += 1
        paced.faults += 1
        if paced.faults == 1:
            _log.exception("a stream failed to send; it is tried again at each tick, further failures are only counted")


def raise_priority() -> str:
    """Put the calling thread before others as far as the system lets us; answers with what it let us."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_REAL_TIME_PRIORITY))
    except (OSError, AttributeError):
        pass
    else:
        return f"real-time (SCHED_FIFO {_REAL_TIME_PRIORITY})"
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    except OSError:
        return "normal (grant CAP_SYS_NICE or LimitRTPRIO for real-time pacing)"
    return f"nice {_NICE}"
