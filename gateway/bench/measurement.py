"""The figures of one run, and how they come out of what the meter, SIPp and the provider recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gateway.bench.pacing import judge_delivery, pacing_quantiles, quantiles
from gateway.bench.provider_log import ProviderRecord
from gateway.bench.sipp import SetUp
from gateway.bench.turns import barge_in_delays_ms, first_sound_ns, hears, round_trips_ms, uplink_delays_ms
from gateway.measure import g711
from gateway.measure.packet_log import CallPackets

Quantiles = dict[str, float]


@dataclass(frozen=True, slots=True)
class Window:
    """The steady part of a run: every call is up. ns of CLOCK_REALTIME."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process used during the window, and its memory before the calls and with them."""

    cpu_us: int
    rss_before_kb: int
    rss_loaded_kb: int


@dataclass(slots=True)
class Measurement:
    """One row of the report. None: not measured, and ``notes`` says why."""

    calls: int
    seconds: float
    cpu_us_per_call_second: float | None = None
    pacing_ms: Quantiles | None = None
    packets_received: int = 0
    packets_lost: int = 0
    slots_skipped: int = 0
    round_trip_ms: Quantiles | None = None
    uplink_added_ms: Quantiles | None = None
    barge_in_ms: Quantiles | None = None
    barge_ins: int = 0
    setup_ms: Quantiles | None = None
    answer_to_voice_ms: Quantiles | None = None
    rss_kb_per_call: float | None = None
    calls_failed: int = 0
    greetings_heard: int | None = None
    provider_cpu_us_per_call_second: float | None = None
    meter_cpu_us_per_call_second: float | None = None
    bystanders_cpu_pct: float | None = None
    """What everybody else on the machine used meanwhile, in % of one core: pacing suffers from it."""
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The figures by the names of the contract, and the further ones."""
        return {name: getattr(self, name) for name in self.__slots__}


def take_cost(measurement: Measurement, cost: Cost, provider_us: int | None, meter_us: int) -> None:
    """Puts in what the processes used."""
    call_seconds = measurement.calls * measurement.seconds
    measurement.cpu_us_per_call_second = round(cost.cpu_us / call_seconds, 1)
    measurement.meter_cpu_us_per_call_second = round(meter_us / call_seconds, 1)
    if provider_us is not None:
        measurement.provider_cpu_us_per_call_second = round(provider_us / call_seconds, 1)
    grown_kb = cost.rss_loaded_kb - cost.rss_before_kb
    measurement.rss_kb_per_call = round(grown_kb / measurement.calls, 1)


def take_bystanders(measurement: Measurement, others_us: int) -> None:
    """Puts in what the rest of the machine used, and says so when it is enough to spoil the figures."""
    measurement.bystanders_cpu_pct = round(max(others_us, 0) / measurement.seconds / 10_000, 1)
    if measurement.bystanders_cpu_pct > 25:
        share = f"{measurement.bystanders_cpu_pct:.0f} % of a core"
        measurement.notes.append(f"other programs used {share} meanwhile: repeat it on a quiet machine")


def take_delivery(measurement: Measurement, calls: Sequence[CallPackets], window: Window) -> None:
    """Puts in pacing and loss of what arrived within the window, all calls pooled."""
    judged = [judge_delivery(call.between(window.start_ns, window.end_ns)) for call in calls]
    measurement.packets_received = sum(delivery.received for delivery in judged)
    measurement.packets_lost = sum(delivery.lost for delivery in judged)
    measurement.slots_skipped = sum(delivery.slots_skipped for delivery in judged)
    measurement.pacing_ms = pacing_quantiles(np.concatenate([delivery.errors_ms for delivery in judged]))
    expected = 0.98 * 50 * window.seconds
    starved = sum(delivery.received < expected for delivery in judged)
    if starved:
        measurement.notes.append(f"{starved} calls received less than 98 % of their 50 packets a second")


def take_round_trips(measurement: Measurement, calls: Sequence[CallPackets], window: Window) -> None:
    """Puts in how long an echo took, in place of its pacing: it has none of its own."""
    trips: list[float] = []
    for call in calls:
        trips += round_trips_ms(call.between(window.start_ns, window.end_ns), call.sent_ns)
    measurement.round_trip_ms = quantiles(trips, p50=0.5, p99=0.99)
    measurement.pacing_ms = None
    measurement.notes.append("pacing_ms: an echo has no pacer, it keeps the callers' pace; round_trip_ms instead")


def take_turns(measurement: Measurement, calls: Sequence[CallPackets], provider: ProviderRecord | None) -> None:
    """Puts in what needs the provider's own times: added uplink delay and barge-in, over the whole run."""
    if provider is None:
        return
    uplink: list[float] = []
    barge_ins: list[float] = []
    for index, call in enumerate(calls):
        uplink += uplink_delays_ms(index, call.sent_ns, provider.append_ns)
        barge_ins += barge_in_delays_ms(call.received, provider.speech_started_ns.get(index, []))
    measurement.uplink_added_ms = quantiles(uplink, p50=0.5, p99=0.99)
    measurement.barge_in_ms = quantiles(barge_ins, p50=0.5, p99=0.99)
    measurement.barge_ins = len(barge_ins)
    if measurement.uplink_added_ms is None:
        measurement.notes.append("uplink_added_ms: the provider received no chunk that ends with a marked packet")
    if measurement.barge_in_ms is None:
        measurement.notes.append("barge_in_ms: no caller interrupted the agent while it was heard")


def take_greetings(measurement: Measurement, calls: Sequence[CallPackets], greeting: g711.Samples) -> None:
    """Puts in how many callers heard the greeting. Its first 0.7 s are looked for: some callers speak over the rest."""
    opening = greeting[: int(0.7 * g711.SAMPLE_RATE_HZ)]
    measurement.greetings_heard = sum(hears(call.received, opening, within_s=3.0, likeness=0.85) for call in calls)


def take_set_ups(measurement: Measurement, calls: Sequence[CallPackets], set_ups: Sequence[SetUp]) -> None:
    """Puts in set-up times and failures as SIPp saw them, and how soon after the answer the agent was heard."""
    answered = [set_up for set_up in set_ups if set_up.answered_at is not None]
    measurement.calls_failed = measurement.calls - len(answered)
    times_ms, voices_ms = [], []
    for set_up in answered:
        assert set_up.answered_at is not None
        times_ms.append((set_up.answered_at - set_up.invited_at) * 1e3)
        sound_ns = first_sound_ns(calls[set_up.call].received)
        if sound_ns is not None:
            voices_ms.append((sound_ns / 1e9 - set_up.answered_at) * 1e3)
    measurement.setup_ms = quantiles(times_ms, p50=0.5, p95=0.95)
    measurement.answer_to_voice_ms = quantiles(voices_ms, p50=0.5, p95=0.95)
