"""Serial number arithmetic on wrapping counters (RFC 1982) and RTP's extended sequence number (RFC 3550 A.1)."""

from __future__ import annotations

SEQUENCE_MODULUS = 1 << 16
TIMESTAMP_MODULUS = 1 << 32


def distance16(start: int, end: int) -> int:
    """Signed steps from ``start`` to ``end`` on a 16-bit circle: -32768..32767."""
    return ((end - start + 0x8000) & 0xFFFF) - 0x8000


def distance32(start: int, end: int) -> int:
    """Signed steps from ``start`` to ``end`` on a 32-bit circle."""
    return ((end - start + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


class ExtendedSequence:
    """Turns 16-bit sequence numbers into ever-growing ones, counting the turns of the circle."""

    def __init__(self, first: int) -> None:
        self.highest = first

    def extend(self, sequence: int) -> int:
        """The extended number nearest to the highest seen; moves the highest forward, never back."""
        extended = self.highest + distance16(self.highest & 0xFFFF, sequence)
        self.highest = max(self.highest, extended)
        return extended
