"""Whom the far end was asked to call instead, and what has become of it: one transfer of one call (RFC 3515)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

TRANSFER_LIMIT_S = 60.0
"""How long the outcome is waited for before the agent takes the call back."""


class TransferOutcome(enum.Enum):
    """What a report about the transfer means for the call."""

    UNDER_WAY = "under_way"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(slots=True)
class Transfer:
    """``target`` is a URI or number as it was asked for, or the other call's id (attended)."""

    target: str
    kind: str
    """``blind`` or ``attended``."""
    was_accepted: bool = False
    """The far end took the REFER: from here on a BYE of its own means that it has gone where it was sent."""
    _seen: set[int] = field(default_factory=set)

    def progress(self, status: int, *, is_final: bool) -> TransferOutcome:
        """The answer to our REFER, or a NOTIFY. A last word that is no final answer leaves the outcome unknown."""
        self.was_accepted = self.was_accepted or status < 300
        if not is_final:
            return TransferOutcome.UNDER_WAY
        return TransferOutcome.SUCCEEDED if 200 <= status < 300 else TransferOutcome.FAILED

    def is_news(self, status: int) -> bool:
        """Each status is told once."""
        is_new = status not in self._seen
        self._seen.add(status)
        return is_new
