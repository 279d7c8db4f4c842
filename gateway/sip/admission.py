"""The decision at the door: may this request, from this source, be heard at all?

The user agent asks for each request that belongs to no transaction of ours, and to no call that lives on the host it
came from. The answer is pure: the daemon makes it from trunk addresses and limits and keeps its own counters.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allow:
    """Go on: the request is judged by the rules of RFC 3261 §8.2."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Not one byte goes back, not even 100 Trying: a scanner learns nothing. ``rule`` names what decided."""

    rule: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with ``status`` and keep no state. ``rule`` names what decided; ``headers`` go into the answer."""

    status: int
    reason: str
    rule: str
    headers: tuple[tuple[str, str], ...] = ()


Admission = Allow | Silence | Refuse

ALLOW = Allow()
