from __future__ import annotations

import io

from gateway.call.event_sinks import MeteredEvents, log_event
from gateway.call.journal import EventName, Journal
from gateway.observability.logs import configure_logs
from gateway.observability.metrics import Metrics


def logged(name: EventName, level: str = "debug", **details: object) -> str:
    stream = io.StringIO()
    configure_logs(level=level, json_lines=True, stream=stream)
    Journal("c-1", 0.0, [log_event]).record(name, 1.5, **details)
    return stream.getvalue()


def test_the_life_of_a_call_is_logged_with_its_id() -> None:
    line = logged(EventName.CALL_ENDED, "info", reason="api")
    assert '"call": "c-1"' in line
    assert '"reason": "api"' in line
    assert '"t": 1.5' in line


def test_what_was_dialled_or_said_never_reaches_the_log() -> None:
    assert "4711" not in logged(EventName.DIGIT_RECEIVED, digit="4711")
    assert "my secret" not in logged(EventName.TRANSCRIPT_USER, item="i", text="my secret")


def test_turns_are_for_debugging_and_trouble_is_a_warning() -> None:
    assert logged(EventName.USER_STARTED, "info") == ""
    assert '"level": "warning"' in logged(EventName.PROVIDER_LOST, "info", code=1006)


def test_the_set_up_time_of_an_answered_call_is_measured() -> None:
    metrics = Metrics()
    Journal("c-1", 0.0, [MeteredEvents(metrics)]).record(EventName.CALL_ANSWERED, 0.2, setup_s=0.2)
    assert "gateway_call_setup_seconds_count 1.0" in metrics.render().decode()
