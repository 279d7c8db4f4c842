"""Judging audio by what is in it: energy in windows of time, tones, and likeness to a known recording.

Counting packets proves nothing about a call: silence has as many packets as speech.
Levels are in dB of full scale (0 dBFS is a square wave of 32767), windows in ms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.measure.g711 import SAMPLE_RATE_HZ, Samples

VOICE_DBFS = -45.0
"""Louder than this is somebody speaking: line noise and coding noise stay below -60."""

_FLOOR_DBFS = -100.0


@dataclass(frozen=True, slots=True)
class Match:
    """Where a recording is most like a reference, and how much: 1 is the same waveform, 0 unrelated."""

    offset_samples: int
    likeness: float


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time in which somebody speaks, from the start of the recording."""

    start_ms: int
    end_ms: int

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms


def levels_dbfs(samples: Samples, window_ms: int = 20) -> npt.NDArray[np.float64]:
    """The RMS level of each whole window."""
    width = window_ms * SAMPLE_RATE_HZ // 1000
    count = len(samples) // width
    windows = samples[: count * width].astype(np.float64).reshape(count, width)
    rms = np.sqrt((windows**2).mean(axis=1)) / 32767
    levels: npt.NDArray[np.float64] = np.maximum(20 * np.log10(np.maximum(rms, 1e-9)), _FLOOR_DBFS)
    return levels


def level_dbfs(samples: Samples) -> float:
    """The RMS level of the whole."""
    if not len(samples):
        return _FLOOR_DBFS
    rms = float(np.sqrt((samples.astype(np.float64) ** 2).mean())) / 32767
    return max(20 * float(np.log10(max(rms, 1e-9))), _FLOOR_DBFS)


def spells(samples: Samples, *, bridge_ms: int = 300, threshold_dbfs: float = VOICE_DBFS) -> list[Spell]:
    """Who spoke when: windows above the threshold, with pauses up to ``bridge_ms`` counted as part of the speech."""
    found: list[Spell] = []
    for index in np.flatnonzero(levels_dbfs(samples) > threshold_dbfs):
        start_ms, end_ms = int(index) * 20, int(index) * 20 + 20
        if found and start_ms - found[-1].end_ms <= bridge_ms:
            found[-1] = Spell(found[-1].start_ms, end_ms)
        else:
            found.append(Spell(start_ms, end_ms))
    return found


def tone_share(samples: Samples, frequency_hz: float) -> float:
    """How much of the energy lies within 40 Hz of a frequency, 0 to 1: a pure tone gives nearly 1, speech little."""
    if len(samples) < SAMPLE_RATE_HZ // 50:
        return 0.0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    frequencies_hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    total = float(spectrum.sum())
    near = float(spectrum[np.abs(frequencies_hz - frequency_hz) <= 40].sum())
    return near / total if total else 0.0


def best_match(heard: Samples, reference: Samples) -> Match:
    """Slides ``reference`` along ``heard`` (normalised cross-correlation) and takes the best place."""
    if len(reference) == 0 or len(heard) < len(reference):
        return Match(0, 0.0)
    size = 1 << (len(heard) + len(reference) - 1).bit_length()
    signal, pattern = heard.astype(np.float64), reference.astype(np.float64)
    spectrum = np.fft.rfft(signal, size) * np.conj(np.fft.rfft(pattern, size))
    products = np.fft.irfft(spectrum, size)[: len(heard) - len(reference) + 1]
    energy = np.concatenate(([0.0], np.cumsum(signal**2)))
    norms = np.sqrt(np.maximum(energy[len(reference) :] - energy[: -len(reference)], 1.0) * (pattern**2).sum())
    likeness = np.abs(products) / np.maximum(norms, 1.0)
    offset = int(np.argmax(likeness))
    return Match(offset, float(likeness[offset]))


def share_heard(heard: Samples, reference: Samples, *, piece_ms: int = 250, likeness: float = 0.9) -> float:
    """How much of the voice in ``reference`` is in ``heard``, piece after piece in order, from 0 to 1.

    A hole of a frame, as a stall of a busy machine leaves it, shifts everything behind it and spoils one comparison of
    the whole; it costs this measure no more than the piece it falls into. Silent pieces do not count.
    """
    width = piece_ms * SAMPLE_RATE_HZ // 1000
    pieces = [reference[start : start + width] for start in range(0, len(reference) - width + 1, width)]
    voiced = [piece for piece in pieces if level_dbfs(piece) > VOICE_DBFS]
    found = position = 0
    for piece in voiced:
        match = best_match(heard[position:], piece)
        if match.likeness >= likeness:
            found += 1
            position += match.offset_samples
    return found / len(voiced) if voiced else 0.0
