"""The conversation as a stereo WAV: the caller on the left, on the right exactly what arrived in RTP packets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gateway.base.serial import distance32
from gateway.demo.rtp_leg import Heard, Sent
from gateway.measure import g711
from gateway.measure.g711 import SAMPLE_RATE_HZ, Law, Samples
from gateway.measure.wav import write_wav


def heard_samples(heard: Sequence[Heard], law: Law) -> Samples:
    """What the ear got, laid out by RTP timestamp: a lost packet is a hole of its own length, not a shift."""
    if not heard:
        return np.zeros(0, dtype=np.int16)
    first = heard[0].packet.timestamp
    end = max(distance32(first, item.packet.timestamp) + len(item.packet.payload) for item in heard)
    samples = np.zeros(max(end, 0), dtype=np.int16)
    for item in heard:
        start = distance32(first, item.packet.timestamp)
        if start >= 0:
            samples[start : start + len(item.packet.payload)] = g711.decode(item.packet.payload, law)
    return samples


def sent_samples(sent: Sequence[Sent], law: Law) -> Samples:
    """What the mouth said, frame after frame."""
    return g711.decode(b"".join(item.payload for item in sent), law)


def write_stereo(path: Path, sent: Sequence[Sent], heard: Sequence[Heard], law: Law) -> None:
    """Writes both directions of one call, aligned by the times of their first packets."""
    left, right = sent_samples(sent, law), heard_samples(heard, law)
    began = min([sequence[0].at for sequence in (sent, heard) if sequence], default=0.0)
    left = _delayed(left, sent[0].at - began if sent else 0.0)
    right = _delayed(right, heard[0].at - began if heard else 0.0)
    write_wav(path, left, right)


def _delayed(samples: Samples, seconds: float) -> Samples:
    lead = np.zeros(round(seconds * SAMPLE_RATE_HZ), dtype=np.int16)
    return np.concatenate([lead, samples])
