from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from gateway.measure import speech
from gateway.measure.wav import read_wav, write_wav

PHRASE = speech.synthesise(0.5, seed=3)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_wav(tmp_path / "eight.wav", PHRASE)
    assert np.array_equal(read_wav(tmp_path / "eight.wav"), PHRASE)


@pytest.mark.parametrize("factor", [2, 3, 6])
def test_a_higher_rate_is_averaged(tmp_path: Path, factor: int) -> None:
    ragged = np.concatenate([np.repeat(PHRASE, factor), PHRASE[: factor - 1]])
    write_wav(tmp_path / "high.wav", ragged, rate_hz=8000 * factor)
    assert np.array_equal(read_wav(tmp_path / "high.wav"), PHRASE)


def test_channels_lie_side_by_side_and_the_shorter_one_ends_in_silence(tmp_path: Path) -> None:
    write_wav(tmp_path / "both.wav", PHRASE, PHRASE[:100])
    with wave.open(str(tmp_path / "both.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        frames = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    assert np.array_equal(frames[:, 0], PHRASE)
    assert np.array_equal(frames[:100, 1], PHRASE[:100])
    assert not frames[100:, 1].any()


def test_a_silent_call_is_an_empty_file(tmp_path: Path) -> None:
    write_wav(tmp_path / "empty.wav", PHRASE[:0])
    assert len(read_wav(tmp_path / "empty.wav")) == 0


def test_stereo_and_other_rates_are_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "both.wav", PHRASE, PHRASE)
    write_wav(tmp_path / "disc.wav", PHRASE, rate_hz=44_100)
    write_wav(tmp_path / "low.wav", PHRASE, rate_hz=4000)
    for name in ("both.wav", "disc.wav", "low.wav"):
        with pytest.raises(ValueError, match="8000 Hz"):
            read_wav(tmp_path / name)
