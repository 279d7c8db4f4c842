from __future__ import annotations

from gateway.call.conversation.observer import MetricsObserver
from gateway.observability.metrics import Metrics


def test_only_our_own_fault_codes_become_metric_labels() -> None:
    metrics = Metrics()
    observer = MetricsObserver(metrics)
    observer.provider_fault("response_failed")
    observer.provider_fault("some_code_of_theirs_4711")
    text = metrics.render().decode()
    assert 'kind="response_failed"' in text
    assert 'kind="reported"' in text
    assert "of_theirs" not in text
