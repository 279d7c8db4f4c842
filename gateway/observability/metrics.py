"""Every metric the gateway exports, by name, in one place. Labels are closed sets, so cardinality is bounded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
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
        self.calls_live = Gauge("gateway_calls_live", "Calls that have not ended", registry=self.registry)
        self.calls_ended = Counter("gateway_calls_ended", "Calls by end reason", ["reason"], registry=self.registry)
        self.refusals = Counter(
            "gateway_sip_refusals",
            "SIP requests refused, by the rule that refused them",
            ["rule"],
            registry=self.registry,
        )
        self.orders_refused = Counter(
            "gateway_orders_refused",
            "Orders to call somebody that were refused, by the rule that refused them",
            ["rule"],
            registry=self.registry,
        )
        self.bans = Counter(
            "gateway_sip_bans",
            "Sources kept out after failed authentication, and let go",
            ["change"],
            registry=self.registry,
        )
        self.setup_s = Histogram(
            "gateway_call_setup_seconds", "INVITE to 200", buckets=_SECONDS, registry=self.registry
        )
        self.interruptions = Counter("gateway_interruptions", "Agent turns cut off", registry=self.registry)
        self.provider_faults = Counter(
            "gateway_provider_faults", "Faults reported by or of the provider", ["kind"], registry=self.registry
        )
        self.digits = Counter("gateway_digits", "Keypad digits received", registry=self.registry)

        self.trunk_up = Gauge(
            "gateway_trunk_up",
            "1 while a target of the trunk answers OPTIONS, 0 when none does",
            ["trunk"],
            registry=self.registry,
        )
        self.trunk_rtt_s = Gauge(
            "gateway_trunk_rtt_seconds",
            "OPTIONS to its answer, of the trunk's nearest target",
            ["trunk"],
            registry=self.registry,
        )
        self.trunk_registered = Gauge(
            "gateway_trunk_registered",
            "1 while the trunk's registrar has us registered",
            ["trunk"],
            registry=self.registry,
        )
        self.registration_failures = Counter(
            "gateway_trunk_registration_failures",
            "Registrations that failed, by what failed",
            ["trunk", "rule"],
            registry=self.registry,
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
