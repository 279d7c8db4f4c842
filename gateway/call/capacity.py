"""Whether one more call fits: the node's, the account's and the trunk's limits, for both directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.call.live_calls import LiveCalls
from gateway.call.termination import EndReason, sip_cause
from gateway.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class NotTaken(Exception):
    """A call that is not taken: the SIP status that says so and the rule that made it."""

    status: int
    text: str
    rule: str
    retry_after_s: int | None = None
    why: str = ""
    """For the log only: a caller need not know our settings."""


class Capacity:
    """Counts live calls and provider sessions against the settings."""

    def __init__(self, settings: Settings, live: LiveCalls, sessions_open: Callable[[], int]) -> None:
        self._settings = settings
        self._live = live
        self._sessions_open = sessions_open

    def apply(self, settings: Settings) -> None:
        """Other limits for calls to come."""
        self._settings = settings

    def full(self) -> str | None:
        """The rule by which any further call would be refused, or None."""
        if len(self._live) >= self._settings.node.max_calls:
            return "node.max_calls"
        if self._sessions_open() >= self._settings.inworld.max_sessions:
            return "inworld.max_sessions"
        return None

    def check(self, trunk: str) -> None:
        """Raises NotTaken. 503 sends a trunk to another node; 486 says that its own lines are all taken, everywhere."""
        rule = self.full()
        if rule is not None:
            no_capacity = sip_cause(EndReason.NO_CAPACITY)
            raise NotTaken(no_capacity.status, no_capacity.text, rule, no_capacity.retry_after_s)
        known = self._settings.trunks.get(trunk)
        limit = known.max_calls if known is not None else None
        if limit is not None and self._live.on_trunk(trunk) >= limit:
            raise NotTaken(sip_cause(EndReason.BUSY).status, "Busy Here", "trunks.max_calls")
