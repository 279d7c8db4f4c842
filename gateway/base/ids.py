"""Identifiers and random starting values, all drawn from one source so that tests can repeat them."""

from __future__ import annotations

import random
import secrets

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"

BRANCH_COOKIE = "z9hG4bK"
"""RFC 3261 §8.1.1.7: a branch that starts with this is unique across space and time."""


class IdSource:
    """Draws identifiers. Without a seed they are unpredictable, as SIP tags and SSRCs must be (RFC 3261 §19.3)."""

    def __init__(self, seed: int | None = None) -> None:
        self._random: random.Random = secrets.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 - tests only

    def token(self, length: int = 16) -> str:
        """Lower-case letters and digits; 16 of them carry 82 bits."""
        return "".join(self._random.choices(_ALPHABET, k=length))

    def tag(self) -> str:
        """A From or To tag."""
        return self.token(12)

    def branch(self) -> str:
        """A Via branch with the RFC 3261 cookie."""
        return BRANCH_COOKIE + self.token(16)

    def call_id(self) -> str:
        """A SIP Call-ID without a host part: it needs none, and a host would tell where we run."""
        return self.token(24)

    def bits(self, count: int) -> int:
        """A random unsigned integer of ``count`` bits."""
        return self._random.getrandbits(count)

    def ssrc(self) -> int:
        """An RTP synchronisation source (RFC 3550 §8.1): 32 random bits, never 0."""
        return self.bits(32) or 1
