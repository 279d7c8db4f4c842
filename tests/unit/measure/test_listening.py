from __future__ import annotations

import numpy as np

from gateway.measure import g711
from gateway.measure.listening import best_match, level_dbfs, levels_dbfs, share_heard, spells, tone_share
from gateway.measure.speech import silence, synthesise, tone


def test_a_recording_is_found_where_it_was_put_even_quieter_and_coded() -> None:
    phrase = synthesise(1.5, seed=7)
    heard = np.concatenate([silence(0.731), (phrase * 0.4).astype(np.int16), silence(0.5)])
    heard = g711.decode(g711.encode(heard, "PCMA"), "PCMA")
    match = best_match(heard, phrase)
    assert match.likeness > 0.98
    assert match.offset_samples == int(0.731 * 8000)


def test_another_phrase_is_not_taken_for_it() -> None:
    assert best_match(synthesise(4.0, seed=1), synthesise(1.5, seed=2)).likeness < 0.5


def test_nothing_is_like_nothing() -> None:
    assert best_match(silence(1.0), synthesise(0.5)).likeness < 0.1
    assert best_match(silence(0.2), synthesise(0.5)).likeness == 0.0


def test_spells_tell_who_spoke_when() -> None:
    heard = np.concatenate([silence(1.0), tone(300, 0.5), silence(0.2), tone(300, 0.3), silence(1.0), tone(300, 0.1)])
    assert [(spell.start_ms, spell.end_ms) for spell in spells(heard)] == [(1000, 2000), (3000, 3100)]
    assert spells(heard)[0].duration_ms == 1000
    assert spells(silence(1.0)) == []


def test_levels_are_those_of_the_signal() -> None:
    assert abs(level_dbfs(tone(500, 1.0, level=1.0)) + 3.0) < 0.1
    assert len(levels_dbfs(tone(500, 1.0))) == 50
    assert level_dbfs(silence(1.0)) == -100.0
    assert level_dbfs(silence(0.0)) == -100.0


def test_a_tone_is_told_from_speech_and_from_another_tone() -> None:
    assert tone_share(tone(697, 0.2), 697) > 0.95
    assert tone_share(tone(697, 0.2), 941) < 0.01
    assert tone_share(synthesise(1.0), 697) < 0.5
    assert tone_share(silence(0.5), 697) == 0.0


def test_a_hole_of_one_frame_costs_its_piece_and_not_the_whole() -> None:
    phrase = synthesise(3.0, seed=7)
    holed = np.concatenate([silence(0.3), phrase[:8000], silence(0.02), phrase[8000:]])
    assert best_match(holed, phrase).likeness < 0.85
    assert share_heard(holed, phrase) >= 0.9
    assert share_heard(phrase, phrase) == 1.0


def test_another_phrase_half_a_phrase_and_silence_are_told_from_the_whole() -> None:
    phrase = synthesise(3.0, seed=7)
    assert share_heard(synthesise(6.0, seed=8), phrase) < 0.3
    assert 0.3 < share_heard(phrase[: len(phrase) // 2], phrase) < 0.7
    assert share_heard(silence(3.0), phrase) == 0.0
    assert share_heard(phrase, silence(3.0)) == 0.0
