"""Token buckets, one for each source, in bounded memory. Pure: time is an argument."""

from __future__ import annotations

from collections import OrderedDict

MAX_SOURCES = 10_000
"""Sources remembered by one table. Beyond, the one that was quiet longest is forgotten: it may begin anew."""


class TokenBucket:
    """``rate`` a second in the long run, and as many at once; at least one at once."""

    __slots__ = ("_at", "_rate", "_size", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._size = max(1.0, rate)
        self._tokens = self._size
        self._at = now

    def take(self, now: float) -> bool:
        """One token; False when there is none."""
        if now > self._at:
            self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
            self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def wait_s(self) -> float:
        """How long until the next token, as of the last ``take``."""
        return max(0.0, (1.0 - self._tokens) / self._rate)


class RateLimits:
    """A bucket of its own for each key."""

    def __init__(self, rate: float, *, limit: int = MAX_SOURCES) -> None:
        self._rate = rate
        self._limit = limit
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def apply(self, rate: float) -> None:
        """Another rate from here on, for everybody anew; the same one changes nothing."""
        if rate != self._rate:
            self._rate = rate
            self._buckets.clear()

    def take(self, key: str, now: float) -> bool:
        """Whether ``key`` may once more at ``now`` (monotonic seconds)."""
        bucket = self._buckets.get(key)
        if bucket is None:
            while len(self._buckets) >= self._limit:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = TokenBucket(self._rate, now)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now)
