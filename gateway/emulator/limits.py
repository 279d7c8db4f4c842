"""The account's message budget, shared by all sessions."""

from __future__ import annotations

BUCKETS = 10


class MessageMeter:
    """Counts client messages in a sliding second of ten buckets and refuses what is above the budget."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._counts = [0] * BUCKETS
        self._total = 0
        self._tick = 0
        self.refused = 0

    def admit(self, now: float) -> bool:
        """Whether one more message fits. A refused message does not use the budget up."""
        self._expire(int(now * BUCKETS))
        if self._total >= self._per_second:
            self.refused += 1
            return False
        self._counts[self._tick % BUCKETS] += 1
        self._total += 1
        return True

    def _expire(self, tick: int) -> None:
        steps = min(tick - self._tick, BUCKETS)
        for offset in range(1, steps + 1):
            bucket = (self._tick + offset) % BUCKETS
            self._total -= self._counts[bucket]
            self._counts[bucket] = 0
        self._tick = max(tick, self._tick)
