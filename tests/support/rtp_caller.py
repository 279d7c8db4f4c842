"""A caller's RTP, packet by packet, and the ear at the other end. Every sample says which timestamp it belongs to."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from gateway.media.rtp import build_plain

ADDRESS = ("192.0.2.7", 30000)


def speech(timestamp: int, samples: int) -> bytes:
    """Audio whose bytes tell their place on the timeline, and are never a law's silence."""
    return bytes((at * 7 + (at >> 6)) % 0x7B for at in range(timestamp, timestamp + samples))


@dataclass
class RtpCaller:
    """Numbers and stamps packets as a telephone does. Each method answers with the packet's bytes."""

    ssrc: int = 0xCA11
    sequence: int = 1000
    timestamp: int = 50_000
    payload_type: int = 0
    event_type: int = 101
    frame: int = 160

    def audio(self, samples: int | None = None, *, payload_type: int | None = None, marker: bool = False) -> bytes:
        """The next packet of speech."""
        size = self.frame if samples is None else samples
        kind = self.payload_type if payload_type is None else payload_type
        packet = self.build(speech(self.timestamp, size), kind, marker)
        self.timestamp = (self.timestamp + size) & 0xFFFF_FFFF
        return packet

    def silent(self, samples: int) -> None:
        """Silence suppression: time passes, nothing is sent."""
        self.timestamp = (self.timestamp + samples) & 0xFFFF_FFFF

    def comfort_noise(self) -> bytes:
        """A silence descriptor (RFC 3389)."""
        return self.build(b"\x40", 13)

    def event(
        self, code: int, duration: int, *, end: bool = False, marker: bool = False, start: int | None = None
    ) -> bytes:
        """One telephone-event packet; ``start`` is the timestamp the key went down, else now."""
        payload = struct.pack(">BBH", code, 0x80 | 10 if end else 10, duration)
        stamp = self.timestamp if start is None else start
        return self.build(payload, self.event_type, marker, stamp)

    def build(self, payload: bytes, payload_type: int, marker: bool = False, timestamp: int | None = None) -> bytes:
        """Any packet with the next sequence number."""
        stamp = self.timestamp if timestamp is None else timestamp
        second = payload_type | (0x80 if marker else 0)
        packet = build_plain(second, self.sequence, stamp & 0xFFFF_FFFF, self.ssrc, payload)
        self.sequence = (self.sequence + 1) & 0xFFFF
        return packet


@dataclass
class Ear:
    """Collects what the stream gives out."""

    audio: bytearray = field(default_factory=bytearray)
    """All of it."""
    chunks: list[bytes] = field(default_factory=list)
    """The same, as it came."""
    digits: list[str] = field(default_factory=list)

    def hear(self, chunk: bytes) -> None:
        """For ``on_audio``."""
        self.audio += chunk
        self.chunks.append(chunk)

    def since(self, length: int) -> bytes:
        """What came after the first ``length`` bytes."""
        return bytes(self.audio[length:])
