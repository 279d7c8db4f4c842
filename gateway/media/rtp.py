"""RTP packets to bytes and back (RFC 3550 §5.1, §5.3.1).

A packet is parsed in one pass over its fixed header; the rare parts (contributing sources, header extension, padding)
cost only the packets that carry them.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from gateway.base.errors import RemoteProtocolError

HEADER_BYTES = 12

_HEADER = struct.Struct(">BBHII")
_unpack_header = _HEADER.unpack_from
_pack_header = _HEADER.pack

_PLAIN = 0x80
"""First octet of nearly every packet: version 2, no padding, no extension, no contributing source."""

_RTCP_PACKET_TYPES = range(192, 224)
"""Second octets that mean RTCP where both share a port (RFC 5761 §4)."""


class RtpError(RemoteProtocolError):
    """The datagram is no RTP packet, or contradicts itself."""


class RtpPacket(NamedTuple):
    """One RTP packet. ``timestamp`` counts samples of the payload type's clock, 8000 Hz for telephony."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_packet(datagram: bytes | memoryview) -> RtpPacket:
    """Read a datagram as RTP. Padding, contributing sources and header extension are taken off.

    Raises RtpError when the version is not 2 or a length points outside the datagram.
    """
    try:
        first, second, sequence, timestamp, ssrc = _unpack_header(datagram)
    except struct.error:
        raise RtpError(f"{len(datagram)} bytes are too few for an RTP header") from None
    payload = bytes(datagram[HEADER_BYTES:]) if first == _PLAIN else _unwrap_payload(datagram, first)
    return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, payload)


def _unwrap_payload(datagram: bytes | memoryview, first: int) -> bytes:
    """The payload behind contributing sources and extension, without its padding."""
    if first >> 6 != 2:
        raise RtpError(f"RTP version {first >> 6} instead of 2")
    start = HEADER_BYTES + 4 * (first & 0x0F)
    end = len(datagram)
    if first & 0x10:
        if start + 4 > end:
            raise RtpError("the header extension lies outside the datagram")
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    if start > end:
        raise RtpError("contributing sources or header extension reach beyond the datagram")
    if first & 0x20:
        padding = datagram[-1]
        if padding == 0 or start + padding > end:
            raise RtpError(f"a padding of {padding} bytes cannot be")
        end -= padding
    return bytes(datagram[start:end])


def is_rtcp(datagram: bytes | memoryview) -> bool:
    """True for an RTCP packet that came to the RTP port, from a peer that multiplexes unasked (RFC 5761 §4)."""
    return len(datagram) >= 8 and datagram[0] >> 6 == 2 and datagram[1] in _RTCP_PACKET_TYPES


def build_plain(second: int, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    """The bytes of a packet, fixed header and payload; ``second`` is the octet with marker and payload type."""
    return _pack_header(_PLAIN, second, sequence, timestamp, ssrc) + payload
