"""Addresses as From, To, Contact, Route and Record-Route carry them (RFC 3261 §20.10): name-addr or addr-spec."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from gateway.sip.grammar import (
    WHITESPACE,
    Params,
    SipParseError,
    excerpt,
    format_params,
    parse_params,
    quote_string,
    quoted_end,
    unquote_string,
)
from gateway.sip.uri import SipUri, Uri, parse_uri

_OF_THE_WAY = frozenset(("transport", "maddr", "ttl", "method", "lr"))

_BLANKS = re.compile(r"[ \t]++")
"""Linear white space, which means the same as one blank (RFC 3261 §25.1)."""


@dataclass(frozen=True, slots=True)
class Address:
    """``"Display Name" <uri>;params``. ``display_name`` is unquoted, and empty when there is none."""

    display_name: str
    uri: Uri
    params: Params = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Address:
        """One address. Liberal where RFC 4475 allows it: odd characters in an unquoted name, blanks inside <>."""
        text = text.strip(WHITESPACE)
        if text.startswith('"'):
            end = quoted_end(text, 0)
            display_name = unquote_string(text[:end])
            opening = _skip_blanks(text, end)
            if not text.startswith("<", opening):
                raise SipParseError(f"no <URI> behind the display name in {excerpt(text)}")
        else:
            opening = text.find("<")
            if opening < 0:
                return cls._parse_bare(text)
            display_name = _BLANKS.sub(" ", text[:opening].strip(WHITESPACE))
            if '"' in display_name or ">" in display_name:
                raise SipParseError(f"malformed display name {excerpt(display_name)}")
        closing = text.find(">", opening)
        if closing < 0:
            raise SipParseError(f"unbalanced < in {excerpt(text)}")
        uri = parse_uri(text[opening + 1 : closing].strip(WHITESPACE))
        return cls(display_name, uri, parse_params(text, closing + 1))

    @classmethod
    def _parse_bare(cls, text: str) -> Address:
        """An addr-spec: without <> every parameter is the header's, and ``?`` or ``,`` may not stand (RFC 3261 §20)."""
        uri_text, _, _ = text.partition(";")
        if "?" in uri_text or "," in uri_text:
            raise SipParseError(f"URI must stand in <> : {excerpt(text)}")
        return cls("", parse_uri(uri_text.rstrip(WHITESPACE)), parse_params(text, len(uri_text)))

    @property
    def tag(self) -> str | None:
        """The ``tag`` parameter of From and To (RFC 3261 §19.3)."""
        return self.params.get("tag")

    def with_params(self, **params: str | None) -> Address:
        """A copy with parameters set or replaced; None makes a flag."""
        return replace(self, params={**self.params, **params})

    def as_party(self) -> Address:
        """A copy with what may stand in From and To: who, and not which way (RFC 3261 §19.1.1 table 1)."""
        uri = self.uri
        if not isinstance(uri, SipUri):
            return self
        params = {name: value for name, value in uri.params.items() if name not in _OF_THE_WAY}
        return replace(self, uri=SipUri(uri.scheme, uri.user, uri.password, uri.host, None, params))

    def __str__(self) -> str:
        name = f"{quote_string(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri}>{format_params(self.params)}"


def _skip_blanks(text: str, start: int) -> int:
    return len(text) - len(text[start:].lstrip(WHITESPACE))
