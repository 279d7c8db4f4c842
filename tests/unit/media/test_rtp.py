"""RTP packets to bytes and back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.media.rtp import RtpError, RtpPacket, build_plain, is_rtcp, parse_packet

HEADER = bytes.fromhex("80001234deadbeef0badcafe")
PACKETS = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    marker=st.booleans(),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFF_FFFF),
    ssrc=st.integers(0, 0xFFFF_FFFF),
    payload=st.binary(max_size=500),
)


def test_the_fixed_header_is_read_as_rfc_3550_draws_it() -> None:
    packet = parse_packet(bytes.fromhex("80e5 1234 deadbeef 0badcafe") + b"voice")
    assert packet == RtpPacket(101, True, 0x1234, 0xDEADBEEF, 0x0BADCAFE, b"voice")


def test_a_packet_is_read_from_the_buffer_it_was_received_into_and_keeps_nothing_of_it() -> None:
    buffer = bytearray(HEADER + b"voice")
    packet = parse_packet(memoryview(buffer))
    buffer[12:] = b"other"
    assert packet.payload == b"voice"


@given(PACKETS)
@example(RtpPacket(127, False, 0, 0, 0, b""))
def test_what_is_built_is_read_back(packet: RtpPacket) -> None:
    second = packet.payload_type | (0x80 if packet.marker else 0)
    built = build_plain(second, packet.sequence, packet.timestamp, packet.ssrc, packet.payload)
    assert parse_packet(built) == packet


@given(st.binary(max_size=80))
@example(b"")
@example(b"\x90" + HEADER[1:] + b"\xbe\xde\xff\xff")
@example(b"\xa0" + HEADER[1:])
@example(b"\x8f" + HEADER[1:])
def test_any_bytes_are_a_packet_or_an_rtp_error(datagram: bytes) -> None:
    try:
        packet = parse_packet(datagram)
    except RtpError:
        return
    assert len(packet.payload) <= len(datagram) - 12


def test_contributing_sources_are_taken_off() -> None:
    assert parse_packet(b"\x82" + HEADER[1:] + b"AAAABBBB" + b"voice").payload == b"voice"


def test_a_header_extension_is_taken_off() -> None:
    extension = b"\xbe\xde\x00\x01" + b"\x10\xff\x00\x00"
    assert parse_packet(b"\x90" + HEADER[1:] + extension + b"voice").payload == b"voice"


def test_padding_is_taken_off() -> None:
    assert parse_packet(b"\xa0" + HEADER[1:] + b"voice" + b"\x00\x00\x03").payload == b"voice"


def test_sources_extension_and_padding_together() -> None:
    datagram = b"\xb1" + HEADER[1:] + b"AAAA" + b"\x00\x00\x00\x00" + b"voice" + b"\x01"
    assert parse_packet(datagram).payload == b"voice"


def test_a_payload_of_nothing_but_padding_is_empty() -> None:
    assert parse_packet(b"\xa0" + HEADER[1:] + b"\x00\x00\x00\x04").payload == b""


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (HEADER[:11], "too few"),
        (b"\x40" + HEADER[1:], "version 1"),
        (b"\x00" * 20, "version 0"),
        (b"\x83" + HEADER[1:] + b"AAAABBBB", "reach beyond"),
        (b"\x90" + HEADER[1:] + b"\xbe", "outside"),
        (b"\x90" + HEADER[1:] + b"\xbe\xde\x00\x02" + b"AAAA", "reach beyond"),
        (b"\xa0" + HEADER[1:] + b"voice\x00", "padding of 0"),
        (b"\xa0" + HEADER[1:] + b"voice\x07", "padding of 7"),
    ],
)
def test_a_packet_that_contradicts_itself_is_refused_with_the_reason(datagram: bytes, reason: str) -> None:
    with pytest.raises(RtpError, match=reason):
        parse_packet(datagram)


def test_rtcp_on_the_same_port_is_told_apart_by_its_packet_type() -> None:
    sender_report = bytes.fromhex("80c80006") + bytes(24)
    assert is_rtcp(sender_report)
    assert not is_rtcp(HEADER + b"voice")
    assert not is_rtcp(sender_report[:6])
