"""The arithmetic of pacing, without clock or thread.

All calls share one clock that ticks every ``PHASE_S``. A stream that sends every 20 ms sits in one of four phases, one
of 30 ms in one of six, and so on; each takes the phase that is least loaded. A late clock sends one frame for each
stream that fell due and tells it how many more it missed: a stall is skipped, never made up for in a burst.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Generic, TypeVar

Member = TypeVar("Member")

PHASE_S = 0.005
_PHASE_MS = 5
_CYCLE = 120
"""Phases after which the pattern of 10, 20, 30, 40, 50 and 60 ms repeats: 600 ms."""

LATENESS_BOUNDS_MS = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)


class Grid:
    """Numbered ticks at fixed times: tick n falls due at ``origin + n * PHASE_S``."""

    def __init__(self, origin: float) -> None:
        self.restart(origin)

    def restart(self, origin: float) -> None:
        """Begin anew after a pause: nothing of before is overdue."""
        self._origin = origin
        self._next = 0

    @property
    def deadline(self) -> float:
        """When the next tick is due, in monotonic seconds."""
        return self._origin + self._next * PHASE_S

    def take_due(self, now: float) -> range:
        """The numbers of all ticks that are due and not taken yet: usually one, more after a stall."""
        last = int((now - self._origin) / PHASE_S + 1e-6)
        due = range(self._next, last + 1)
        if due:
            self._next = due.stop
        return due


@dataclass(frozen=True, slots=True)
class Seat:
    """A place on the wheel: every ``period``-th tick, starting with ``phase``."""

    period: int
    phase: int


class Wheel(Generic[Member]):
    """Who is due at which tick. Read by the pacer's thread while another adds and removes: the members of a phase are
    a tuple that is replaced whole."""

    def __init__(self) -> None:
        self._phases: dict[int, list[tuple[Member, ...]]] = {}
        self._load = [0] * _CYCLE
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def choose(self, frame_ms: int) -> Seat:
        """The best seat for a stream that sends every ``frame_ms`` (10 to 60, a multiple of 10)."""
        period = frame_ms // _PHASE_MS
        return Seat(period, self._least_loaded(period))

    def enter(self, member: Member, seat: Seat) -> None:
        """Take the seat."""
        if seat.period not in self._phases:
            self._phases = {**self._phases, seat.period: [()] * seat.period}
        self._phases[seat.period][seat.phase] += (member,)
        self._count_load(seat, 1)

    def leave(self, member: Member, seat: Seat) -> None:
        """Give the seat back."""
        members = self._phases[seat.period][seat.phase]
        self._phases[seat.period][seat.phase] = tuple(other for other in members if other is not member)
        self._count_load(seat, -1)

    def due(self, ticks: range) -> list[tuple[int, tuple[Member, ...]]]:
        """The members due within these ticks, each once: (frames skipped before this one, members)."""
        groups: list[tuple[int, tuple[Member, ...]]] = []
        for period, phases in self._phases.items():
            for tick in ticks[-period:]:
                members = phases[tick % period]
                if members:
                    groups.append(((tick - ticks.start) // period, members))
        return groups

    def _least_loaded(self, period: int) -> int:
        """The phase whose busiest tick has the fewest members, then the one with the fewest in all."""

        def load(phase: int) -> tuple[int, int]:
            ticks = self._load[phase::period]
            return max(ticks), sum(ticks)

        return min(range(period), key=load)

    def _count_load(self, seat: Seat, change: int) -> None:
        for tick in range(seat.phase, _CYCLE, seat.period):
            self._load[tick] += change
        self._count += change


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late ticks were. ``counts[i]`` were at most ``LATENESS_BOUNDS_MS[i]`` late, the last ones more."""

    ticks: int
    total_ms: float
    max_ms: float
    counts: tuple[int, ...]

    def percentile_ms(self, share: float) -> float:
        """Upper bound of the lateness of that share of ticks; ``max_ms`` where the histogram ends."""
        reached = 0
        for bound, count in zip(LATENESS_BOUNDS_MS, self.counts, strict=False):
            reached += count
            if reached >= share * self.ticks:
                return min(bound, self.max_ms)
        return self.max_ms


class LatenessMeter:
    """Collects lateness. One thread writes; others may take a snapshot any time, at worst one tick out of date."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LATENESS_BOUNDS_MS) + 1)
        self._total_ms = 0.0
        self._max_ms = 0.0

    def note(self, late_s: float) -> None:
        """One tick was so late."""
        late_ms = max(late_s * 1000.0, 0.0)
        self._counts[bisect_left(LATENESS_BOUNDS_MS, late_ms)] += 1
        self._total_ms += late_ms
        self._max_ms = max(self._max_ms, late_ms)

    def snapshot(self) -> Lateness:
        """What has been collected so far."""
        counts = tuple(self._counts)
        return Lateness(sum(counts), self._total_ms, self._max_ms, counts)
