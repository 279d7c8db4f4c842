"""Reads tcpdump's files and finds the RTP streams and SIP messages in them, by the RFCs and nothing of the gateway."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gateway.measure import g711
from gateway.measure.packet_log import ReceivedPacket, parse_packet

Endpoint = tuple[str, int]

ETHERNET, LINUX_COOKED = 1, 113
_LINK_HEADER_BYTES = {ETHERNET: 14, LINUX_COOKED: 16}
_TICKS_PER_SECOND = {0xA1B2C3D4: 10**6, 0xA1B23C4D: 10**9}


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram as captured; ``at_ns`` is CLOCK_REALTIME."""

    at_ns: int
    source: Endpoint
    destination: Endpoint
    content: bytes


@dataclass(frozen=True, slots=True)
class RtpFlow:
    """The packets of one SSRC from one socket to another, in order of arrival."""

    source: Endpoint
    destination: Endpoint
    ssrc: int
    packets: list[ReceivedPacket]

    def samples(self, *, start_ns: int | None = None, payload_types: tuple[int, ...] = (0, 8)) -> g711.Samples:
        """What one hears: every packet's audio at its arrival's place from ``start_ns`` (default: the first packet).

        Laid out by the RTP timeline, so that lost or held back packets leave a hole of their length.
        """
        audio = [packet for packet in self.packets if packet.payload_type in payload_types]
        if not audio:
            return np.zeros(0, dtype=np.int16)
        lead = 0
        if start_ns is not None:
            lead = max(round((audio[0].arrival_ns - start_ns) * g711.SAMPLE_RATE_HZ / 1e9), 0)
        places = [lead + _distance32(audio[0].timestamp, packet.timestamp) for packet in audio]
        heard = np.zeros(max(places) + g711.SAMPLE_RATE_HZ // 10, dtype=np.int16)
        for place, packet in zip(places, audio, strict=True):
            decoded = g711.decode(packet.payload, g711.PAYLOAD_TYPES[packet.payload_type])
            if place >= 0:
                heard[place : place + len(decoded)] = decoded[: len(heard) - place]
        return heard

    @property
    def duration_s(self) -> float:
        return (self.packets[-1].arrival_ns - self.packets[0].arrival_ns) / 1e9


def read_pcap(path: Path) -> list[Datagram]:
    """Every IPv4 UDP datagram of a capture file. A record cut short at the end is left out."""
    return list(_datagrams(path.read_bytes()))


def rtp_flows(datagrams: list[Datagram]) -> list[RtpFlow]:
    """The RTP streams, longest first. RTCP (types 200-204, RFC 5761 §4) and SIP (no letter has RTP's version)."""
    flows: dict[tuple[Endpoint, Endpoint, int], RtpFlow] = {}
    for datagram in datagrams:
        packet = parse_packet(datagram.at_ns, datagram.content)
        if packet is None or 200 <= datagram.content[1] <= 204:
            continue
        key = (datagram.source, datagram.destination, packet.ssrc)
        flows.setdefault(key, RtpFlow(*key, [])).packets.append(packet)
    return sorted(flows.values(), key=lambda flow: -len(flow.packets))


def sip_messages(datagrams: list[Datagram]) -> list[tuple[Datagram, str]]:
    """The SIP messages, as text: requests and responses name the version in their first line (RFC 3261 §7)."""
    return [
        (datagram, datagram.content.decode(errors="replace"))
        for datagram in datagrams
        if b"SIP/2.0" in datagram.content.split(b"\r\n", 1)[0]
    ]


def _distance32(start: int, end: int) -> int:
    return ((end - start + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


def _datagrams(content: bytes) -> Iterator[Datagram]:
    if len(content) < 24:
        return
    order = "<" if struct.unpack_from("<I", content)[0] in _TICKS_PER_SECOND else ">"
    magic, *_, link_type = struct.unpack_from(order + "IHHiIII", content)
    tick_ns = 10**9 // _TICKS_PER_SECOND[magic]
    offset = 24
    while offset + 16 <= len(content):
        seconds, ticks, captured, _ = struct.unpack_from(order + "IIII", content, offset)
        frame = content[offset + 16 : offset + 16 + captured]
        offset += 16 + captured
        if len(frame) < captured:
            return
        found = _udp(frame[_LINK_HEADER_BYTES[link_type & 0xFFFF] :])
        if found is not None:
            yield Datagram(seconds * 10**9 + ticks * tick_ns, *found)


def _udp(packet: bytes) -> tuple[Endpoint, Endpoint, bytes] | None:
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != 17:
        return None
    header = (packet[0] & 0x0F) * 4
    source_port, destination_port, length = struct.unpack_from(">HHH", packet, header)
    source, destination = (".".join(str(byte) for byte in packet[at : at + 4]) for at in (12, 16))
    return (source, source_port), (destination, destination_port), packet[header + 8 : header + length]
