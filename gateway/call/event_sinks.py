"""Where a call's events go in every gateway: log lines (the conversation at debug level only) and metrics."""

from __future__ import annotations

from gateway.call.journal import CallEvent, EventName
from gateway.observability.logs import get_logger
from gateway.observability.metrics import Metrics

_LIFE = {
    EventName.CALL_OFFERED,
    EventName.CALL_QUEUED,
    EventName.CALL_ANSWERED,
    EventName.CALL_HELD,
    EventName.CALL_RESUMED,
    EventName.CALL_MOVED,
    EventName.CALL_ENDED,
    EventName.TRANSFER_PROGRESS,
}
_TROUBLE = {EventName.PROVIDER_LOST, EventName.PROVIDER_ERROR}
_PRIVATE = {
    EventName.DIGIT_RECEIVED: "digit",
    EventName.TRANSCRIPT_USER: "text",
    EventName.TRANSCRIPT_AGENT: "text",
}
"""What was dialled or said is for the record and the event stream, where access is controlled; never for a log."""


def log_event(event: CallEvent) -> None:
    """Writes one event. The line's name is the event's, and it carries the call's id."""
    logger = get_logger(call=event.call_id)
    details = {key: value for key, value in event.details.items() if key != _PRIVATE.get(event.name)}
    if event.name in _TROUBLE or details.get("differences"):
        logger.warning(event.name.value, t=event.offset_s, **details)
    elif event.name in _LIFE:
        logger.info(event.name.value, t=event.offset_s, **details)
    else:
        logger.debug(event.name.value, t=event.offset_s, **details)


class MeteredEvents:
    """Turns events into metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, event: CallEvent) -> None:
        """One event."""
        if event.name is EventName.CALL_ANSWERED:
            self._metrics.setup_s.observe(float(event.details["setup_s"]))
        elif event.name is EventName.PROVIDER_LOST:
            self._metrics.provider_faults.labels(kind="session_lost").inc()
