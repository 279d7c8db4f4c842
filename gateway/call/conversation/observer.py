"""A conversation's counts on their way to the operator's metrics."""

from __future__ import annotations

from gateway.observability.metrics import Metrics

_OWN_FAULTS = frozenset(
    {
        "greeting_without_audio",
        "no_session",
        "response_create_unanswered",
        "response_failed",
        "response_incomplete",
        "session_not_updated",
        "transcription_failed",
        "update_unacknowledged",
    }
)


class MetricsObserver:
    """A conversation's counts go to the operator's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def digit_received(self) -> None:
        """A key was pressed."""
        self._metrics.digits.inc()

    def interrupted(self) -> None:
        """The agent was cut off."""
        self._metrics.interruptions.inc()

    def provider_fault(self, code: str) -> None:
        """The provider reported an error. Its codes are an open set, so only our own become labels."""
        self._metrics.provider_faults.labels(kind=code if code in _OWN_FAULTS else "reported").inc()
