"""Every metric the gateway exports, by name, in one place. Labels are closed sets, so cardinality is bounded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class _StatsCollector(Collector):
    """A dataclass of counters as one metric, its fields as the label ``what``."""

    def __init__(self, prefix: str, help_text: str, stats: object) -> None:
        self._prefix = prefix
        self._help_text = help_text
        self._stats = stats

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._prefix, self._help_text, labels=["what"])
        for field in dataclasses.fields(cast(Any, self._stats)):
            family.add_metric([field.name], float(getattr(self._stats, field.name)))
        yield family


_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)


class Metrics:
    """The registry of one gateway. Several may live in one process (tests, the demo), hence no module globals."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter, gauge = partial(Counter, registry=self.registry), partial(Gauge, registry=self.registry)
        self.calls_live = gauge("gateway_calls_live", "Calls that have not ended")
        self.calls_ended = counter("gateway_calls_ended", "Calls by end reason", ["reason"])
        self.setup_s = Histogram(
            "gateway_call_setup_seconds", "INVITE to 200", buckets=_SECONDS, registry=self.registry
        )
        self.refusals = counter("gateway_sip_refusals", "SIP requests refused, by the rule that refused them", ["rule"])
        self.orders_refused = counter(
            "gateway_orders_refused",
            "Orders to call somebody that were refused, by the rule that refused them",
            ["rule"],
        )
        self.bans = counter("gateway_sip_bans", "Sources kept out after failed authentication, and let go", ["change"])
        self.interruptions = counter("gateway_interruptions", "Agent turns cut off")
        self.provider_faults = counter("gateway_provider_faults", "Faults reported by or of the provider", ["kind"])
        self.digits = counter("gateway_digits", "Keypad digits received")
        self.trunk_up = gauge(
            "gateway_trunk_up", "1 while a target of the trunk answers OPTIONS, 0 when none does", ["trunk"]
        )
        self.trunk_rtt_s = gauge(
            "gateway_trunk_rtt_seconds", "OPTIONS to its answer, of the trunk's nearest target", ["trunk"]
        )
        self.trunk_registered = gauge(
            "gateway_trunk_registered", "1 while the trunk's registrar has us registered", ["trunk"]
        )
        self.registration_failures = counter(
            "gateway_trunk_registration_failures", "Registrations that failed, by what failed", ["trunk", "rule"]
        )

    def watch(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Exports a number that lives elsewhere and goes up and down (a table's size), read at each scrape."""
        Gauge(name, help_text, registry=self.registry).set_function(read)

    def watch_counters(self, prefix: str, help_text: str, stats: object) -> None:
        """Exports every field of a core's counters (plain integers that only grow), read at each scrape."""
        self.registry.register(_StatsCollector(prefix, help_text, stats))

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)
