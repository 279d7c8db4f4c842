"""Every metric the gateway exports, by name, in one place. Labels are closed sets, so cardinality is bounded."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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
        self.setup_s = Histogram(
            "gateway_call_setup_seconds", "INVITE to 200", buckets=_SECONDS, registry=self.registry
        )
        self.interruptions = Counter("gateway_interruptions", "Agent turns cut off", registry=self.registry)
        self.provider_faults = Counter(
            "gateway_provider_faults", "Faults reported by or of the provider", ["kind"], registry=self.registry
        )
        self.digits = Counter("gateway_digits", "Keypad digits received", registry=self.registry)

    def watch(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Exports a number that lives elsewhere (a table's size, a counter of a core), read at each scrape."""
        Gauge(name, help_text, registry=self.registry).set_function(read)

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)
