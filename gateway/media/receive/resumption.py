"""Tells late audio from audio of a sender whose clock stood still.

Both look alike at first: after a pause, packets come with timestamps that the silence clock has already filled. Behind
a network that stalled, they come in a rush and soon catch up with the present; they are late, and their time is filled.
But a sender that paused without advancing its timestamp (on hold, on mute, some transcoders) sends at the pace of
speech and would never catch up: cutting its audio off would make the caller inaudible for good.
"""

from __future__ import annotations

from gateway.base.serial import distance32
from gateway.media.codec.g711 import SAMPLE_RATE_HZ

PROOF_S = 0.06
"""Packets are watched for this long, held and not lost, before a verdict."""
_OVER_S = 0.1
_MAX_HELD = 60


class Resumption:
    """Holds the packets in question, oldest first, each (timestamp, payload, arrival)."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[tuple[int, bytes, float]] = []

    def hold(self, timestamp: int, payload: bytes, arrival: float) -> None:
        """One more packet that lies in filled time."""
        if len(self._held) == _MAX_HELD:
            del self._held[0]
        self._held.append((timestamp, payload, arrival))

    def has_stood_still(self) -> bool:
        """True once the packets have come at the pace of speech for long enough."""
        return self._elapsed_s() >= PROOF_S and self.is_paced()

    def has_ended(self, now: float) -> bool:
        """True when packets were held and no more came for ``_OVER_S``."""
        return bool(self._held) and now - self._held[-1][2] >= _OVER_S

    def is_paced(self) -> bool:
        """True when at least two packets came no faster than twice the pace of speech."""
        if len(self._held) < 2:
            return False
        spoken_ts = distance32(self._held[0][0], self._held[-1][0])
        return spoken_ts <= 2 * self._elapsed_s() * SAMPLE_RATE_HZ

    def _elapsed_s(self) -> float:
        return self._held[-1][2] - self._held[0][2] if self._held else 0.0

    def take(self) -> list[tuple[int, bytes, float]]:
        """The packets, to be played after all."""
        taken, self._held = self._held, []
        return taken

    def clear(self) -> None:
        """They were late indeed, or a new beginning makes them void."""
        self._held.clear()
