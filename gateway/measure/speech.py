"""A voice for callers that have none: vowels with a pitch, formants and syllables, the same for the same seed.

Voice activity detection and pacing see what they would see of a person: bursts of 150-250 ms, a pitch that falls,
short gaps, energy below 3400 Hz. It says nothing.
"""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt

from gateway.measure.g711 import SAMPLE_RATE_HZ, Samples

_VOWELS: tuple[tuple[float, float, float], ...] = (
    (730.0, 1090.0, 2440.0),
    (530.0, 1840.0, 2480.0),
    (270.0, 2290.0, 3010.0),
    (570.0, 840.0, 2410.0),
    (300.0, 870.0, 2240.0),
)
"""The first three formants, in Hz, of a, e, i, o, u."""

_PEAK = 11000
"""Of 32767: a caller who speaks up, with headroom."""


def synthesise(duration_s: float, seed: int = 1) -> Samples:
    """A phrase of about ``duration_s``: syllables until the time is used, never cut inside one."""
    draw = random.Random(seed)  # noqa: S311 - a voice, not a secret
    total = int(duration_s * SAMPLE_RATE_HZ)
    phrase = np.zeros(total)
    position = 0
    while True:
        length = int(draw.uniform(0.15, 0.25) * SAMPLE_RATE_HZ)
        if position + length > total:
            break
        pitch_hz = draw.uniform(105, 145) * (1 - 0.2 * position / total)
        phrase[position : position + length] = _syllable(length, pitch_hz, draw.choice(_VOWELS))
        position += length + int(draw.uniform(0.01, 0.05) * SAMPLE_RATE_HZ)
    peak = float(np.abs(phrase).max()) or 1.0
    return (phrase / peak * _PEAK).astype(np.int16)


def tone(frequency_hz: float, duration_s: float, level: float = 0.3) -> Samples:
    """A sine, for checks that look into one frequency window; ``level`` is a share of full scale."""
    at = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (np.sin(2 * np.pi * frequency_hz * at) * level * 32767).astype(np.int16)


def silence(duration_s: float) -> Samples:
    """Nothing, for as long."""
    return np.zeros(int(duration_s * SAMPLE_RATE_HZ), dtype=np.int16)


def _syllable(length: int, pitch_hz: float, formants_hz: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    at = np.arange(length) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * pitch_hz * (at - 0.3 * at * at)  # the pitch glides down within the syllable
    voice = np.zeros(length)
    for harmonic in range(1, int(3400 / pitch_hz)):
        voice += _formant_gain(harmonic * pitch_hz, formants_hz) * np.sin(harmonic * phase)
    envelope = np.sin(np.pi * np.arange(length) / length) ** 0.5
    return voice * envelope


def _formant_gain(frequency_hz: float, formants_hz: tuple[float, float, float]) -> float:
    return sum(
        weight / (1 + ((frequency_hz - formant_hz) / 90.0) ** 2)
        for formant_hz, weight in zip(formants_hz, (1.0, 0.6, 0.3), strict=True)
    )
