"""WAV files of 16-bit samples, as the judges of calls read and write them."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from gateway.measure.g711 import SAMPLE_RATE_HZ, Samples


def read_wav(path: Path) -> Samples:
    """A mono file at 8000 Hz. Files of a multiple of that rate are averaged: enough of a filter to compare with.

    Raises ValueError for any other form.
    """
    with wave.open(str(path), "rb") as file:
        factor, remainder = divmod(file.getframerate(), SAMPLE_RATE_HZ)
        if (file.getsampwidth(), file.getnchannels(), remainder) != (2, 1, 0):
            raise ValueError(f"{path} is not 16-bit mono at a multiple of {SAMPLE_RATE_HZ} Hz")
        samples: Samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)
    if factor == 1:
        return samples
    groups = samples[: len(samples) // factor * factor].reshape(-1, factor)
    averaged: Samples = groups.mean(axis=1).astype(np.int16)
    return averaged


def write_wav(path: Path, *channels: Samples, rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """One channel, or several beside each other; a shorter one is filled up with silence."""
    frames = np.zeros((max(map(len, channels)), len(channels)), dtype="<i2")
    for number, samples in enumerate(channels):
        frames[: len(samples), number] = samples
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(frames.tobytes())
