from __future__ import annotations

import numpy as np
import pytest

from gateway.measure import g711


@pytest.mark.parametrize(
    ("law", "code", "level"),
    [
        ("PCMU", 0xFF, 0),
        ("PCMU", 0x7F, 0),
        ("PCMU", 0x80, 32124),
        ("PCMU", 0x00, -32124),
        ("PCMU", 0xFE, 8),
        ("PCMA", 0xD5, 8),
        ("PCMA", 0x55, -8),
        ("PCMA", 0xAA, 32256),
        ("PCMA", 0x2A, -32256),
    ],
)
def test_the_levels_are_those_of_the_standard(law: g711.Law, code: int, level: int) -> None:
    assert int(g711.decode(bytes([code]), law)[0]) == level


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_every_code_comes_back_from_its_level(law: g711.Law) -> None:
    codes = bytes(range(256))
    levels = g711.decode(codes, law)
    again = g711.decode(g711.encode(levels, law), law)
    assert (levels == again).all()


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_zero_is_coded_as_silence(law: g711.Law) -> None:
    assert g711.encode(np.zeros(3, dtype=np.int16), law) == g711.SILENCE[law] * 3


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_coding_noise_stays_small(law: g711.Law) -> None:
    samples = np.arange(-32000, 32000, 7, dtype=np.int16)
    error = np.abs(g711.decode(g711.encode(samples, law), law).astype(int) - samples)
    assert (error <= np.maximum(np.abs(samples.astype(int)) / 16, 16)).all()


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_the_last_frame_is_filled_up_with_silence(law: g711.Law) -> None:
    cut = g711.frames(b"\x01" * 170, law)
    assert [len(frame) for frame in cut] == [160, 160]
    assert cut[1] == b"\x01" * 10 + g711.SILENCE[law] * 150
