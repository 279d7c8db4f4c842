from __future__ import annotations

import dataclasses

from gateway.observability.metrics import Metrics


def test_counters_and_watched_numbers_are_rendered() -> None:
    metrics = Metrics()
    metrics.calls_ended.labels(reason="caller_hung_up").inc()
    metrics.watch("gateway_dialogs_live", "SIP dialogs", lambda: 3)
    text = metrics.render().decode()
    assert 'gateway_calls_ended_total{reason="caller_hung_up"} 1.0' in text
    assert "gateway_dialogs_live 3.0" in text


def test_two_gateways_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.digits.inc()
    assert "gateway_digits_total 1.0" in one.render().decode()
    assert "gateway_digits_total 0.0" in other.render().decode()


def test_a_cores_counters_are_exported_by_field_and_read_at_each_scrape() -> None:
    @dataclasses.dataclass
    class Stats:
        received: int = 0

    stats = Stats()
    metrics = Metrics()
    metrics.watch_counters("gateway_core", "a core's counters", stats)
    stats.received = 7
    assert 'gateway_core_total{what="received"} 7.0' in metrics.render().decode()
