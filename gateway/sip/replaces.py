"""The Replaces header (RFC 3891): one dialog named in the headers of a request that shall take its place.

Also the way into a Refer-To (RFC 3515 §2.1): header fields inside a URI are escaped (RFC 3261 §19.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from gateway.sip.grammar import SipParseError, decode_escapes, excerpt, parse_params
from gateway.sip.uri import SipUri, Uri, parse_uri

_HEADER_VALUE_SAFE = "-_.!~*'()[]/?:+$"
"""RFC 3261 §25.1 hvalue: hnv-unreserved and unreserved; everything else is escaped."""


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog as the one who receives this knows it: ``to_tag`` is that side's own tag (RFC 3891 §3)."""

    call_id: str
    to_tag: str
    from_tag: str
    is_early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Replaces:
        """``call-id;to-tag=a;from-tag=b[;early-only]``. Raises SipParseError."""
        call_id, semicolon, _ = text.partition(";")
        call_id = call_id.strip(" \t")
        params = parse_params(text, len(text.partition(";")[0])) if semicolon else {}
        to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
        if not call_id or " " in call_id or not to_tag or not from_tag:
            raise SipParseError(f"malformed Replaces {excerpt(text)}")
        return cls(call_id, to_tag, from_tag, "early-only" in params)

    def __str__(self) -> str:
        early = ";early-only" if self.is_early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


def with_replaces(uri: str, replaces: Replaces) -> str:
    """``uri`` with a Replaces among its headers: what Refer-To carries for an attended transfer."""
    separator = "&" if "?" in uri else "?"
    return f"{uri}{separator}Replaces={quote(str(replaces), safe=_HEADER_VALUE_SAFE)}"


def split_target(uri: Uri) -> tuple[str, str | None]:
    """The URI of a Refer-To without its headers, and the value of the Replaces among them, unescaped.

    Headers of a name that we do not take over are dropped: what a stranger writes there becomes no header of ours.
    Raises SipParseError for a Replaces that is none.
    """
    if not isinstance(uri, SipUri) or uri.headers is None:
        return str(uri), None
    bare = SipUri(uri.scheme, uri.user, uri.password, uri.host, uri.port, uri.params)
    for header in uri.headers.split("&"):
        name, _, value = header.partition("=")
        if name.lower() == "replaces":
            return str(bare), str(Replaces.parse(decode_escapes(value)))
    return str(bare), None


def check_refer_target(text: str) -> Uri:
    """The URI that a transfer goes to, from ``sip:a@b`` or ``<sip:a@b>``. Raises SipParseError."""
    text = text.strip(" \t")
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    return parse_uri(text)
