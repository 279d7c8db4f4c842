from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from gateway.emulator.audio import AudioFormat
from gateway.emulator.recordings import (
    VOICES,
    UnknownRecording,
    locate,
    packaged_texts,
    read_wav,
    rendered,
    words_of,
    write_wav,
)

CALLER_VOICES = Path(__file__).parents[3] / "gateway" / "demo" / "voices"
EVERY_VOICE = [*sorted(VOICES.glob("*.wav")), *sorted(CALLER_VOICES.glob("*.wav"))]


def test_texts_and_voices_belong_together() -> None:
    assert set(packaged_texts()) == {path.stem for path in VOICES.glob("*.wav")}
    assert all(text.strip() for text in packaged_texts().values())


@pytest.mark.parametrize("path", EVERY_VOICE, ids=lambda path: path.stem)
def test_packaged_voices_are_level_trimmed_and_not_clipped(path: Path) -> None:
    samples, rate_hz = read_wav(path)
    level = samples.astype(float) / 32768
    assert rate_hz == (8000 if path.parent == CALLER_VOICES else 16000)
    assert 10 * np.log10(np.mean(level**2)) == pytest.approx(-20, abs=0.5)
    assert np.abs(level).max() < 0.95
    loud = np.flatnonzero(np.abs(level) > 0.01)
    assert loud[0] / rate_hz < 0.15
    assert (len(level) - loud[-1]) / rate_hz < 0.15


@pytest.mark.parametrize(
    ("name", "shortest_s", "longest_s"),
    [
        ("practice_greeting", 6, 9),
        ("demo_greeting", 4, 5),
        ("demo_answer", 2.5, 3.5),
        ("demo_long_answer", 11, 13.5),
        ("demo_short_answer", 1.7, 2.3),
        ("demo_goodbye", 1.2, 1.8),
    ],
)
def test_the_demos_voices_have_their_length(name: str, shortest_s: float, longest_s: float) -> None:
    samples, rate_hz = read_wav(locate(name))
    assert shortest_s <= len(samples) / rate_hz <= longest_s


def test_unknown_names_are_refused_with_a_hint() -> None:
    with pytest.raises(UnknownRecording, match="did you mean 'demo_answer'"):
        locate("demo_answr")
    with pytest.raises(UnknownRecording, match="give one of"):
        locate("qqqq")
    with pytest.raises(UnknownRecording, match="there is no file"):
        locate("nowhere.wav")


def test_a_wav_file_of_ones_own_can_be_said(tmp_path: Path) -> None:
    samples = (1000 * np.sin(np.arange(800) / 4)).astype(np.int16)
    write_wav(tmp_path / "own.wav", samples, 8000)
    path = locate(str(tmp_path / "own.wav"))
    assert read_wav(path)[0].tolist() == samples.tolist()
    assert rendered(path, AudioFormat("pcm", 8000)) == samples.astype("<i2").tobytes()
    assert words_of(path) == "(recording own)"


def test_stereo_is_mixed_down(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "two.wav"), "wb") as target:
        target.setnchannels(2)
        target.setsampwidth(2)
        target.setframerate(8000)
        target.writeframes(np.array([[100, 300], [-100, -300]], dtype="<i2").tobytes())
    assert read_wav(tmp_path / "two.wav")[0].tolist() == [200, -200]


def test_files_that_are_no_16_bit_wav_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(UnknownRecording, match="cannot be read"):
        read_wav(tmp_path / "text.wav")
    with wave.open(str(tmp_path / "eight.wav"), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(1)
        target.setframerate(8000)
        target.writeframes(b"\x80" * 8)
    with pytest.raises(UnknownRecording, match="16-bit"):
        read_wav(tmp_path / "eight.wav")


def test_renderings_are_shared() -> None:
    narrow = AudioFormat("pcmu", 8000)
    assert rendered(locate("all_right"), narrow) is rendered(locate("all_right"), narrow)
    assert words_of(locate("all_right")) == "All right."
