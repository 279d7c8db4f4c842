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
    headers: tuple[tuple[str, str], ...] = ()
    """For the INVITE; checked."""
    ring_timeout_s: float | None = None
    max_duration_s: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
