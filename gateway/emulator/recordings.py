"""Recorded voices: the ones this package brings along, and WAV files of the user's."""

from __future__ import annotations

import difflib
import functools
import wave
from pathlib import Path

import numpy as np

from gateway.emulator.audio import AudioFormat, Samples, resample

VOICES = Path(__file__).parent / "voices"
"""16 kHz WAV files made by tools/make_voices.sh, with texts.tsv that says what each one says."""

CACHED_RENDERINGS = 256


class UnknownRecording(ValueError):
    """There is no such voice or file, or it cannot be read as a WAV file."""


@functools.cache
def packaged_texts() -> dict[str, str]:
    """The names of the packaged voices and their words."""
    lines = (VOICES / "texts.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines)


def is_file_name(name: str) -> bool:
    """A path rather than the name of a packaged voice."""
    return "/" in name or name.endswith(".wav")


def locate(name: str) -> Path:
    """The file of a packaged voice's name, or of a path. Raises :class:`UnknownRecording`."""
    if is_file_name(name):
        path = Path(name)
        if not path.is_file():
            raise UnknownRecording(f"there is no file {path}")
        return path
    if name not in packaged_texts():
        near = difflib.get_close_matches(name, packaged_texts(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "give one of " + ", ".join(sorted(packaged_texts()))
        raise UnknownRecording(f"there is no voice named {name!r}; {hint} (a path ends in .wav)")
    return VOICES / f"{name}.wav"


def words_of(path: Path) -> str:
    """What a recording says, as far as it is known."""
    if path.parent == VOICES:
        return packaged_texts()[path.stem]
    return f"(recording {path.stem})"


def read_wav(path: Path) -> tuple[Samples, int]:
    """Mono samples and their rate; 16-bit PCM of one or two channels. Raises :class:`UnknownRecording`."""
    try:
        with wave.open(str(path), "rb") as source:
            channels, width = source.getnchannels(), source.getsampwidth()
            rate_hz, raw = source.getframerate(), source.readframes(source.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise UnknownRecording(f"{path} cannot be read as a WAV file: {error}") from error
    if width != 2 or channels not in (1, 2):
        raise UnknownRecording(f"{path} must be 16-bit PCM with one or two channels")
    samples = np.frombuffer(raw, dtype="<i2").astype(np.int16)
    if channels == 2:
        samples = samples.reshape(-1, 2).astype(np.int32).mean(axis=1).astype(np.int16)
    return samples, rate_hz


def write_wav(path: Path, samples: Samples, rate_hz: int) -> None:
    """A mono 16-bit WAV file."""
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(rate_hz)
        target.writeframes(samples.astype("<i2").tobytes())


@functools.lru_cache(maxsize=CACHED_RENDERINGS)
def rendered(path: Path, target: AudioFormat) -> bytes:
    """A recording in a session's format. Rendered once, then shared by all sessions."""
    samples, rate_hz = read_wav(path)
    return target.encode(resample(samples, rate_hz, target.rate))
