"""SIP requests and responses (RFC 3261 §7): bytes in, typed views made lazily, bytes out.

A header that is only echoed is never rewritten: Via, From, To, Call-ID, CSeq and Record-Route go from a request into
its response exactly as they came, apart from folded lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.base.errors import LocalProtocolError
from gateway.sip.address import Address
from gateway.sip.grammar import MAX_UINT32, WHITESPACE, SipParseError, excerpt, is_number, is_token, parse_number
from gateway.sip.headers import Headers, canonical_name, check_outgoing
from gateway.sip.reason import reason_phrase
from gateway.sip.uri import Uri, parse_uri
from gateway.sip.views import CSeq, MessageViews

__all__ = [
    "END_OF_HEAD",
    "MAX_HEADER_FIELDS",
    "MAX_HEAD_BYTES",
    "VERSION",
    "CSeq",
    "Request",
    "Response",
    "SipParseError",
    "body_length",
    "make_request",
    "make_response",
    "parse_message",
    "reason_phrase",
]

VERSION = "SIP/2.0"

END_OF_HEAD = re.compile(rb"\n\r?\n")
"""The empty line, with bare line feeds tolerated."""

MAX_HEAD_BYTES = 65536
"""Start line and headers together."""

MAX_HEADER_FIELDS = 256
"""Header lines that one message may have: several times what any network needs."""

_CODEC = ("utf-8", "surrogateescape")


@dataclass(slots=True)
class Request(MessageViews):
    """A SIP request. ``uri`` is the Request-URI as written."""

    method: str
    uri: str
    headers: Headers
    body: bytes = b""
    version: str = VERSION
    octets: int = field(default=0, compare=False, repr=False)
    """Of the message as it came; 0 of one that did not come from the wire."""

    @property
    def request_uri(self) -> Uri:
        """The Request-URI, parsed."""
        return parse_uri(self.uri)

    def to_bytes(self) -> bytes:
        """The message for the wire, with the Content-Length its body has."""
        return _serialise(f"{self.method} {self.uri} {self.version}", self.headers, self.body)


@dataclass(slots=True)
class Response(MessageViews):
    """A SIP response."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    version: str = VERSION

    def to_bytes(self) -> bytes:
        """The message for the wire, with the Content-Length its body has."""
        return _serialise(f"{self.version} {self.status} {self.reason}", self.headers, self.body)


def parse_message(data: bytes) -> Request | Response:
    """One datagram, or one message that ``framing`` has cut from a stream.

    Octets behind the Content-Length are discarded (RFC 3261 §18.3). Tolerated: empty lines before the start line, bare
    LF as line end, folded lines, blanks before a colon, a head without its empty line, extra blanks in the start line.
    Raises SipParseError; when the start line was a request's, the error's ``request`` holds what could be read.
    """
    head, body, is_too_long = _split_head(data)
    start_line, *lines = unfold(head)
    fields: list[tuple[str, str]] = []
    if is_too_long:
        del lines[-1:]  # cut off somewhere in its middle
    fault = _read_fields(lines, fields)
    if is_too_long:
        fault = f"head of the message is longer than {MAX_HEAD_BYTES} octets"
    headers = Headers.from_wire(fields)
    if "\r" in start_line:
        raise SipParseError("carriage return in the start line")
    if start_line[:4].upper() == "SIP/":
        response = _parse_status_line(start_line, headers)
        if fault:
            raise SipParseError(fault)
        response.body = _cut_body(headers, body)
        return response
    request = _parse_request_line(start_line, headers)
    request.octets = len(data)
    try:
        if fault:
            raise SipParseError(fault, status=513 if is_too_long else 400)
        if not request.uri:
            raise SipParseError("no Request-URI")
        request.body = _cut_body(headers, body)
    except SipParseError as error:
        error.request = request
        raise
    return request


