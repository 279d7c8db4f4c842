"""What stands in for lost audio."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.media.codec.g711 import PCMA, PCMU, Law
from gateway.media.receive.concealment import FADE_SAMPLES, Concealment

TONE = (8000 * np.sin(2 * np.pi * 400 * np.arange(160) / 8000)).astype(np.int16)


def after(law: Law, frame: bytes) -> Concealment:
    concealment = Concealment()
    concealment.last_frame = frame
    return concealment


def energy(samples: np.ndarray) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


@pytest.mark.parametrize("law", [PCMU, PCMA], ids=lambda law: law.name)
def test_the_last_frame_is_repeated_and_fades_to_silence_within_60_ms(law: Law) -> None:
    made = after(law, law.encode(TONE)).make(law, 800)
    samples = law.decode(made)
    assert len(made) == 800
    frames = [energy(samples[start : start + 160]) for start in range(0, 800, 160)]
    assert 0.5 * energy(TONE) < frames[0] < energy(TONE)
    assert frames[0] > 2 * frames[1] > 4 * frames[2] > 0
    assert made[FADE_SAMPLES:] == law.silent(320)


def test_the_repetition_has_the_period_of_the_frame() -> None:
    samples = PCMU.decode(after(PCMU, PCMU.encode(TONE)).make(PCMU, 320)).astype(np.float64)
    first, second = samples[:160], samples[160:]
    assert np.corrcoef(first, second)[0, 1] > 0.95


def test_the_fade_goes_on_over_a_second_gap_when_no_audio_came_between() -> None:
    frame = PCMU.encode(TONE)
    split = after(PCMU, frame)
    whole = after(PCMU, frame).make(PCMU, 480)
    assert split.make(PCMU, 100) + split.make(PCMU, 250) + split.make(PCMU, 130) == whole


def test_new_audio_is_concealed_with_a_new_fade() -> None:
    concealment = after(PCMU, PCMU.encode(TONE))
    first = concealment.make(PCMU, 480)
    concealment.last_frame = PCMU.encode(TONE)
    assert concealment.make(PCMU, 480) == first


def test_with_nothing_heard_before_it_is_silence() -> None:
    assert Concealment().make(PCMA, 480) == PCMA.silent(480)


def test_what_was_forgotten_is_not_repeated() -> None:
    concealment = after(PCMU, PCMU.encode(TONE))
    concealment.forget()
    assert concealment.make(PCMU, 160) == PCMU.silent(160)


@pytest.mark.parametrize("size", [1, 7, 80, 160, 480])
@pytest.mark.parametrize("gap", [0, 1, 159, 160, 479, 480, 481, 5000])
def test_it_is_exactly_as_long_as_the_gap(size: int, gap: int) -> None:
    assert len(after(PCMU, bytes(size)).make(PCMU, gap)) == gap


def test_only_the_last_20_ms_of_a_long_packet_are_repeated() -> None:
    loud_then_quiet = PCMU.encode(np.concatenate([TONE, TONE // 100]))
    assert energy(PCMU.decode(after(PCMU, loud_then_quiet).make(PCMU, 160))) < energy(TONE) / 1000
