"""When two sides change a session at once: how long each waits before it asks again (RFC 3261 §14.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.sip.message import Response

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call

MAX_ATTEMPTS = 6
"""A peer that answers 491 this often in a row is not in glare but unwilling."""

Renew = Callable[[], bytes]
"""Makes an offer anew. After glare the peer's change has come first as a rule: the old one would undo it, under a
version that is used up (RFC 3264 §8)."""

_LONGEST_WAIT_S = 32
"""A Retry-After beyond this is a refusal."""


def glare_wait_s(call: Call) -> float:
    """Who made the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms."""
    bits = call.context.ids.bits(16)
    return (2100 + bits % 191 * 10 if call.inviting is not None else bits % 201 * 10) / 1000


def retry_after_s(response: Response) -> float | None:
    """The wait that a 500 asks for; None without one, or with one too long to be meant for this."""
    seconds = response.seconds("Retry-After")
    return float(seconds) if seconds is not None and seconds <= _LONGEST_WAIT_S else None
