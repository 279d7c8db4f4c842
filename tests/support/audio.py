"""Statements about audio for tests. Samples are signed 16-bit, mono, 8000 Hz."""

from __future__ import annotations

import numpy as np

from gateway.measure.g711 import SAMPLE_RATE_HZ, Samples
from gateway.measure.listening import Spell, best_match, level_dbfs, spells, tone_share


def window(samples: Samples, start_s: float, end_s: float) -> Samples:
    """The part between two moments."""
    return samples[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]


def expect_tone(samples: Samples, frequency_hz: float, *, at_least_s: float) -> Spell:
    """Asserts that a tone is heard for so long, and returns when. Looks at 40 ms windows."""
    width = SAMPLE_RATE_HZ // 25
    marks = np.zeros(len(samples), dtype=np.int16)
    for start in range(0, len(samples) - width, width):
        part = samples[start : start + width]
        if level_dbfs(part) > -40 and tone_share(part, frequency_hz) > 0.6:
            marks[start : start + width] = 20000
    found = spells(marks, bridge_ms=100)
    longest = max(found, key=lambda spell: spell.duration_ms, default=Spell(0, 0))
    assert longest.duration_ms >= at_least_s * 1000, (
        f"{frequency_hz:g} Hz heard for {longest.duration_ms} ms at most, expected {at_least_s * 1000:.0f}; "
        f"somebody spoke at {[(spell.start_ms, spell.end_ms) for spell in spells(samples)]} ms"
    )
    return longest


def expect_recording(heard: Samples, reference: Samples, *, likeness: float = 0.9) -> float:
    """Asserts that a recording is heard as it is, and returns the second at which it starts."""
    match = best_match(heard, reference)
    assert match.likeness >= likeness, (
        f"likeness {match.likeness:.2f} to the recording at best, expected {likeness}; "
        f"somebody spoke at {[(spell.start_ms, spell.end_ms) for spell in spells(heard)]} ms"
    )
    return match.offset_samples / SAMPLE_RATE_HZ


def expect_quiet(samples: Samples, start_s: float, end_s: float) -> None:
    """Asserts that nobody speaks between two moments."""
    part = window(samples, start_s, end_s)
    assert not spells(part), f"expected silence from {start_s:g} to {end_s:g} s, level {level_dbfs(part):.0f} dBFS"
