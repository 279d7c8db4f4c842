"""Turn figures of one call: what was heard first, how fast the old voice ended, how long the uplink took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gateway.bench.marker import is_silence
from gateway.measure import g711
from gateway.measure.listening import best_match
from gateway.measure.packet_log import Int64s, ReceivedPacket

QUIET_PACKETS = 25
"""The old voice is over when nothing but silence comes for so long (500 ms): pauses within speech are shorter."""

SPEAKING_NS = 40_000_000
"""The agent speaks at a moment when a voiced packet came within so long before it."""

NS_PER_MS = 1e6


def first_sound_ns(packets: Sequence[ReceivedPacket]) -> int | None:
    """When the first packet that is not digital silence came."""
    return next((packet.arrival_ns for packet in packets if not is_silence(packet.payload)), None)


def hears(packets: Sequence[ReceivedPacket], reference: g711.Samples, *, within_s: float, likeness: float) -> bool:
    """Whether a known recording is what came, somewhere in the first seconds after the first sound."""
    start_ns = first_sound_ns(packets)
    if start_ns is None:
        return False
    end_ns = start_ns + int(within_s * 1e9)
    payload = b"".join(packet.payload for packet in packets if start_ns <= packet.arrival_ns < end_ns)
    return best_match(g711.decode(payload), reference).likeness >= likeness


def barge_in_delays_ms(packets: Sequence[ReceivedPacket], speech_started_ns: Sequence[int]) -> list[float]:
    """From each announced interruption to the arrival of the last packet of the old voice.

    Only interruptions count at which the agent was heard speaking. 0 when its last packet had already come.
    """
    arrivals_ns = np.array([packet.arrival_ns for packet in packets], dtype=np.int64)
    is_voiced = np.array([not is_silence(packet.payload) for packet in packets], dtype=bool)
    delays_ms = []
    for announced_ns in speech_started_ns:
        after = int(np.searchsorted(arrivals_ns, announced_ns))
        recent = is_voiced[:after] & (arrivals_ns[:after] >= announced_ns - SPEAKING_NS)
        if not recent.any():
            continue
        last = _last_voiced(is_voiced, after)
        delays_ms.append(0.0 if last is None else float(arrivals_ns[last] - announced_ns) / NS_PER_MS)
    return delays_ms


def _last_voiced(is_voiced: np.ndarray[tuple[int], np.dtype[np.bool_]], start: int) -> int | None:
    """The last voiced packet from ``start`` before a quiet spell."""
    last = None
    quiet = 0
    for index in range(start, len(is_voiced)):
        if is_voiced[index]:
            last, quiet = index, 0
        else:
            quiet += 1
            if quiet >= QUIET_PACKETS:
                break
    return last


def uplink_delays_ms(call: int, sent_ns: Int64s, append_ns: Mapping[tuple[int, int], int]) -> list[float]:
    """From a packet's departure at the caller to the receipt, at the provider, of the chunk that it completed."""
    return [
        (received_ns - int(sent_ns[frame])) / NS_PER_MS
        for (of_call, frame), received_ns in append_ns.items()
        if of_call == call and frame < len(sent_ns) and sent_ns[frame]
    ]


def round_trips_ms(packets: Sequence[ReceivedPacket], sent_ns: Int64s) -> list[float]:
    """For a peer that sends every packet back as it is: from its departure to its return, known by its timestamp."""
    frames = [packet.timestamp // g711.FRAME_SAMPLES for packet in packets]
    return [
        (packet.arrival_ns - int(sent_ns[frame])) / NS_PER_MS
        for packet, frame in zip(packets, frames, strict=True)
        if frame < len(sent_ns) and sent_ns[frame]
    ]
