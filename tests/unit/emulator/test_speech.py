from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.ids import IdSource
from gateway.emulator.audio import PCM_RATES_HZ, AudioFormat
from gateway.emulator.recordings import VOICES, rendered
from gateway.emulator.scenario import Pace, Reaction, Tone
from gateway.emulator.speech import CallerTurn, cut, render, tone_audio

PCMU = AudioFormat("pcmu", 8000)
PCMA = AudioFormat("pcma", 8000)
TURN = CallerTurn(bytes(range(256)) * 10, PCMU, "the caller's words")

FORMATS = st.one_of(
    st.sampled_from([PCMU, PCMA]), st.sampled_from(PCM_RATES_HZ).map(lambda rate: AudioFormat("pcm", rate))
)


@given(st.integers(0, 200_000), FORMATS, st.integers(0, 99))
def test_deltas_cover_everything_in_order_in_whole_samples(count: int, audio_format: AudioFormat, seed: int) -> None:
    count -= count % audio_format.sample_bytes
    deltas = cut(count, audio_format, Pace(), IdSource(seed))
    assert [delta.start for delta in deltas] == [0, *(delta.end for delta in deltas[:-1])][: len(deltas)]
    assert (deltas[-1].end if deltas else 0) == count
    for delta in deltas:
        assert (delta.end - delta.start) % audio_format.sample_bytes == 0
        assert 0 < audio_format.duration_ms(delta.end - delta.start) <= 250
        assert delta.after_s == pytest.approx(audio_format.duration_ms(delta.start) / 1000 / 5)


def test_delta_lengths_repeat_with_their_seed() -> None:
    assert cut(80_000, PCMU, Pace(), IdSource(1)) == cut(80_000, PCMU, Pace(), IdSource(1))
    assert cut(80_000, PCMU, Pace(), IdSource(1)) != cut(80_000, PCMU, Pace(), IdSource(2))


def test_an_echo_is_the_callers_own_bytes() -> None:
    speech = render(Reaction(echo=True), PCMU, TURN, "")
    assert speech is not None
    assert (speech.audio, speech.text) == (TURN.audio, "the caller's words")
    other = render(Reaction(echo=True), PCMA, TURN, "")
    assert other is not None
    assert other.audio == PCMA.encode(PCMU.decode(TURN.audio))


def test_without_a_turn_there_is_something_else_to_say() -> None:
    speech = render(Reaction(echo=True), PCMU, None, "")
    assert speech is not None
    assert speech.audio == rendered(VOICES / "all_right.wav", PCMU)


def test_keys_are_spelt_out_in_order() -> None:
    speech = render(Reaction(say=("you_pressed",), say_keys=True), PCMU, None, "The caller pressed 1*#")
    assert speech is not None
    assert speech.text == "You pressed one. star. pound."
    names = ("you_pressed", "key_1", "key_star", "key_pound")
    assert speech.audio == (b"\xff" * 960).join(rendered(VOICES / f"{name}.wav", PCMU) for name in names)


def test_no_keys_to_spell_is_no_silence() -> None:
    speech = render(Reaction(say_keys=True), PCMU, None, "nothing")
    assert speech is not None
    assert speech.audio


def test_a_text_replaces_the_words_of_the_recording() -> None:
    speech = render(Reaction(say=("all_right",), text="Fine!"), PCMU, None, "")
    assert speech is not None
    assert speech.text == "Fine!"


def test_a_tool_alone_says_nothing_and_silence_is_empty() -> None:
    assert render(Reaction.model_validate({"tool": {"name": "x"}}), PCMU, None, "") is None
    silence = render(Reaction(silence=True), PCMU, None, "")
    assert silence is not None
    assert (silence.audio, silence.text) == (b"", "")


@pytest.mark.parametrize("audio_format", [PCMU, AudioFormat("pcm", 44100)])
def test_a_tone_has_its_pitch_length_and_level(audio_format: AudioFormat) -> None:
    samples = audio_format.decode(tone_audio(Tone(hz=700, ms=1000), audio_format)).astype(float)
    assert len(samples) == audio_format.rate
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 700
    assert 20 * np.log10(np.sqrt(np.mean(samples**2)) / 32768) == pytest.approx(-20, abs=0.3)
    assert abs(samples[0]) < 20
    assert abs(samples[-1]) < 20
