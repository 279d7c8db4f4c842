"""What the agent says: a reaction rendered to audio in a session's format, and that audio cut into uneven deltas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gateway.base.ids import IdSource
from gateway.emulator.audio import AudioFormat, convert
from gateway.emulator.recordings import locate, rendered, words_of
from gateway.emulator.scenario import KEY_VOICES, Pace, Reaction, Tone, keys_named_in

TONE_DBFS = -20.0
TONE_FADE_MS = 5
KEY_PAUSE_MS = 120
FALLBACK_VOICE = "all_right"
"""Said where there is nothing to echo and no key to name."""


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """What the caller said last, for an echo."""

    audio: bytes
    format: AudioFormat
    transcript: str


@dataclass(frozen=True, slots=True)
class Speech:
    """Audio in the output format and the words in it. Empty audio: a response without a voice."""

    audio: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece of the audio: ``start`` and ``end`` in bytes, due ``after_s`` the first one."""

    start: int
    end: int
    after_s: float


def render(reaction: Reaction, target: AudioFormat, turn: CallerTurn | None, stimulus_text: str) -> Speech | None:
    """The spoken part of a reaction; None when it only calls tools."""
    speech = _spoken(reaction, target, turn, stimulus_text)
    if speech is None or reaction.text is None:
        return speech
    return Speech(speech.audio, reaction.text)


def cut(byte_count: int, audio_format: AudioFormat, pace: Pace, ids: IdSource) -> list[Delta]:
    """Uneven deltas of whole samples, each due when, at ``pace.speed`` times real time, all before it have sounded."""
    deltas: list[Delta] = []
    start = 0
    span_ms = pace.longest_delta_ms - pace.shortest_delta_ms
    while start < byte_count:
        length_ms = pace.shortest_delta_ms + span_ms * ids.bits(16) / 0xFFFF
        end = min(start + max(audio_format.byte_count(length_ms), audio_format.sample_bytes), byte_count)
        deltas.append(Delta(start, end, audio_format.duration_ms(start) / 1000 / pace.speed))
        start = end
    return deltas


def tone_audio(tone: Tone, target: AudioFormat) -> bytes:
    """A sine with 5 ms of fade at both ends, in ``target``."""
    count = round(tone.ms * target.rate / 1000)
    amplitude = 32768 * 10 ** (TONE_DBFS / 20) * math.sqrt(2)
    wave = amplitude * np.sin(2 * np.pi * tone.hz / target.rate * np.arange(count))
    fade = np.minimum(1.0, np.arange(count) / max(1, TONE_FADE_MS * target.rate // 1000))
    return target.encode((wave * fade * fade[::-1]).astype(np.int16))


def _spoken(reaction: Reaction, target: AudioFormat, turn: CallerTurn | None, stimulus_text: str) -> Speech | None:
    if reaction.echo:
        return _echo(target, turn)
    if reaction.tone:
        tone = reaction.tone
        return Speech(tone_audio(tone, target), f"(a tone of {tone.hz:g} Hz)")
    if reaction.silence:
        return Speech(b"", "")
    names = list(reaction.say)
    if reaction.say_keys:
        names += [KEY_VOICES[key] for key in keys_named_in(stimulus_text)] or [FALLBACK_VOICE]
    return _say(names, target) if names else None


def _echo(target: AudioFormat, turn: CallerTurn | None) -> Speech:
    if turn is None:
        return _say([FALLBACK_VOICE], target)
    return Speech(convert(turn.audio, turn.format, target), turn.transcript)


def _say(names: list[str], target: AudioFormat) -> Speech:
    paths = [locate(name) for name in names]
    pause = target.encode(np.zeros(round(KEY_PAUSE_MS * target.rate / 1000), dtype=np.int16))
    audio = pause.join(rendered(path, target) for path in paths)
    return Speech(audio, " ".join(words_of(path) for path in paths))
