"""A session description (RFC 8866): every line kept as it came, with typed views of the ones that matter here.

The reader forgives what equipment in the field really sends: bare LF, spaces at line ends, blank lines, lines out of
order, no ``s=`` or ``t=`` or ``o=``, unknown line types (GB/T 28181 devices add ``y=`` and ``f=``). Everything else
that is not SDP is an :class:`SdpError` that names the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.base.errors import RemoteProtocolError
from gateway.sdp.direction import DIRECTIONS, Direction

MAX_BYTES = 65_535
"""What a UDP datagram can hold; no offer for a telephone call comes near it."""
MAX_LINES = 2_000
"""A browser's offer with every codec and candidate has about 300. The bound keeps the cost of nonsense small."""
MAX_MEDIA = 64
MAX_FORMATS = 256
"""Twice the number of payload types that exist."""

# A token of RFC 8866 §9, with "/" for the <proto> field and for "port/count".
_MEDIA_LINE = re.compile(r"[!#$%&'*+\-./0-9A-Z^_`a-z{|}~ ]+")
_VISIBLE = re.compile(r"[!-~]+")


class SdpError(RemoteProtocolError):
    """A description that cannot be read (status 400), or leaves nothing to agree on (status 488)."""


class Line(NamedTuple):
    """One line: its type letter and value, and the text exactly as received, with its line end."""

    kind: str
    """Empty for a blank line."""
    value: str
    """Without the spaces that may trail it."""
    raw: str


class Attribute(NamedTuple):
    """An ``a=`` line. ``value`` is None for a property attribute such as ``a=sendonly`` (RFC 8866 §5.13)."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Origin:
    """The ``o=`` line (RFC 8866 §5.2). Identifier and version stay text: some peers send more than 64 bits."""

    username: str
    session_id: str
    version: str
    address_type: str
    address: str


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One ``m=`` line (RFC 8866 §5.14) and what follows it, with the session's values where it has none of its own."""

    lines: tuple[Line, ...]
    kind: str
    """``audio``, ``video``, ``image``, ``application``…"""
    port: int
    """0 means that the stream is refused or removed (RFC 3264 §6, §8.2)."""
    port_count: int
    protocol: str
    formats: tuple[str, ...]
    """Payload type numbers for RTP, in the sender's order of preference. Empty only when a sloppy peer named none."""
    connection_address: str | None
    """Where to send: an address or a host name, as written, without TTL or count."""
    attributes: tuple[Attribute, ...]
    """The section's own; the session's are on :class:`SessionDescription`."""
    direction: Direction
    """As the sender of this description sees it."""
    ptime_ms: int | None
    maxptime_ms: int | None

    def attribute(self, name: str) -> str | None:
        """The value of the first ``a=name:value`` of this section."""
        return _find(self.attributes, name)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description. ``to_bytes`` gives back the bytes it was read from."""

    lines: tuple[Line, ...]
    """The session section's."""
    origin: Origin | None
    """None when the peer sent no ``o=``."""
    connection_address: str | None
    attributes: tuple[Attribute, ...]
    media: tuple[MediaDescription, ...]

    def to_bytes(self) -> bytes:
        """The description as received, byte for byte."""
        sections = (self.lines, *(media.lines for media in self.media))
        text = "".join(line.raw for section in sections for line in section)
        return text.encode("utf-8", "surrogateescape")

    def value(self, kind: str) -> str | None:
        """The value of the session section's first line of that type letter."""
        return next((line.value for line in self.lines if line.kind == kind), None)


def parse_description(data: bytes) -> SessionDescription:
    """Read a description. Costs linear time in the size of ``data``; raises :class:`SdpError` and nothing else."""
    if len(data) > MAX_BYTES:
        raise SdpError(f"the session description has {len(data)} bytes; at most {MAX_BYTES} are read")
    if data.count(b"\n") > MAX_LINES:
        raise SdpError(f"the session description has more than {MAX_LINES} lines")
    sections = _split_sections(_read_lines(data))
    session_lines = sections[0]
    _check_version(session_lines)
    session = _SectionValues(session_lines)
    return SessionDescription(
        lines=tuple(session_lines),
        origin=_read_origin(session_lines),
        connection_address=session.connection_address,
        attributes=session.attributes,
        media=tuple(_read_media(lines, session) for lines in sections[1:]),
    )


def number(text: str, highest: int) -> int | None:
    """``text`` as a plain decimal number of 0..``highest``; None for anything else, however long."""
    if len(text) > 20 or not (text.isascii() and text.isdigit()):
        return None
    value = int(text)
    return value if value <= highest else None