def make_request(method: str, uri: str, *, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Request:
    """A request of ours. Raises LocalProtocolError for anything that would break its lines."""
    if not is_token(method):
        raise LocalProtocolError(f"{method!a} is not a method")
    _check_text(uri, "Request-URI")
    if not uri or " " in uri or "\t" in uri:
        raise LocalProtocolError(f"{uri!a} is not a Request-URI")
    return Request(method, uri, _outgoing_headers(Headers(), headers, body), body)


def make_response(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """The response to ``request`` (RFC 3261 §8.2.6), which may be a broken one: what it lacks is left out.

    ``to_tag`` is added when To has no tag yet. Record-Route goes into 101-299 (§12.1.1), Timestamp into 100.
    """
    if not 100 <= status <= 699:
        raise LocalProtocolError(f"{status} is not a status code")
    reason = reason_phrase(status) if reason is None else reason
    _check_text(reason, "reason phrase")
    echoed = [("Via", value) for value in request.headers.get_all("Via")]
    if 100 < status < 300:
        echoed += [("Record-Route", value) for value in request.headers.get_all("Record-Route")]
    for name in ("From", "To", "Call-ID", "CSeq", "Timestamp") if status == 100 else ("From", "To", "Call-ID", "CSeq"):
        value = request.headers.get(name)
        if value is not None:
            echoed.append((name, _with_tag(value, to_tag) if name == "To" and to_tag else value))
    return Response(status, reason, _outgoing_headers(Headers.from_wire(echoed), headers, body), body)


def unfold(head: str) -> list[str]:
    """The lines of a message's head. A line that begins with a blank continues the one before (RFC 3261 §7.3.1)."""
    lines = head.replace("\r\n", "\n").split("\n")
    if "\n " not in head and "\n\t" not in head:
        return lines
    whole: list[list[str]] = []
    for line in lines:
        if whole and line[:1] in {" ", "\t"}:
            whole[-1].append(line.strip(WHITESPACE))
        else:
            whole.append([line])
    return [pieces[0] if len(pieces) == 1 else " ".join(pieces) for pieces in whole]


def body_length(head: bytes) -> int:
    """What the head of a message on a stream says about its body, read by the same rules as ``parse_message``."""
    fields: list[tuple[str, str]] = []
    _read_fields(unfold(head.decode(*_CODEC))[1:], fields)
    length = _content_length(Headers.from_wire(fields))
    if length is None:
        raise SipParseError("no Content-Length on a stream")
    return length


def _split_head(data: bytes) -> tuple[str, bytes, bool]:
    """Head as text without its empty line, what follows it, and whether the head was longer than we read."""
    data = data.lstrip(b"\r\n")
    found = END_OF_HEAD.search(data)
    end = found.end() if found else len(data)
    is_too_long = end > MAX_HEAD_BYTES
    if found is None and not is_too_long and not data.endswith(b"\n"):
        raise SipParseError("message without an end of its headers")
    return data[: min(end, MAX_HEAD_BYTES)].decode(*_CODEC).rstrip("\r\n"), data[end:], is_too_long


def _read_fields(lines: list[str], fields: list[tuple[str, str]]) -> str | None:
    """Appends every well-formed header line to ``fields``; returns the first fault."""
    fault = None
    if len(lines) > MAX_HEADER_FIELDS:
        fault = f"more than {MAX_HEADER_FIELDS} header fields"
        del lines[MAX_HEADER_FIELDS:]
    for line in lines:
        name, colon, value = line.partition(":")
        known = canonical_name(name)
        if known is name or not colon:
            known = canonical_name(name.rstrip(WHITESPACE))
            if not colon or not is_token(known):
                fault = fault or f"malformed header line {excerpt(line)}"
                continue
        if "\r" in value:
            # Echoed, a lone CR would end the line for some readers.
            fault = fault or f"carriage return in {known}"
            value = value.replace("\r", " ")
        fields.append((known, value.strip(WHITESPACE)))
    return fault


def _parse_status_line(line: str, headers: Headers) -> Response:
    version, _, rest = line.partition(" ")
    status, _, reason = rest.strip(WHITESPACE).partition(" ")
    if len(status) != 3 or not is_number(status) or not "1" <= status[0] <= "6":
        raise SipParseError(f"malformed status line {excerpt(line)}")
    return Response(int(status), reason.strip(WHITESPACE), headers, version=version)


def _parse_request_line(line: str, headers: Headers) -> Request:
    method, _, rest = line.partition(" ")
    uri, _, version = rest.rstrip(WHITESPACE).rpartition(" ")
    if not is_token(method) or version[:4].upper() != "SIP/":
        raise SipParseError(f"malformed start line {excerpt(line)}")
    return Request(method, uri.strip(WHITESPACE), headers, version=version)


def _content_length(headers: Headers) -> int | None:
    lengths = headers.get_all("Content-Length")
    if len(lengths) > 1:
        raise SipParseError("more than one Content-Length")
    return parse_number(lengths[0], MAX_UINT32, "Content-Length") if lengths else None


def _cut_body(headers: Headers, body: bytes) -> bytes:
    length = _content_length(headers)
    if length is None:
        return body
    if length > len(body):
        raise SipParseError(f"Content-Length {length} but only {len(body)} octets of body")
    return body[:length]


def _serialise(start_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [start_line]
    has_length = False
    for name, value in headers:
        if name != "Content-Length":
            lines.append(f"{name}: {value}")
        elif not has_length:
            has_length = True
            lines.append(f"Content-Length: {len(body)}")
    if not has_length:
        lines.append(f"Content-Length: {len(body)}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode(*_CODEC) + body


def _outgoing_headers(headers: Headers, ours: Iterable[tuple[str, str]], body: bytes) -> Headers:
    for name, value in ours:
        _check_text(value, name)
        headers.add(name, value)
    headers.set("Content-Length", str(len(body)))
    return headers


def _check_text(text: str, what: str) -> None:
    check_outgoing(text, what)
    if "\0" in text:
        raise LocalProtocolError(f"NUL in {what}: {text!a}")


def _with_tag(to: str, tag: str) -> str:
    try:
        if Address.parse(to).tag is not None:
            return to
    except SipParseError:
        pass
    return f"{to};tag={tag}"
