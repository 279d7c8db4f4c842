"""Payload types resolved by rtpmap or by the static table."""

from __future__ import annotations

import pytest

from gateway.sdp.description import MediaDescription, parse_description
from gateway.sdp.formats import STATIC_PAYLOAD_TYPES, PayloadFormat, read_formats


def audio(formats: str, *attributes: str) -> MediaDescription:
    lines = ["v=0", f"m=audio 4000 RTP/AVP {formats}", *(f"a={attribute}" for attribute in attributes), ""]
    return parse_description("\r\n".join(lines).encode()).media[0]


def numbers(formats: tuple[PayloadFormat, ...]) -> list[int]:
    return [one.payload_type for one in formats]


def test_static_numbers_need_no_rtpmap() -> None:
    formats = read_formats(audio("8 0 9"))
    assert [(one.payload_type, one.encoding, one.clock_rate_hz) for one in formats] == [
        (8, "PCMA", 8000),
        (0, "PCMU", 8000),
        (9, "G722", 8000),
    ]


def test_the_static_table_agrees_with_itself() -> None:
    assert numbers(read_formats(audio(" ".join(map(str, STATIC_PAYLOAD_TYPES))))) == list(STATIC_PAYLOAD_TYPES)


def test_dynamic_numbers_come_from_rtpmap() -> None:
    (opus, pcmu) = read_formats(audio("111 96", "rtpmap:111 opus/48000/2", "rtpmap:96 pcmu/8000", "fmtp:111 stereo=1"))
    assert opus == PayloadFormat(111, "OPUS", 48000, 2, "stereo=1")
    assert pcmu == PayloadFormat(96, "PCMU", 8000, 1, None)
    assert pcmu.is_encoding("PCMU", 8000)
    assert not opus.is_encoding("opus", 48000), "two channels are another format"


def test_a_dynamic_number_without_rtpmap_stands_for_nothing() -> None:
    assert numbers(read_formats(audio("96 0"))) == [0]


def test_an_rtpmap_is_believed_before_the_static_table() -> None:
    assert read_formats(audio("0", "rtpmap:0 G722/8000"))[0].encoding == "G722"


@pytest.mark.parametrize(
    "broken",
    ["", " ", "0", "0 ", "0 PCMU", "0 PCMU/", "0 PCMU/x", "0 PCMU/0", "0 PCMU/8000/0", "0 /8000", "x PCMU/8000"],
)
def test_an_unreadable_rtpmap_leaves_the_static_meaning(broken: str) -> None:
    assert read_formats(audio("0", f"rtpmap:{broken}"))[0].encoding == "PCMU"


@pytest.mark.parametrize("sloppy", ["rtpmap:97  PCMA/8000", "rtpmap: 97 PCMA/8000", "rtpmap:97 PCMA/8000/1  "])
def test_extra_spaces_in_an_rtpmap_are_forgiven(sloppy: str) -> None:
    (one,) = read_formats(audio("97", sloppy))
    assert one.is_encoding("PCMA", 8000)


def test_numbers_above_127_and_words_are_left_out() -> None:
    formats = audio("128 0 -1 4294967296 99999999999999999999999 webrtc 0x8", "rtpmap:128 PCMA/8000")
    assert numbers(read_formats(formats)) == [0]


def test_a_repeated_number_counts_once_and_its_first_rtpmap_wins() -> None:
    formats = read_formats(audio("96 96", "rtpmap:96 PCMU/8000", "rtpmap:96 PCMA/8000"))
    assert [(one.payload_type, one.encoding) for one in formats] == [(96, "PCMU")]


def test_an_rtpmap_without_any_value_is_passed_over() -> None:
    assert numbers(read_formats(audio("0", "rtpmap", "fmtp", "recvonly", "rtpmap:0"))) == [0]


def test_fmtp_of_the_first_line_is_kept_as_written() -> None:
    (events,) = read_formats(audio("101", "rtpmap:101 telephone-event/8000", "fmtp:101 0-15,66", "fmtp:101 0-11"))
    assert events.parameters == "0-15,66"
