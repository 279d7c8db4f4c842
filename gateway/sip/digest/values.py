"""What digest headers say, and the response they ask for (RFC 7616 §3.3, §3.4; RFC 8760 §2).

Text is ``str`` decoded with ``surrogateescape``, so a realm of any encoding is hashed and echoed octet by octet.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.sip.grammar import (
    ABNF_TOKEN,
    WHITESPACE,
    SipParseError,
    excerpt,
    is_token,
    quote_string,
    split_list,
    unquote_string,
)

_HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
"""Registered name to name in hashlib, strongest first (RFC 8760 §2.1)."""

_SESSION_SUFFIX = "-SESS"

_SCHEME_AND_FIRST = re.compile(rf"({ABNF_TOKEN})[ \t]++(?={ABNF_TOKEN}[ \t]*+=)")
"""A scheme in front of its first parameter: where one of several challenges in a field begins."""

_HEX = re.compile(r"[0-9A-Fa-f]{8}")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A hash algorithm of the registry, ``is_session`` for its -sess variant."""

    name: str
    is_session: bool = False

    @classmethod
    def parse(cls, text: str) -> Algorithm | None:
        """``MD5``, ``sha-256-sess`` …; None for one that we do not know."""
        name = text.upper()
        is_session = name.endswith(_SESSION_SUFFIX)
        name = name.removesuffix(_SESSION_SUFFIX)
        return cls(name, is_session) if name in _HASHES else None

    @property
    def weakness(self) -> int:
        """0 for the strongest."""
        return list(_HASHES).index(self.name)

    def hash(self, data: str | bytes) -> str:
        """H(data) in lower-case hexadecimal."""
        octets = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
        return hashlib.new(_HASHES[self.name], octets, usedforsecurity=False).hexdigest()

    def __str__(self) -> str:
        return f"{self.name}-sess" if self.is_session else self.name


MD5 = Algorithm("MD5")
"""What a header without ``algorithm`` means (RFC 7616 §3.3)."""


@dataclass(frozen=True, slots=True)
class DigestInput:
    """Everything that goes into a response. ``qop`` "" is the form of RFC 2069, without count and cnonce."""

    algorithm: Algorithm
    username: str
    realm: str
    password: str = field(repr=False)
    nonce: str
    method: str
    uri: str
    body: bytes = b""
    qop: str = ""
    nc: str = ""
    cnonce: str = ""

    def response(self) -> str:
        """RFC 7616 §3.4.1 to §3.4.3. Not even the hash of the password is kept."""
        digest = self.algorithm.hash
        secret = digest(f"{self.username}:{self.realm}:{self.password}")
        if self.algorithm.is_session:
            secret = digest(f"{secret}:{self.nonce}:{self.cnonce}")
        what = f"{self.method}:{self.uri}"
        if self.qop == "auth-int":
            what += f":{digest(self.body)}"
        if self.qop:
            return digest(f"{secret}:{self.nonce}:{self.nc}:{self.cnonce}:{self.qop}:{digest(what)}")
        return digest(f"{secret}:{self.nonce}:{digest(what)}")


@dataclass(frozen=True, slots=True)
class DigestChallenge:
    """One WWW-Authenticate or Proxy-Authenticate. Quoted values are kept as written, to be echoed the same.

    ``algorithm`` is None for one that we do not know; ``domain`` and ``userhash`` mean nothing to us and are not kept.
    """

    realm: str
    nonce: str
    opaque: str | None
    algorithm: Algorithm | None
    has_algorithm: bool
    qops: tuple[str, ...]
    is_stale: bool

    @classmethod
    def of(cls, params: Mapping[str, str]) -> DigestChallenge:
        """From the parameters of a header. Raises SipParseError without realm or nonce."""
        algorithm = params.get("algorithm")
        qops = unquote_string(params.get("qop", "")).lower().split(",")
        return cls(
            realm=_required(params, "realm"),
            nonce=_required(params, "nonce"),
            opaque=params.get("opaque"),
            algorithm=MD5 if algorithm is None else Algorithm.parse(unquote_string(algorithm)),
            has_algorithm=algorithm is not None,
            qops=tuple(qop.strip(WHITESPACE) for qop in qops if qop.strip(WHITESPACE)),
            is_stale=unquote_string(params.get("stale", "")).lower() == "true",
        )

    @property
    def qop(self) -> str | None:
        """What we answer with: auth before auth-int, "" when none is offered; None when we know none of those."""
        if not self.qops:
            return ""
        return next((qop for qop in ("auth", "auth-int") if qop in self.qops), None)

    @property
    def is_answerable(self) -> bool:
        """We know its algorithm and one of its qualities of protection."""
        return self.algorithm is not None and self.qop is not None


