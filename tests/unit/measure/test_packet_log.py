from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gateway.measure import packet_log
from gateway.measure.packet_log import parse_packet


def datagram(sequence: int, payload: bytes = b"\xff" * 160) -> bytes:
    return struct.pack(">BBHII", 0x80, 0x80, sequence, sequence * 160, 7) + payload


def entry(at_ns: int, content: bytes) -> bytes:
    return struct.pack("@qq", at_ns // 10**9, at_ns % 10**9) + content


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "log"
    packet_log.save(
        path,
        [[entry(1_700_000_000_123_456_789, datagram(1)), entry(2, datagram(2, b"abc"))], []],
        [[5, 6], []],
    )
    first, second = packet_log.load(path)
    assert [packet.arrival_ns for packet in first.received] == [1_700_000_000_123_456_789, 2]
    assert [packet.sequence for packet in first.received] == [1, 2]
    assert first.received[1].payload == b"abc"
    assert first.received[0].payload_type == 0
    assert first.sent_ns.tolist() == [5, 6]
    assert second.received == []
    assert [packet.sequence for packet in first.between(0, 10)] == [2]


def test_csrc_extension_and_padding_are_taken_off() -> None:
    head = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 1, 8, 1, 2, 3)
    body = b"CSRC" + struct.pack(">HH", 0xBEDE, 1) + b"EXT1" + b"payload" + b"\0\0\3"
    packet = parse_packet(0, head + body)
    assert packet is not None
    assert packet.payload == b"payload"


@pytest.mark.parametrize(
    "content", [b"", b"\x80" * 11, b"\x00" * 40, bytes([0x90]) + b"\0" * 11, bytes([0xA0]) + b"\xff" * 20]
)
def test_what_is_not_rtp_is_left_out(content: bytes, tmp_path: Path) -> None:
    assert parse_packet(0, content) is None
    packet_log.save(tmp_path / "log", [[entry(1, content), entry(2, datagram(9))]], [[]])
    assert [packet.sequence for packet in packet_log.load(tmp_path / "log")[0].received] == [9]
