"""An order to call somebody, as whoever may give one puts it; every value is checked before it gets here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CallOrder:
    """Whom to call, by which trunk, as whom, and which agent speaks."""

    to: str
    agent: str
    trunk: str | None = None
    """None: the first trunk that may call this destination."""
    from_user: str | None = None
    """None: the trunk's own ``from_user``."""
    session: Mapping[str, Any] = field(default_factory=dict)
    """Laid over the agent's session settings, for this call only."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """For the agent's texts and the header templates."""
    headers: tuple[tuple[str, str], ...] = ()
    """For the INVITE; checked."""
    ring_timeout_s: float | None = None
    """None: the trunk's own."""
    max_duration_s: float | None = None
    """From the answer on; it can only shorten what the agent's limits allow. None: those."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Comes back with the call; never interpreted."""
