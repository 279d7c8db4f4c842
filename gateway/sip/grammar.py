"""The pieces of SIP's grammar that every header shares (RFC 3261 §25.1): tokens, quoted strings, lists, parameters.

Text is ``str`` decoded from UTF-8 with ``surrogateescape``, so that every byte a peer sent survives a round trip.
Every scan is linear in the length of its text: the regular expressions are matched where they must begin, never
searched for, and what their possessive quantifiers have taken they do not give back. No group is captured inside a
possessive one, which early releases of Python 3.11 get wrong.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from gateway.base.errors import RemoteProtocolError

if TYPE_CHECKING:
    from gateway.sip.message import Request

Params = Mapping[str, str | None]
"""Parameters in order: lower-case name to value as written (quotes included), None for a flag such as ``lr``."""

WHITESPACE = " \t"
"""What linear white space is once lines are unfolded."""

MAX_LIST_ELEMENTS = 256
"""Elements that one header may have. A request at its hop limit would carry 70 Vias (RFC 3261 §8.1.1.6)."""

MAX_PARAMS = 64
"""Parameters that one element may have."""

MAX_PORT = 65535
MAX_UINT32 = 2**32 - 1

ABNF_TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]++"  # noqa: S105 - a word of the grammar
"""RFC 3261 §25.1 ``token`` as a regular expression that never gives back what it took."""

_QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'

_IS_TOKEN = re.compile(ABNF_TOKEN)
_QUOTED_STRING = re.compile(_QUOTED, re.DOTALL)
_ELEMENT = re.compile(rf'(?:[^",<]++|{_QUOTED}|<[^>]*+>?)*+', re.DOTALL)
_PARAM = re.compile(
    rf"[ \t]*+;[ \t]*+({ABNF_TOKEN})[ \t]*+(?:=[ \t]*+({_QUOTED}|[^ \t\r\n\";,<>]*+)[ \t]*+)?",
    re.DOTALL,
)
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._\-]++)(?:[ \t]*+:[ \t]*+([0-9]++))?")
_ESCAPED_CHARACTER = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_ESCAPE = re.compile(r'(["\\])')

_USER_SAFE = "-_.!~*'()&=+$,;?/"
"""RFC 3261 §25.1 user: mark and user-unreserved, which travel unescaped."""


class SipParseError(RemoteProtocolError):
    """A peer's text is not SIP. ``str()`` is printable ASCII and fits a reason phrase.

    ``request`` holds what could be read of a broken request, so that it can still be answered.
    """

    def __init__(self, message: str, *, status: int = 400, request: Request | None = None) -> None:
        super().__init__(message, status=status)
        self.request = request


def excerpt(text: str) -> str:
    """The beginning of a peer's text, made safe to print: ASCII, one line, short."""
    return ascii(text if len(text) <= 40 else text[:40] + "...")


def is_token(text: str) -> bool:
    """RFC 3261 §25.1 ``token``."""
    return _IS_TOKEN.fullmatch(text) is not None


def is_number(text: str) -> bool:
    """1*DIGIT: ASCII digits only, which ``str.isdigit`` alone does not promise."""
    return text.isascii() and text.isdigit()


def parse_number(text: str, largest: int, what: str) -> int:
    """1*DIGIT up to ``largest``. Leading zeros are allowed; absurd lengths never reach ``int``."""
    if is_number(text):
        digits = text.lstrip("0")
        if len(digits) <= 10 and (number := int(digits or "0")) <= largest:
            return number
    raise SipParseError(f"{what} is not a number from 0 to {largest}: {excerpt(text)}")


