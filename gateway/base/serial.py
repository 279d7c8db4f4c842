"""Serial number arithmetic on wrapping counters (RFC 1982)."""

from __future__ import annotations

TIMESTAMP_MODULUS = 1 << 32


def distance16(start: int, end: int) -> int:
    """Signed steps from ``start`` to ``end`` on a 16-bit circle: -32768..32767."""
    return ((end - start + 0x8000) & 0xFFFF) - 0x8000


def distance32(start: int, end: int) -> int:
    """Signed steps from ``start`` to ``end`` on a 32-bit circle."""
    return ((end - start + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
