from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.emulator.audio import AudioFormat
from gateway.emulator.caller_audio import KEPT_BEFORE_SPEECH_MS, CallerAudio
from gateway.emulator.turn_detector import Sensitivity, SpeechStopped

PCMU = AudioFormat("pcmu", 8000)
Silence = Callable[[int], bytes]


def listen(audio: CallerAudio, wire: bytes, chunk: int = 480) -> list[SpeechStopped]:
    stops = []
    for start in range(0, len(wire), chunk):
        for found in audio.append(wire[start : start + chunk], detect=True):
            if isinstance(found, SpeechStopped):
                stops.append(found)
    return stops


def test_a_turn_is_taken_byte_for_byte(question: bytes, silence: Silence) -> None:
    audio = CallerAudio(PCMU, Sensitivity())
    (stop,) = listen(audio, silence(5000) + question + silence(700))
    turn = audio.take_turn(stop)
    whole = silence(5000) + question + silence(700)
    end_ms = min(stop.speech_end_ms + 200, stop.audio_end_ms)
    assert turn == whole[stop.audio_start_ms * 8 : end_ms * 8]
    assert question[:15_000] in turn
    assert audio.take_all() == whole[stop.audio_end_ms * 8 :]


def test_two_turns_in_one_append_are_both_taken(question: bytes, silence: Silence) -> None:
    audio = CallerAudio(PCMU, Sensitivity())
    whole = silence(500) + question + silence(1000) + question[:8000] + silence(1000)
    stops = listen(audio, whole, chunk=len(whole))
    assert len(stops) == 2
    for stop in stops:
        assert audio.take_turn(stop)[:800] == whole[stop.audio_start_ms * 8 :][:800]


def test_silence_does_not_pile_up(silence: Silence) -> None:
    audio = CallerAudio(PCMU, Sensitivity())
    listen(audio, silence(60_000))
    assert audio.position_ms == 60_000
    assert audio.buffered_ms <= 2 * KEPT_BEFORE_SPEECH_MS + 60


def test_manual_mode_keeps_everything_until_it_is_taken(silence: Silence) -> None:
    audio = CallerAudio(PCMU, Sensitivity())
    for _ in range(200):
        assert audio.append(silence(60), detect=False) == []
    assert audio.buffered_ms == 12_000
    assert audio.take_all() == silence(12_000)
    assert audio.buffered_ms == 0
    assert audio.position_ms == 12_000


def test_speech_is_measured_while_it_lasts(question: bytes, silence: Silence) -> None:
    audio = CallerAudio(PCMU, Sensitivity())
    listen(audio, silence(500) + question[:8000])
    assert audio.is_speaking
    assert audio.speech_ms == pytest.approx(1000, abs=350)
    audio.end_turn()
    assert not audio.is_speaking


def test_a_sample_may_be_split_over_two_appends() -> None:
    audio = CallerAudio(AudioFormat("pcm", 24000), Sensitivity())
    audio.append(b"\x01", detect=True)
    assert audio.buffered_ms == 0
    audio.append(b"\x00\x02", detect=True)
    assert audio.take_all() == b"\x01\x00"
