"""The conversation as a stereo WAV: the caller on the left, on the right exactly what arrived in RTP packets."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gateway.base.serial import distance32
from gateway.demo.rtp_leg import Heard, Sent
from gateway.measure import g711
from gateway.measure.g711 import SAMPLE_RATE_HZ, Law, Samples


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
    stereo = np.zeros((max(len(left), len(right)), 2), dtype="<i2")
    stereo[: len(left), 0] = left
    stereo[: len(right), 1] = right
    _write(path, stereo.tobytes(), channels=2)


def write_mono(path: Path, samples: Samples) -> None:
    """Writes one direction alone."""
    _write(path, samples.astype("<i2").tobytes(), channels=1)


def _delayed(samples: Samples, seconds: float) -> Samples:
    lead = np.zeros(round(seconds * SAMPLE_RATE_HZ), dtype=np.int16)
    return np.concatenate([lead, samples])


def _write(path: Path, frames: bytes, *, channels: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(frames)


def read_voice(path: Path) -> Samples:
    """A packaged voice: 16-bit mono at 8000 Hz."""
    with wave.open(str(path), "rb") as file:
        if (file.getframerate(), file.getsampwidth(), file.getnchannels()) != (SAMPLE_RATE_HZ, 2, 1):
            raise ValueError(f"{path} is not 16-bit mono at {SAMPLE_RATE_HZ} Hz")
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)
