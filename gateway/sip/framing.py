"""Messages out of a byte stream (RFC 3261 §18.3) and the keep-alives between them (RFC 5626 §4.4.1)."""

from __future__ import annotations

import re

from gateway.sip.grammar import SipParseError
from gateway.sip.message import END_OF_HEAD, MAX_HEAD_BYTES, Request, body_length, parse_message

MAX_BODY_BYTES = 256 * 1024

MAX_PENDING_PINGS = 16
"""Keep-alives between two messages of one read: nobody who wants to keep a connection alive sends more."""

_EMPTY_LINES = re.compile(rb"(?:\r?\n){0,%d}+" % (2 * MAX_PENDING_PINGS + 2))
_LONGEST_END = 3
"""Octets of the longest END_OF_HEAD: how far a search must reach back when more has come."""


class StreamFramer:
    """Cuts one connection's octets into messages, however they were split or joined on the way.

    A stream whose Content-Length is missing or wrong, or that is nothing but keep-alives, cannot be read any further:
    ``next_message`` raises, and raises again when asked again. Close the connection then, after the response that the
    error's ``request`` allows.
    """

    def __init__(self) -> None:
        self.pongs_due = 0
        """Double CRLFs that wait for their answer, one CRLF each. Whoever answers sets it back to 0."""
        self._buffer = bytearray()
        self._searched = 0
        self._message_length: int | None = None
        self._has_half_ping = False
        self._fault: SipParseError | None = None

    def receive_data(self, data: bytes) -> None:
        """Takes what came from the connection."""
        if self._fault is None:
            self._buffer += data

    @property
    def buffered_bytes(self) -> int:
        """Octets that belong to no complete message yet."""
        return len(self._buffer)

    def next_message(self) -> bytes | None:
        """The next complete message with its head and body, or None until more has come."""
        if self._fault is not None:
            raise self._fault
        if self._message_length is None:
            try:
                self._skip_keep_alives()
                if not self._buffer or self._buffer == b"\r":
                    return None
                self._message_length = self._find_length()
            except SipParseError as error:
                self._fault = error
                self._buffer.clear()
                raise
        length = self._message_length
        if length is None or len(self._buffer) < length:
            return None
        message = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._message_length = None
        self._searched = 0
        self._has_half_ping = False
        return message

    def _skip_keep_alives(self) -> None:
        """Drops empty lines before a start line. Two CRLFs in a row are a ping, one alone is a pong or nothing."""
        if self._searched:
            return
        found = _EMPTY_LINES.match(self._buffer)
        lines = found[0].splitlines(keepends=True) if found else []
        if len(lines) > 2 * MAX_PENDING_PINGS + 1:
            raise SipParseError(f"more than {MAX_PENDING_PINGS} keep-alives at once")
        for line in lines:
            is_second = self._has_half_ping and line == b"\r\n"
            self.pongs_due += is_second
            self._has_half_ping = line == b"\r\n" and not is_second
        del self._buffer[: sum(map(len, lines))]
        if self._buffer and self._buffer != b"\r":
            self._has_half_ping = False

    def _find_length(self) -> int | None:
        """Length of the message at the front of the buffer; None while its head is incomplete."""
        buffer = self._buffer
        found = END_OF_HEAD.search(buffer, max(0, self._searched - _LONGEST_END))
        self._searched = len(buffer)
        head_length = found.end() if found else len(buffer)
        if head_length > MAX_HEAD_BYTES:
            fault = f"head of the message is longer than {MAX_HEAD_BYTES} octets"
            raise SipParseError(fault, status=513, request=_request_of(bytes(buffer)))
        if found is None:
            return None
        head = bytes(buffer[:head_length])
        try:
            length = body_length(head)
            if length > MAX_BODY_BYTES:
                raise SipParseError(f"body is longer than {MAX_BODY_BYTES} octets", status=513)
        except SipParseError as error:
            error.request = _request_of(head)
            raise
        return head_length + length


def _request_of(head: bytes) -> Request | None:
    """What can be read of a request whose body cannot be found: enough to refuse it."""
    try:
        message = parse_message(head)
    except SipParseError as error:
        return error.request
    return message if isinstance(message, Request) else None
