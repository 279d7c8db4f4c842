"""URIs in SIP: ``sip:``/``sips:`` (RFC 3261 §19.1), ``tel:`` (RFC 3966), and any other scheme kept as it came."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway.sip.grammar import (
    Params,
    SipParseError,
    decode_escapes,
    excerpt,
    format_host_port,
    format_params,
    parse_host_port,
)

_FORBIDDEN = re.compile(r'[\x00-\x20\x7f"<>]')
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+")
_TEL_NUMBER = re.compile(r"\+?[0-9A-Fa-f*#\-.()]++")
_VISUAL_SEPARATORS = str.maketrans("", "", "-.()")

_RESERVED = frozenset(";/?:@&=+$,")
_NEVER_IN_ONE_ONLY = ("transport", "user", "ttl", "method", "maddr")
"""RFC 3261 §19.1.4: a URI with one of these never equals a URI without it."""


@dataclass(frozen=True, slots=True)
class SipUri:
    """A ``sip:`` or ``sips:`` URI. User, password, parameter values and headers stay escaped as they were written.

    An IPv6 host is held without its brackets. ``headers`` is the text behind ``?``.
    """

    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None = None
    params: Params = field(default_factory=dict)
    headers: str | None = None

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Raises SipParseError when ``text`` is not a SIP or SIPS URI."""
        uri = parse_uri(text)
        if not isinstance(uri, cls):
            raise SipParseError(f"not a sip: or sips: URI: {excerpt(text)}", status=416)
        return uri

    @property
    def decoded_user(self) -> str | None:
        """The user with %HH undone: for matching and showing, not for the wire."""
        return None if self.user is None else decode_escapes(self.user)

    @property
    def transport(self) -> str | None:
        """The ``transport`` parameter in lower case."""
        value = self.params.get("transport")
        return value.lower() if value else None

    @property
    def is_loose_router(self) -> bool:
        """Carries ``lr`` (RFC 3261 §19.1.1): a proxy that leaves the Request-URI alone."""
        return "lr" in self.params

    def equivalent(self, other: object) -> bool:
        """RFC 3261 §19.1.4 comparison: order, case and needless escapes do not count; defaults are not filled in."""
        return (
            isinstance(other, SipUri)
            and self.scheme == other.scheme
            and self.port == other.port
            and self.host.lower() == other.host.lower()
            and _normal(self.user) == _normal(other.user)
            and _normal(self.password) == _normal(other.password)
            and _params_match(self.params, other.params)
            and _header_set(self.headers) == _header_set(other.headers)
        )

    def __str__(self) -> str:
        userinfo = ""
        if self.user is not None:
            password = "" if self.password is None else f":{self.password}"
            userinfo = f"{self.user}{password}@"
        headers = "" if self.headers is None else f"?{self.headers}"
        return f"{self.scheme}:{userinfo}{format_host_port(self.host, self.port)}{format_params(self.params)}{headers}"


@dataclass(frozen=True, slots=True)
class TelUri:
    """A telephone number as a URI (RFC 3966). ``number`` keeps its visual separators."""

    number: str
    params: Params = field(default_factory=dict)

    @property
    def digits(self) -> str:
        """The number without visual separators: ``+1-555-0100`` is ``+15550100``."""
        return self.number.translate(_VISUAL_SEPARATORS)

    def equivalent(self, other: object) -> bool:
        """RFC 3966 §4: separators and case do not count, parameters do."""
        return (
            isinstance(other, TelUri)
            and self.digits.lower() == other.digits.lower()
            and _lowered(self.params) == _lowered(other.params)
        )

    def __str__(self) -> str:
        return f"tel:{self.number}{format_params(self.params)}"


@dataclass(frozen=True, slots=True)
class OtherUri:
    """A URI of a scheme that is not ours to open: carried, never interpreted."""

    scheme: str
    rest: str

    def equivalent(self, other: object) -> bool:
        """Octet by octet, for nothing is known about the scheme."""
        return self == other

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


Uri = SipUri | TelUri | OtherUri


def parse_uri(text: str) -> Uri:
    """Any URI. Raises SipParseError when ``text`` is none, or is a broken one of a scheme that we know."""
    scheme, colon, rest = text.partition(":")
    if not colon or not rest or _FORBIDDEN.search(text) or not _SCHEME.fullmatch(scheme):
        raise SipParseError(f"malformed URI {excerpt(text)}")
    scheme = scheme.lower()
    if scheme in {"sip", "sips"}:
        return _parse_sip(scheme, rest)
    if scheme == "tel":
        return _parse_tel(rest)
    return OtherUri(scheme, rest)


def _parse_sip(scheme: str, rest: str) -> SipUri:
    if "%" in rest and _BAD_ESCAPE.search(rest):
        raise SipParseError(f"malformed escape in URI {excerpt(rest)}")
    user: str | None = None
    password: str | None = None
    if "@" in rest:
        # The user may hold ; ? and / unescaped, so it must be cut off before anything else is looked for.
        userinfo, _, rest = rest.partition("@")
        user, colon, secret = userinfo.partition(":")
        password = secret if colon else None
        if not user or "@" in rest:
            raise SipParseError(f"malformed user in URI {excerpt(userinfo)}")
    host, port, end = parse_host_port(rest, 0, "URI")
    param_text, question, header_text = rest[end:].partition("?")
    params = _parse_uri_params(param_text)
    return SipUri(scheme, user, password, host, port, params, header_text if question else None)


def _parse_tel(rest: str) -> TelUri:
    number, _, tail = rest.partition(";")
    if not _TEL_NUMBER.fullmatch(number) or not any(character in "0123456789*#" for character in number):
        raise SipParseError(f"malformed tel: URI {excerpt(rest)}")
    return TelUri(number, _parse_uri_params(rest[len(number) :]) if tail or rest.endswith(";") else {})


def _parse_uri_params(text: str) -> dict[str, str | None]:
    """URI parameters. A repeated one (``;lr;lr`` is seen in the field) counts once, the first time it comes."""
    params: dict[str, str | None] = {}
    if not text:
        return params
    first, *pieces = text.split(";")
    if first:
        raise SipParseError(f"malformed URI behind its host: {excerpt(text)}")
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if not name:
            raise SipParseError(f"empty parameter in URI: {excerpt(text)}")
        params.setdefault(name.lower(), value if equals else None)
    return params


def _normal(text: str | None) -> str | None:
    """Escapes of unreserved characters undone, the others in upper case."""
    if text is None or "%" not in text:
        return text
    return _ESCAPE.sub(_normal_escape, text)


def _normal_escape(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return found[0].upper() if character in _RESERVED or not "!" <= character <= "~" else character


def _lowered(params: Params) -> dict[str, str | None]:
    return {name: value and (_normal(value) or "").lower() for name, value in params.items()}


def _params_match(ours: Params, theirs: Params) -> bool:
    left, right = _lowered(ours), _lowered(theirs)
    if any((name in left) != (name in right) for name in _NEVER_IN_ONE_ONLY):
        return False
    return all(value == right[name] for name, value in left.items() if name in right)


def _header_set(headers: str | None) -> list[str]:
    return sorted(_normal(header) or "" for header in headers.split("&")) if headers else []
