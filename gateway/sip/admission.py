"""The decision at the door: may this request, from this source, be heard at all?

The user agent asks for each request that belongs to no transaction of ours, and to no call that lives on the host it
came from. The answer is made elsewhere, from trunks, accounts and limits.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allow:
    """Go on: the request is judged by the rules of RFC 3261 §8.2.

    ``trunk`` and ``account`` name whom it is from, "" where that is not known or not asked.
    """

    trunk: str = ""
    account: str = ""


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


@dataclass(frozen=True, slots=True)
class Challenge:
    """Answer 401 with ``headers`` (WWW-Authenticate) and keep no state: whoever it is may prove it (RFC 3261 §22.2)."""

    headers: tuple[tuple[str, str], ...]


Admission = Allow | Silence | Refuse | Challenge

ALLOW = Allow()
