"""Deadlines for the cores, and the one place that reads the wall clock.

Cores never ask for the time: they are handed ``now`` (monotonic seconds) and publish their earliest deadline.
"""

from __future__ import annotations

import datetime
import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Deadlines(Generic[Key]):
    """A table of named deadlines. Setting a name again replaces its deadline.

    Backed by a heap whose replaced entries are dropped lazily: set, clear and pop cost O(log n).
    """

    def __init__(self) -> None:
        self._at: dict[Key, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._serial = 0

    def set(self, key: Key, at: float) -> None:
        """Let ``key`` fall due at ``at`` (monotonic seconds)."""
        current = self._at.get(key)
        if current is not None and current[0] == at:
            return
        self._serial += 1
        self._at[key] = (at, self._serial)
        heapq.heappush(self._heap, (at, self._serial, key))

    def clear(self, key: Key) -> None:
        """Forget ``key``; nothing happens when it is not set."""
        self._at.pop(key, None)
        if not self._at:
            self._heap.clear()

    def __contains__(self, key: Key) -> bool:
        return key in self._at

    def __len__(self) -> int:
        return len(self._at)

    def next_deadline(self) -> float | None:
        """The earliest deadline, or None when nothing is set."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> list[Key]:
        """Remove and return every key that is due at ``now``, earliest first."""
        due: list[Key] = []
        self._drop_stale()
        while self._heap and self._heap[0][0] <= now:
            _, _, key = heapq.heappop(self._heap)
            del self._at[key]
            due.append(key)
            self._drop_stale()
        return due

    def _drop_stale(self) -> None:
        while self._heap:
            _, serial, key = self._heap[0]
            current = self._at.get(key)
            if current is not None and current[1] == serial:
                return
            heapq.heappop(self._heap)


def earliest(*deadlines: float | None) -> float | None:
    """The smallest of several optional deadlines."""
    return min((deadline for deadline in deadlines if deadline is not None), default=None)


def utc_now() -> datetime.datetime:
    """Wall time with its zone, for records and logs only: never for measuring or timing."""
    return datetime.datetime.now(datetime.UTC)
