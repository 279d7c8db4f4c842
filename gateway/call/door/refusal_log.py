"""Refusals in the log: each source and rule once a minute, with how often, so that a scanner cannot fill the disk."""

from __future__ import annotations

from typing import Any

from gateway.observability.logs import Logger

WINDOW_S = 60.0
"""For how long the refusals behind the first of a source and rule are only counted."""
_MAX_SOURCES = 1024
"""Pairs of source and rule that are remembered; beyond, the oldest is forgotten."""
_MAX_LINES = 20
"""Lines in a minute for all sources of one rule together: sources can be forged."""


class RefusalLog:
    """Writes the first refusal of a source by a rule at once; the following ones of a minute are only counted."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}
        self._rules: dict[str, tuple[float, int, int]] = {}

    def note(self, source: str, rule: str, now: float, **details: Any) -> None:
        """One refusal at ``now`` (monotonic seconds)."""
        key = (source, rule)
        began, unwritten = self._seen.pop(key, (now - WINDOW_S, 0))
        if now - began < WINDOW_S:
            self._seen[key] = (began, unwritten + 1)
            return
        if len(self._seen) >= _MAX_SOURCES:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = (now, 0)
        others = self._take_line(rule, now)
        if others is not None:
            self._logger.warning(
                "request refused",
                source=source,
                rule=rule,
                since_last_line=unwritten,
                other_sources_unwritten=others,
                **details,
            )

    def _take_line(self, rule: str, now: float) -> int | None:
        """How many lines of the rule were left out before this one; None when this one is left out too."""
        began, written, left_out = self._rules.get(rule, (now, 0, 0))
        if now - began >= WINDOW_S:
            began, written = now, 0
        if written >= _MAX_LINES:
            self._rules[rule] = (began, written, left_out + 1)
            return None
        self._rules[rule] = (began, written + 1, 0)
        return left_out
