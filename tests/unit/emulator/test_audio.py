from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.emulator.audio import PCM_RATES_HZ, AudioFormat, UnsupportedFormat, convert, parse_format, resample

PCMU = AudioFormat("pcmu", 8000)
PCMA = AudioFormat("pcma", 8000)


def tone(rate_hz: int, hz: float = 1000.0, seconds: float = 0.5) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(np.int16)


# Values of ITU-T G.711 tables 2a and 1a, scaled to 16 bits.
@pytest.mark.parametrize(
    ("audio_format", "code", "sample"),
    [
        (PCMU, 0xFF, 0),
        (PCMU, 0x00, -32124),
        (PCMU, 0x80, 32124),
        (PCMU, 0xFE, 8),
        (PCMU, 0x6F, -120 - 12),
        (PCMA, 0xD5, 8),
        (PCMA, 0x55, -8),
        (PCMA, 0xAA, 32256),
        (PCMA, 0x2A, -32256),
    ],
)
def test_g711_codes_stand_for_the_standard_values(audio_format: AudioFormat, code: int, sample: int) -> None:
    assert audio_format.decode(bytes([code])).tolist() == [sample]


@pytest.mark.parametrize("audio_format", [PCMU, PCMA])
def test_g711_codes_survive_decoding_and_encoding(audio_format: AudioFormat) -> None:
    every_code = bytes(range(256))
    again = audio_format.encode(audio_format.decode(every_code))
    # Mu-law has two codes for zero; both decode to the same sample.
    assert [code for code in range(256) if again[code] != code] == ([0x7F] if audio_format is PCMU else [])


@pytest.mark.parametrize("audio_format", [PCMU, PCMA])
def test_g711_encoding_errs_by_half_a_step_at_most(audio_format: AudioFormat) -> None:
    samples = np.arange(-32000, 32001)
    coded = audio_format.decode(audio_format.encode(samples.astype(np.int16))).astype(int)
    # Sixteen steps in each doubling of the level: half of one is at most 1/32 of the sample.
    assert (np.abs(coded - samples) <= np.abs(samples) / 32 + 8).all()


@given(st.sampled_from(["pcm", "float32"]), st.sampled_from(PCM_RATES_HZ), st.binary(max_size=200))
def test_linear_formats_keep_every_sample(encoding: str, rate: int, raw: bytes) -> None:
    samples = np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<i2").astype(np.int16)
    audio_format = AudioFormat(encoding, rate)
    assert audio_format.decode(audio_format.encode(samples)).tolist() == samples.tolist()


def test_an_incomplete_sample_is_left_out() -> None:
    assert AudioFormat("pcm", 8000).decode(b"\x01\x00\x02").tolist() == [1]


def test_float_values_that_are_no_audio_do_no_harm() -> None:
    wild = np.array([np.nan, np.inf, -np.inf, 7.0], dtype="<f4").tobytes()
    assert AudioFormat("float32", 24000).decode(wild).tolist() == [0, 32767, -32768, 32767]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "audio/pcm", "rate": 16000}, AudioFormat("pcm", 16000)),
        ({"type": "audio/pcm"}, AudioFormat("pcm", 24000)),
        ("pcm16", AudioFormat("pcm", 24000)),
        ("audio/pcm", AudioFormat("pcm", 24000)),
        ({"type": "audio/pcmu"}, PCMU),
        ({"type": "audio/pcmu", "rate": 8000}, PCMU),
        ("g711_ulaw", PCMU),
        ("audio/pcma", PCMA),
        ("g711_alaw", PCMA),
        ({"type": "audio/float32", "rate": 24000}, AudioFormat("float32", 24000)),
    ],
)
def test_formats_come_as_objects_and_as_strings(value: object, expected: AudioFormat) -> None:
    assert parse_format(value) == expected
    assert parse_format(expected.as_wire()) == expected


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"type": "audio/opus"}, "type"),
        ({"type": "audio/pcm", "rate": 11025}, "rate"),
        ({"type": "audio/pcm", "rate": True}, "rate"),
        ({"type": "audio/pcm", "rate": "8000"}, "rate"),
        ({"type": "audio/pcmu", "rate": 16000}, "rate"),
        ({"type": ["audio/pcm"]}, "type"),
        ({}, "type"),
        (None, ""),
        (8000, ""),
    ],
)
def test_other_formats_are_refused(value: object, field: str) -> None:
    with pytest.raises(UnsupportedFormat) as refusal:
        parse_format(value)
    assert refusal.value.field == field


def test_durations_count_whole_samples() -> None:
    assert PCMU.duration_ms(160) == 20.0
    assert AudioFormat("pcm", 24000).duration_ms(48 * 20) == 20.0
    assert AudioFormat("pcm", 44100).byte_count(10) == 882
    assert AudioFormat("pcm", 44100).byte_count(0.01) == 0


@pytest.mark.parametrize("to_hz", PCM_RATES_HZ)
def test_resampling_keeps_pitch_level_and_length(to_hz: int) -> None:
    moved = resample(tone(16000), 16000, to_hz)
    assert len(moved) == to_hz // 2
    spectrum = np.abs(np.fft.rfft(moved))
    assert np.argmax(spectrum) * 2 == pytest.approx(1000, abs=4)
    assert np.sqrt(np.mean(moved.astype(float) ** 2)) == pytest.approx(8000 / np.sqrt(2), rel=0.02)


def test_resampling_down_leaves_no_aliases() -> None:
    moved = resample(tone(48000, hz=6000), 48000, 8000)
    assert np.abs(moved[50:-50]).max() < 80


def test_conversion_between_equal_formats_is_the_identity() -> None:
    raw = bytes(range(256))
    assert convert(raw, PCMU, PCMU) is raw
    assert convert(raw, PCMU, AudioFormat("pcm", 8000)) == PCMU.decode(raw).astype("<i2").tobytes()
