"""G.711 tables against the segments that ITU-T G.711 defines, built here from its decision values."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

import numpy as np
import pytest

from gateway.media.codec import g711
from gateway.media.codec.g711 import ALAW_TO_ULAW, LAWS, PCMA, PCMU, ULAW_TO_ALAW, Law

ALL_CODES = bytes(range(256))
ALL_SAMPLES = np.arange(-32768, 32768).astype(np.int16)


def decision_values(first: int, segments: list[tuple[int, int]]) -> list[int]:
    """The borders between steps, from a first value and (number of steps, size of a step)."""
    values = [0, first]
    for steps, size in segments:
        values += [values[-1] + size * step for step in range(1, steps + 1)]
    return values


# G.711 table 2: 14-bit magnitudes; a first step of 1, then 15 of 2, then seven segments of 16 steps each.
ULAW_BORDERS = [4 * value for value in decision_values(1, [(15, 2), *((16, 4 << segment) for segment in range(7))])]
# G.711 table 1: 13-bit magnitudes, two segments of 16 steps of 2, then six that double.
ALAW_BORDERS = [8 * value for value in decision_values(2, [(31, 2), *((16, 4 << segment) for segment in range(6))])]


def levels(borders: list[int]) -> list[int]:
    """The value half way between two borders stands for all between them; µ-law's first step stands for zero."""
    halves = [(low + high) // 2 for low, high in pairwise(borders)]
    return [0, *halves[1:]] if borders[1] == 4 else halves


def ulaw_code(index: int, is_negative: bool) -> int:
    return (0x7F if is_negative else 0xFF) - index


def alaw_code(index: int, is_negative: bool) -> int:
    return (index if is_negative else index | 0x80) ^ 0x55


TABLES = [(PCMU, ULAW_BORDERS, ulaw_code), (PCMA, ALAW_BORDERS, alaw_code)]


def test_the_borders_end_where_the_recommendation_ends() -> None:
    assert (len(ULAW_BORDERS), ULAW_BORDERS[-1]) == (129, 4 * 8159)
    assert (len(ALAW_BORDERS), ALAW_BORDERS[-1]) == (129, 8 * 4096)


@pytest.mark.parametrize(("law", "borders", "code"), TABLES, ids=["PCMU", "PCMA"])
def test_all_256_codes_decode_to_the_level_of_their_step(law: Law, borders: list[int], code: object) -> None:
    expected = {}
    for index, level in enumerate(levels(borders)):
        expected[code(index, False)] = level  # type: ignore[operator]
        expected[code(index, True)] = -level  # type: ignore[operator]
    assert len(expected) == 256
    assert law.decode(ALL_CODES).tolist() == [expected[byte] for byte in range(256)]


@pytest.mark.parametrize(("law", "borders", "code"), TABLES, ids=["PCMU", "PCMA"])
def test_all_65536_samples_encode_to_the_step_they_lie_in(law: Law, borders: list[int], code: object) -> None:
    encoded = law.encode(ALL_SAMPLES)
    for sample, byte in zip(ALL_SAMPLES.tolist(), encoded, strict=True):
        index = min(bisect_right(borders, abs(sample)) - 1, 127)
        assert byte == code(index, sample < 0), sample  # type: ignore[operator]


@pytest.mark.parametrize("law", [PCMU, PCMA], ids=lambda law: law.name)
def test_coding_what_was_decoded_changes_nothing_but_negative_zero(law: Law) -> None:
    again = law.encode(law.decode(ALL_CODES))
    changed = {byte: again[byte] for byte in range(256) if again[byte] != byte}
    assert changed == ({0x7F: 0xFF} if law is PCMU else {})


def test_silence_is_the_quietest_positive_level() -> None:
    assert PCMU.decode(PCMU.silent(2)).tolist() == [0, 0]
    assert PCMA.decode(PCMA.silent(2)).tolist() == [8, 8]
    assert (g711.ULAW_SILENCE, g711.ALAW_SILENCE) == (0xFF, 0xD5)


def test_between_the_laws_each_byte_becomes_the_step_of_the_other_that_its_level_lies_in() -> None:
    for byte, level in enumerate(PCMU.decode(ALL_CODES).tolist()):
        assert ULAW_TO_ALAW[byte] == alaw_code(bisect_right(ALAW_BORDERS, abs(level)) - 1, level < 0)
    for byte, level in enumerate(PCMA.decode(ALL_CODES).tolist()):
        assert ALAW_TO_ULAW[byte] == ulaw_code(bisect_right(ULAW_BORDERS, abs(level)) - 1, level < 0)


def test_translation_follows_the_law_asked_for() -> None:
    assert PCMU.translate(b"\xff\x00", PCMA) == ULAW_TO_ALAW[0xFF:] + ULAW_TO_ALAW[:1]
    assert PCMA.translate(b"\xd5", PCMU) == bytes((ALAW_TO_ULAW[0xD5],))
    assert PCMU.translate(b"same", PCMU) == b"same"


def test_laws_go_by_their_sdp_name_and_static_payload_type() -> None:
    assert {name: law.payload_type for name, law in LAWS.items()} == {"PCMU": 0, "PCMA": 8}


def test_a_strided_view_is_encoded_sample_by_sample() -> None:
    stereo = np.array([[1000, -5], [2000, -5]], dtype=np.int16)
    assert PCMU.encode(stereo[:, 0]) == PCMU.encode(np.array([1000, 2000], dtype=np.int16))