def quote(text: str) -> str:
    """A peer's text for an error message: printable, in quotes and short."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def _read_lines(data: bytes) -> list[Line]:
    # surrogateescape keeps bytes that are not UTF-8 (a=charset exists), so that nothing is lost on the way out.
    text = data.decode("utf-8", "surrogateescape")
    lines: list[Line] = []
    for serial, raw in enumerate(_split_keeping_ends(text), 1):
        body = raw.rstrip("\r\n \t")
        if "\r" in body or "\0" in body:
            raise SdpError(f"line {serial} of the session description has a control character in it")
        if not body:
            lines.append(Line("", "", raw))
        elif len(body) < 2 or body[1] != "=" or not ("a" <= body[0] <= "z"):
            raise SdpError(f"line {serial} of the session description is not <letter>=<value>: {quote(body)}")
        else:
            lines.append(Line(body[0], body[2:], raw))
    return lines


def _split_keeping_ends(text: str) -> list[str]:
    # str.splitlines would also split at form feeds and Unicode separators, which are ordinary text here.
    parts = [part + "\n" for part in text.split("\n")]
    last = parts.pop()[:-1]
    return [*parts, last] if last else parts


def _split_sections(lines: list[Line]) -> list[list[Line]]:
    sections: list[list[Line]] = [[]]
    for line in lines:
        if line.kind == "m":
            sections.append([])
        sections[-1].append(line)
    if len(sections) - 1 > MAX_MEDIA:
        raise SdpError(f"the session description has more than {MAX_MEDIA} m= lines")
    return sections


def _check_version(lines: list[Line]) -> None:
    first = next((line for line in lines if line.kind), None)
    if first is None:
        raise SdpError("the session description is empty" if not lines else "the session description has no v= line")
    if first.kind != "v":
        raise SdpError(f"the session description starts with {first.kind}= and not with v=0")
    if first.value.strip() != "0":
        raise SdpError(f"the session description has version {quote(first.value)}; only v=0 exists")


def _read_origin(lines: list[Line]) -> Origin | None:
    value = next((line.value for line in lines if line.kind == "o"), None)
    if value is None:
        return None
    # Read from the right: some devices put spaces into the user name or leave it out.
    fields = value.split()
    if len(fields) < 5:
        raise SdpError(f"the o= line is not <user> <id> <version> IN <type> <address>: {quote(value)}")
    session_id, version, _, kind, address = fields[-5:]
    return Origin(" ".join(fields[:-5]) or "-", session_id, version, kind, address)


class _SectionValues:
    """What the lines of one section say, before the session's values fill the gaps."""

    def __init__(self, lines: list[Line]) -> None:
        self.attributes = tuple(_read_attribute(line.value) for line in lines if line.kind == "a")
        self.connection_address = _read_connection(lines)
        self.direction = next((DIRECTIONS[name] for name, _ in self.attributes if name in DIRECTIONS), None)
        self.ptime_ms = _read_milliseconds(self.attributes, "ptime")
        self.maxptime_ms = _read_milliseconds(self.attributes, "maxptime")


def _read_attribute(value: str) -> Attribute:
    name, colon, rest = value.partition(":")
    return Attribute(name.strip(), rest.strip() if colon else None)


def _read_connection(lines: list[Line]) -> str | None:
    value = next((line.value for line in lines if line.kind == "c"), None)
    if value is None:
        return None
    fields = value.split()
    if len(fields) != 3 or fields[0].upper() != "IN" or not _VISIBLE.fullmatch(fields[2]):
        raise SdpError(f"the c= line is not IN <IP4 or IP6> <address>: {quote(value)}")
    return fields[2].partition("/")[0]


def _read_milliseconds(attributes: Iterable[Attribute], name: str) -> int | None:
    # RFC 8866 §6.4 and §6.5 allow real numbers. Packets here are whole milliseconds long, and one of 35.5 ms at most
    # may hold 35; an unreadable value is no worse than none.
    value = _find(attributes, name)
    whole, point, fraction = (value or "").partition(".")
    if point and number(fraction, 1 << 63) is None:
        return None
    return number(whole, 60_000)


def _find(attributes: Iterable[Attribute], name: str) -> str | None:
    return next((value for key, value in attributes if key == name and value is not None), None)


def _read_media(lines: list[Line], session: _SectionValues) -> MediaDescription:
    value = lines[0].value.replace("\t", " ")
    fields = value.split()
    if len(fields) < 3 or not _MEDIA_LINE.fullmatch(value):
        raise SdpError(f"the m= line is not <media> <port> <proto> <format>…: {quote(value)}")
    if len(fields) - 3 > MAX_FORMATS:
        raise SdpError(f"an m= line names more than {MAX_FORMATS} formats")
    port, port_count = _read_port(fields[1])
    own = _SectionValues(lines)
    return MediaDescription(
        lines=tuple(lines),
        kind=fields[0],
        port=port,
        port_count=port_count,
        protocol=fields[2],
        formats=tuple(fields[3:]),
        connection_address=own.connection_address or session.connection_address,
        attributes=own.attributes,
        direction=own.direction or session.direction or "sendrecv",
        # Both belong to the media section; devices that state them once for the session mean the same.
        ptime_ms=own.ptime_ms or session.ptime_ms,
        maxptime_ms=own.maxptime_ms or session.maxptime_ms,
    )


def _read_port(text: str) -> tuple[int, int]:
    port_text, slash, count_text = text.partition("/")
    port = number(port_text, 65_535)
    count = number(count_text, 65_535) if slash else 1
    if port is None or not count:
        raise SdpError(f"the m= line has no port of 0..65535: {quote(text)}")
    return port, count
