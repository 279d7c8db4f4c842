"""When to refresh, and how long to wait after a failure."""

from __future__ import annotations

from gateway.base.ids import IdSource

BASE_S = 30.0
MAX_S = 1800.0
"""base-time when no flow is left, and max-time, of RFC 5626 §4.5."""

HOPELESS_S = 1800.0
"""After an answer that the same request will only get again: a wrong password, an unknown user."""

MAX_RETRY_AFTER_S = 3600.0
"""Longest Retry-After that is honoured: nobody keeps us away for a year."""

_AHEAD_S = 600.0
"""How long before its end a long registration is refreshed."""
_SHORTEST_WAIT_S = 5.0
"""However short the interval: a registrar that grants seconds is not asked without end."""


def refresh_after_s(expires_s: float, ids: IdSource) -> float:
    """Seconds until the refresh of what was granted for ``expires_s``.

    RFC 3261 §10.2.4 only says: before it expires. Half of a short interval, and ten minutes before the end of one above
    twenty, leave time for several tries (3GPP TS 24.229 §5.1.1.4.1 has the same). Up to a tenth less, at random, so
    that trunks that began together do not refresh together.
    """
    wait_s = max(expires_s / 2, expires_s - _AHEAD_S)
    jittered_s = wait_s * (1 - 0.1 * _fraction(ids))
    return max(jittered_s, min(_SHORTEST_WAIT_S, 0.9 * expires_s))


def back_off_s(failures: int, ids: IdSource) -> float:
    """RFC 5626 §4.5: doubled with each failure in a row, half to the whole of it at random: 30-60 s after the first."""
    longest_s = min(MAX_S, BASE_S * (1 << min(failures, 16)))
    return longest_s * (0.5 + 0.5 * _fraction(ids))


def _fraction(ids: IdSource) -> float:
    return ids.bits(16) / 65536
