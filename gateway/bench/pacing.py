"""How evenly packets came: the distance of every arrival from its call's own 20 ms grid.

The grid of a call is its RTP timeline (timestamp / 8 per ms at 8000 Hz), laid through the median of its arrivals, so
that neither a start offset nor the clock's epoch counts, but every drift and every late packet does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.measure.packet_log import ReceivedPacket

Floats = npt.NDArray[np.float64]

TIMESTAMP_UNITS_PER_MS = 8


@dataclass(frozen=True, slots=True)
class Delivery:
    """One call's packets within a window, judged."""

    received: int
    lost: int
    """Sequence numbers that never came, between the first and the last that did."""
    slots_skipped: int
    """20 ms of the timeline for which no packet was sent at all (the sender stalled and moved its timestamp on)."""
    errors_ms: Floats
    """|arrival - grid| of each packet."""


def judge_delivery(packets: Sequence[ReceivedPacket], *, frame_ms: int = 20) -> Delivery:
    """Loss, skipped time and pacing error of one call. Packets of a second SSRC are not expected and not split."""
    if len(packets) < 2:
        return Delivery(len(packets), 0, 0, np.zeros(0))
    arrival_ms = np.array([packet.arrival_ns for packet in packets], dtype=np.int64) / 1e6
    sequences = _unwrap([packet.sequence for packet in packets], 16)
    timeline_ms = _unwrap([packet.timestamp for packet in packets], 32) / TIMESTAMP_UNITS_PER_MS
    offsets_ms = (arrival_ms - arrival_ms[0]) - timeline_ms
    span = int(sequences.max() - sequences.min()) + 1
    lost = span - len(np.unique(sequences))
    slots = round(float(timeline_ms.max() - timeline_ms.min()) / frame_ms) + 1
    return Delivery(len(packets), lost, max(slots - span, 0), np.abs(offsets_ms - np.median(offsets_ms)))


def _unwrap(values: list[int], bits: int) -> npt.NDArray[np.int64]:
    """Counters that wrap at 2**bits, as distances from the first."""
    modulus, half = 1 << bits, 1 << (bits - 1)
    counters = np.array(values, dtype=np.int64)
    steps = (np.diff(counters) + half) % modulus - half
    return np.concatenate(([0], np.cumsum(steps)))


def quantiles(values: Floats | Iterable[float], **named: float) -> dict[str, float] | None:
    """The asked quantiles by name, rounded to µs when the values are ms; None when there is nothing to ask."""
    pool = np.asarray(list(values) if not isinstance(values, np.ndarray) else values, dtype=np.float64)
    if not len(pool):
        return None
    return {name: round(float(np.quantile(pool, share)), 3) for name, share in named.items()}


def pacing_quantiles(errors_ms: Floats) -> dict[str, float] | None:
    """The figures of the pacing contract: p50, p99, p999 and max."""
    return quantiles(errors_ms, p50=0.5, p99=0.99, p999=0.999, max=1.0)
