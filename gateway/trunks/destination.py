"""Whom a call is for, as people and programs write it: a number, a user, a ``tel:`` or a ``sip:`` URI."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.base.errors import GatewayError
from gateway.sip.grammar import SipParseError
from gateway.sip.uri import SipUri, TelUri, parse_uri

MAX_CHARACTERS = 256

_NUMBER = re.compile(r"\+?[0-9*#]+")
_NUMBER_AS_WRITTEN = re.compile(r"\+?[0-9*#][0-9*# .()/-]*")
SEPARATORS = str.maketrans("", "", " .()/-")
"""What people write between the digits of a number (RFC 3966 §5.1.1, and the slash)."""


class OutboundRefused(GatewayError):
    """A call that will not be placed. ``rule`` names the rule that says so, ``status`` the SIP status that would."""

    def __init__(self, rule: str, text: str, *, status: int = 403) -> None:
        super().__init__(text)
        self.rule = rule
        self.status = status


@dataclass(frozen=True, slots=True)
class Destination:
    """``user`` is unescaped: a number without separators, or a name. ``uri`` is set when a host was named with it."""

    user: str
    uri: SipUri | None = None

    @property
    def is_number(self) -> bool:
        """Digits, ``*`` and ``#``, with or without a leading plus."""
        return _NUMBER.fullmatch(self.user) is not None

    def __str__(self) -> str:
        return self.user if self.uri is None else str(self.uri)


def parse_destination(text: str) -> Destination:
    """``+1 (555) 010-0100``, ``1001``, ``alice``, ``tel:+1-555-010-0100``, ``sip:+15550100``, ``sip:bob@example.net``.

    ``sip:1001`` names a user and no host. Raises OutboundRefused with the rule ``destination``.
    """
    text = text.strip()
    if not text or len(text) > MAX_CHARACTERS or not text.isprintable():
        raise _refused("is empty, too long, or has unprintable characters in it")
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in ("sip", "sips") and "@" not in rest:
        return _bare(rest.partition(";")[0])
    if colon and scheme.lower() in ("sip", "sips", "tel"):
        return _of_uri(text)
    return _bare(text)


def _bare(text: str) -> Destination:
    if _NUMBER_AS_WRITTEN.fullmatch(text):
        return Destination(text.translate(SEPARATORS))
    if any(character.isspace() or character in '<>"@:;?' for character in text) or not text:
        raise _refused("is neither a number, nor a user, nor a sip: or tel: URI")
    return Destination(text)


def _of_uri(text: str) -> Destination:
    try:
        uri = parse_uri(text)
    except SipParseError as error:
        raise _refused(f"cannot be read: {error}") from None
    if isinstance(uri, TelUri):
        return Destination(uri.digits)
    if not isinstance(uri, SipUri) or uri.user is None or uri.password is not None or uri.headers is not None:
        raise _refused("has no user, or has a password or headers in its URI")
    if "maddr" in uri.params:
        raise _refused("names a second host by maddr: nobody could tell whose it is")
    user = uri.decoded_user or ""
    return Destination(user.translate(SEPARATORS) if _NUMBER_AS_WRITTEN.fullmatch(user) else user, uri)


def _refused(problem: str) -> OutboundRefused:
    return OutboundRefused("destination", f"the destination {problem}", status=484)