def split_list(text: str) -> list[str]:
    """Elements of a comma-separated header value, stripped. Commas in quotes or in angle brackets do not separate.

    A blank value has no elements; an empty element between commas is kept, for its reader to refuse.
    """
    if not text.strip(WHITESPACE):
        return []
    if '"' not in text and "<" not in text:
        elements = [element.strip(WHITESPACE) for element in text.split(",", MAX_LIST_ELEMENTS)]
        if len(elements) > MAX_LIST_ELEMENTS:
            raise SipParseError(f"more than {MAX_LIST_ELEMENTS} elements in a list")
        return elements
    elements = []
    start = -1
    while start < len(text):
        end = _element_end(text, start + 1)
        elements.append(text[start + 1 : end].strip(WHITESPACE))
        if len(elements) > MAX_LIST_ELEMENTS:
            raise SipParseError(f"more than {MAX_LIST_ELEMENTS} elements in a list")
        start = end
    return elements


def _element_end(text: str, start: int) -> int:
    """Index of the comma that ends the element at ``start``, or of the end of ``text``."""
    found = _ELEMENT.match(text, start)
    end = start if found is None else found.end()
    if text.startswith('"', end):
        raise SipParseError(f"unbalanced quote in {excerpt(text[end : end + 50])}")
    return end


def parse_params(text: str, start: int = 0) -> dict[str, str | None]:
    """Reads ``;name[=value]`` from ``start`` to the end of ``text`` (generic-param).

    A name that comes twice is refused (RFC 3261 §7.3.1): two tags would name two dialogs.
    """
    params: dict[str, str | None] = {}
    end = len(text)
    while start < end:
        step = _PARAM.match(text, start)
        if step is None:
            if not text[start:].strip(WHITESPACE):
                break
            raise SipParseError(f"malformed parameter at {excerpt(text[start : start + 50])}")
        name = step[1].lower()
        if name in params:
            raise SipParseError(f"parameter {excerpt(name)} given twice")
        if len(params) == MAX_PARAMS:
            raise SipParseError(f"more than {MAX_PARAMS} parameters")
        params[name] = step[2]
        start = step.end()
    return params


def format_params(params: Params) -> str:
    """The reverse of ``parse_params``."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params.items())


def parse_host_port(text: str, start: int, what: str) -> tuple[str, int | None, int]:
    """Reads ``host [":" port]`` at ``start``; returns host (IPv6 without its brackets), port and where it ended."""
    found = _HOST_PORT.match(text, start)
    if found is None:
        raise SipParseError(f"no host in {what} {excerpt(text)}")
    host = found[1]
    if host[0] == "[":
        host = host[1:-1]
        _check_ipv6(host, what)
    port = parse_number(found[2], MAX_PORT, f"port in {what}") if found[2] else None
    return host, port, found.end()


def _check_ipv6(host: str, what: str) -> None:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        raise SipParseError(f"malformed IPv6 address in {what}: {excerpt(host)}") from None


def format_host_port(host: str, port: int | None) -> str:
    """``host[:port]``, with the brackets an IPv6 address needs."""
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"


def quoted_end(text: str, start: int) -> int:
    """Index behind the quoted string that opens at ``start``."""
    found = _QUOTED_STRING.match(text, start)
    if found is None:
        raise SipParseError(f"unbalanced quote in {excerpt(text[start : start + 50])}")
    return found.end()


def unquote_string(text: str) -> str:
    """The content of a quoted string; anything else as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    content = text[1:-1]
    if "\\" not in content:
        return content
    if content.endswith("\\"):
        return _ESCAPED_CHARACTER.sub(r"\1", content)
    # Pair by pair from the left, as a pattern would find them, and many times as fast: a name may be all escapes.
    return "\\".join(piece.replace("\\", "") for piece in content.split("\\\\"))


def quote_string(text: str) -> str:
    """``text`` as a quoted string."""
    return '"' + _NEEDS_ESCAPE.sub(r"\\\1", text) + '"'


def decode_escapes(text: str) -> str:
    """Undoes %HH. The result may hold any character, NUL and line ends included: never put it on the wire unescaped."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def escape_user(text: str) -> str:
    """Writes ``text`` as the user part of a SIP URI, escaping what may not stand there."""
    return quote(text.encode("utf-8", "surrogateescape"), safe=_USER_SAFE)
