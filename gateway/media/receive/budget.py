"""How much audio a stream may hand out: as much as real time has passed, and some slack for jitter.

The provider is paid by, and computes on, the length of audio: a peer that sends faster than it can speak must not make
more of it. A token bucket counted in samples; the owner takes from it directly where nothing rare happens.
"""

from __future__ import annotations

from gateway.media.codec.g711 import SAMPLE_RATE_HZ

SLACK_S = 2.0
"""Ahead of real time at most: what a network or we ourselves may hold up and let go at once."""
_CLOCK_TOLERANCE = 1.01
"""Senders' clocks run fast by some hundred ppm: they must not run into the limit after an hour."""
_SLACK_SAMPLES = SLACK_S * SAMPLE_RATE_HZ


class Budget:
    """Samples that may still be handed out. Refilled only when it is needed, so that its limit forgets no pause."""

    __slots__ = ("_settled_at", "samples")

    def __init__(self) -> None:
        self.samples: float = _SLACK_SAMPLES
        self._settled_at: float | None = None

    def affords(self, samples: int, now: float) -> bool:
        """Is there room for so many? Nothing is taken."""
        if self._settled_at is None or samples > self.samples:
            self.settle(0, now)
        return samples <= self.samples

    def covers(self, samples: int, now: float, *, spare: int = 0) -> bool:
        """Take so many, and the time that has passed for them; False, and nothing taken, when ``spare`` is not left."""
        if samples + spare > self._refilled(now):
            return False
        self.settle(samples, now)
        return True

    def available(self, now: float) -> int:
        """Whole samples that time has room for by now, those of a long pause included."""
        return max(int(self._refilled(now)), 0)

    def settle(self, samples: int, now: float) -> None:
        """Account for the time that has passed and for so many samples handed out in it."""
        self.samples = min(self._refilled(now) - samples, _SLACK_SAMPLES)
        self._settled_at = now if self._settled_at is None else max(now, self._settled_at)

    def _refilled(self, now: float) -> float:
        if self._settled_at is None or now <= self._settled_at:
            return self.samples
        return self.samples + (now - self._settled_at) * SAMPLE_RATE_HZ * _CLOCK_TOLERANCE