@dataclass(frozen=True, slots=True)
class DigestResponse:
    """One Authorization, read by the server. ``qop``, ``nc`` and ``cnonce`` are "" in the form of RFC 2069."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: Algorithm | None
    qop: str
    nc: str
    cnonce: str

    @classmethod
    def of(cls, params: Mapping[str, str]) -> DigestResponse:
        """From the parameters of a header. Raises SipParseError when it is no answer to any challenge."""
        algorithm = params.get("algorithm")
        qop = unquote_string(params.get("qop", "")).lower()
        nc = unquote_string(params.get("nc", ""))
        cnonce = unquote_string(params.get("cnonce", ""))
        if qop and (qop not in ("auth", "auth-int") or not _HEX.fullmatch(nc) or not cnonce):
            raise SipParseError("malformed qop, nc or cnonce in Authorization")
        return cls(
            username=unquote_string(_required(params, "username")),
            realm=unquote_string(_required(params, "realm")),
            nonce=unquote_string(_required(params, "nonce")),
            uri=unquote_string(_required(params, "uri")),
            response=unquote_string(_required(params, "response")).lower(),
            algorithm=MD5 if algorithm is None else Algorithm.parse(unquote_string(algorithm)),
            qop=qop,
            nc=nc if qop else "",
            cnonce=cnonce,
        )


def parse_digest_headers(values: Iterable[str]) -> list[dict[str, str]]:
    """The parameters of every Digest header among ``values``, those of other schemes and broken ones left out.

    One field may hold several challenges behind commas, as HTTP writes them. Values stay as written, quotes included.
    """
    found: list[dict[str, str]] = []
    for value in values:
        try:
            found += _parse_field(value)
        except SipParseError:
            continue
    return found


def _parse_field(value: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    current: dict[str, str] | None = None
    for element in split_list(value):
        scheme = _SCHEME_AND_FIRST.match(element)
        if scheme is not None:
            current = {}
            if scheme[1].lower() == "digest":
                found.append(current)
        if current is None:
            raise SipParseError(f"no scheme before {excerpt(element)}")
        name, equals, text = element[scheme.end() if scheme else 0 :].partition("=")
        name = name.strip(WHITESPACE).lower()
        if not element:
            continue  # an empty element: a comma too many
        if not equals or not is_token(name) or name in current:
            raise SipParseError(f"malformed or repeated parameter {excerpt(element)}")
        current[name] = text.strip(WHITESPACE)
    return found


def parse_params(value: str) -> dict[str, str]:
    """``name=value`` behind commas without a scheme (Authentication-Info), unquoted. Raises SipParseError."""
    params = {}
    for element in split_list(value):
        name, _, text = element.partition("=")
        params[name.strip(WHITESPACE).lower()] = unquote_string(text.strip(WHITESPACE))
    return params


def quoted(text: str) -> str:
    """A value for the wire: as it came when it came quoted, else as a quoted string."""
    return text if text.startswith('"') else quote_string(text)


def parse_count(nc: str) -> int:
    """The nonce count, eight hexadecimal digits."""
    return int(nc, 16)


def _required(params: Mapping[str, str], name: str) -> str:
    value = params.get(name)
    if value is None or (value.startswith('"') and (len(value) < 2 or not value.endswith('"'))):
        raise SipParseError(f"no {name} in a digest header")
    return value


__all__ = [
    "MD5",
    "Algorithm",
    "DigestChallenge",
    "DigestInput",
    "DigestResponse",
    "parse_count",
    "parse_digest_headers",
    "parse_params",
    "quoted",
]
