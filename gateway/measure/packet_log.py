"""What the meter received and sent, per call: written by the meter's process, read by the one that judges it.

Times are nanoseconds of CLOCK_REALTIME, because that is the clock of the kernel's receive timestamps.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

_RTP_FIXED = struct.Struct(">BBHII")
_TIMESPEC = struct.Struct("@qq")
RTP_HEADER_BYTES = 12


@dataclass(frozen=True, slots=True)
class ReceivedPacket:
    """One RTP packet off the wire: kernel arrival time, header fields as sent, payload."""

    arrival_ns: int
    sequence: int
    timestamp: int
    payload_type: int
    ssrc: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class CallPackets:
    """One call's packets in order of arrival, and when each of the meter's own frames left."""

    received: list[ReceivedPacket]
    sent_ns: Int64s
    """By the caller's frame number, counted from 0 at the first packet sent; 0 for a frame that was not sent."""

    def between(self, start_ns: int, end_ns: int) -> list[ReceivedPacket]:
        """The packets that arrived within a window."""
        return [packet for packet in self.received if start_ns <= packet.arrival_ns < end_ns]


def parse_packet(arrival_ns: int, datagram: bytes) -> ReceivedPacket | None:
    """RTP version 2 with CSRCs, extension and padding taken off (RFC 3550 §5.1); None for anything else."""
    if len(datagram) < RTP_HEADER_BYTES or datagram[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = _RTP_FIXED.unpack_from(datagram)
    start = RTP_HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if len(datagram) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    end = len(datagram) - (datagram[-1] if first & 0x20 else 0)
    if start > end:
        return None
    return ReceivedPacket(arrival_ns, sequence, timestamp, second & 0x7F, ssrc, datagram[start:end])


def timespec_ns(timespec: bytes) -> int:
    """A struct timespec of a control message, in ns."""
    seconds, nanoseconds = _TIMESPEC.unpack(timespec[: _TIMESPEC.size])
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def save(path: Path, received: list[list[bytes]], sent_ns: list[list[int]]) -> None:
    """Writes the raw log. Each received entry is the kernel's struct timespec followed by the datagram."""
    with path.open("wb") as file:
        file.write(struct.pack("@q", len(received)))
        for entries, times in zip(received, sent_ns, strict=True):
            file.write(struct.pack("@qq", len(entries), len(times)))
            file.write(np.array([len(entry) for entry in entries], dtype=np.int64).tobytes())
            file.write(b"".join(entries))
            file.write(np.array(times, dtype=np.int64).tobytes())


def load(path: Path) -> list[CallPackets]:
    """Reads what ``save`` wrote, one entry for each call."""
    content = path.read_bytes()
    (calls,) = struct.unpack_from("@q", content)
    offset = 8
    loaded: list[CallPackets] = []
    for _ in range(calls):
        entry_count, sent_count = struct.unpack_from("@qq", content, offset)
        lengths = np.frombuffer(content, np.int64, entry_count, offset + 16)
        offset += 16 + 8 * entry_count
        received, offset = _packets(content, offset, lengths)
        loaded.append(CallPackets(received, np.frombuffer(content, np.int64, sent_count, offset)))
        offset += 8 * sent_count
    return loaded


def _packets(content: bytes, offset: int, lengths: Int64s) -> tuple[list[ReceivedPacket], int]:
    packets: list[ReceivedPacket] = []
    for length in lengths.tolist():
        entry = content[offset : offset + length]
        packet = parse_packet(timespec_ns(entry), entry[_TIMESPEC.size :])
        if packet is not None:
            packets.append(packet)
        offset += length
    return packets, offset
