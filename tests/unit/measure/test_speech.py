from __future__ import annotations

import numpy as np

from gateway.measure.listening import level_dbfs, spells
from gateway.measure.speech import silence, synthesise, tone


def test_the_same_seed_speaks_the_same_phrase() -> None:
    assert (synthesise(1.0, seed=3) == synthesise(1.0, seed=3)).all()
    assert (synthesise(1.0, seed=3) != synthesise(1.0, seed=4)).any()


def test_a_phrase_is_loud_has_gaps_and_stays_in_the_telephone_band() -> None:
    phrase = synthesise(2.0)
    assert level_dbfs(phrase) > -30
    assert len(spells(phrase, bridge_ms=0)) > 3
    spectrum = np.abs(np.fft.rfft(phrase.astype(float))) ** 2
    assert spectrum[: 3500 * 2].sum() / spectrum.sum() > 0.99


def test_a_tone_has_its_length_and_level() -> None:
    assert len(tone(440, 0.5)) == 4000
    assert 9000 < int(np.abs(tone(440, 0.5, level=0.3)).max()) < 10000
    assert not silence(0.1).any()
