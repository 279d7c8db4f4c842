"""What the payload type numbers of an RTP stream stand for: rtpmap, fmtp and the static table."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sdp.description import MediaDescription, number

MAX_PAYLOAD_TYPE = 127

STATIC_PAYLOAD_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    5: ("DVI4", 8000, 1),
    6: ("DVI4", 16000, 1),
    7: ("LPC", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, 1),
    12: ("QCELP", 8000, 1),
    13: ("CN", 8000, 1),
    14: ("MPA", 90000, 1),
    15: ("G728", 8000, 1),
    16: ("DVI4", 11025, 1),
    17: ("DVI4", 22050, 1),
    18: ("G729", 8000, 1),
}
"""Audio numbers that need no rtpmap (RFC 3551 §6): encoding, clock rate in Hz, channels."""


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """One format of an RTP stream, its number resolved."""

    payload_type: int
    encoding: str
    """In capitals: encoding names are case-insensitive (RFC 8866 §6.6)."""
    clock_rate_hz: int
    channels: int
    parameters: str | None
    """The fmtp value, as written."""

    def is_encoding(self, name: str, clock_rate_hz: int) -> bool:
        """True for that encoding at that clock rate with one channel."""
        return (self.encoding, self.clock_rate_hz, self.channels) == (name.upper(), clock_rate_hz, 1)


def read_formats(media: MediaDescription) -> tuple[PayloadFormat, ...]:
    """The formats of an RTP stream in its m= line's order, each number once.

    Left out: what is not a number of 0..127, and dynamic numbers that no readable rtpmap explains. An rtpmap for a
    static number is believed before the table.
    """
    maps, parameters = _read_maps(media)
    formats: dict[int, PayloadFormat] = {}
    for text in media.formats:
        payload_type = number(text, MAX_PAYLOAD_TYPE)
        if payload_type is None or payload_type in formats:
            continue
        known = maps.get(payload_type) or STATIC_PAYLOAD_TYPES.get(payload_type)
        if known is not None:
            formats[payload_type] = PayloadFormat(payload_type, *known, parameters.get(payload_type))
    return tuple(formats.values())


def _read_maps(media: MediaDescription) -> tuple[dict[int, tuple[str, int, int]], dict[int, str]]:
    """rtpmap and fmtp by payload type, the first of each number winning."""
    maps: dict[int, tuple[str, int, int]] = {}
    parameters: dict[int, str] = {}
    for name, value in media.attributes:
        if value is None or name not in {"rtpmap", "fmtp"}:
            continue
        head, _, rest = value.partition(" ")
        payload_type = number(head, MAX_PAYLOAD_TYPE)
        if payload_type is None:
            continue
        if name == "fmtp":
            parameters.setdefault(payload_type, rest.strip())
        elif (mapped := _read_encoding(rest.strip())) is not None:
            maps.setdefault(payload_type, mapped)
    return maps, parameters


def _read_encoding(text: str) -> tuple[str, int, int] | None:
    encoding, _, rest = text.partition("/")
    rate_text, slash, channels_text = rest.partition("/")
    rate = number(rate_text.strip(), 1_000_000)
    channels = number(channels_text.strip(), 255) if slash else 1
    if not encoding or not rate or not channels:
        return None
    return encoding.strip().upper(), rate, channels
