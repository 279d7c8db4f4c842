"""The client of digest authentication (RFC 3261 §22.2, §22.3): answers challenges, and does not wait for the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.sip.digest.values import (
    MD5,
    DigestChallenge,
    DigestInput,
    parse_digest_headers,
    parse_params,
    quoted,
)
from gateway.sip.grammar import SipParseError, quote_string, unquote_string
from gateway.sip.headers import HeaderFields
from gateway.sip.message import Response

MAX_REALMS = 4
"""Protection spaces remembered: the peer itself and a few proxies on the way."""

MAX_STALE = 3
"""Stale nonces in a row that are answered again. A server that calls each of its nonces stale is broken."""

_ANSWERED_BY = {"WWW-Authenticate": "Authorization", "Proxy-Authenticate": "Proxy-Authorization"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are at a peer. ``realm`` None answers whatever realm asks."""

    username: str
    password: Secret
    realm: str | None = None


@dataclass(slots=True)
class _Space:
    """One protection space: the challenge that counts there, and how often its nonce was used."""

    challenge: DigestChallenge
    cnonce: str
    count: int = 0
    is_unproven: bool = False
    """Answered, and nobody has said yet that the answer was good."""
    stale_in_a_row: int = 0


class DigestClient:
    """Answers the challenges that one sequence of requests meets: a registration, or a call with its dialog.

    Use ``authorize`` for each request, ``answer`` for each 401 and 407, ``accepted`` for any other final response.
    The strongest challenge of a realm is answered, which RFC 8760 §2.4 leaves to local policy. ``userhash`` is not
    used: names of trunks are no secret to the carrier that gave them.
    """

    def __init__(self, credentials: Credentials, ids: IdSource) -> None:
        self._credentials = credentials
        self._ids = ids
        self._spaces: dict[tuple[str, str], _Space] = {}

    def answer(self, response: Response, method: str, uri: str, body: bytes = b"") -> HeaderFields | None:
        """The Authorization and Proxy-Authorization fields with which the refused request is to be sent once more.

        None: do not. The same nonce was refused without ``stale``, the credentials were refused, they are for another
        realm, or nothing that is asked for is known to us.
        """
        challenges = _strongest(response)
        if not challenges:
            return None
        fresh = [self._take(key, challenge) for key, challenge in challenges.items()]
        if not all(fresh):
            return None
        return self._fields(method, uri, body)

    def authorize(self, method: str, uri: str, body: bytes = b"") -> HeaderFields:
        """The same fields for a new request, with the nonces that were accepted before; none before a challenge."""
        for space in self._spaces.values():
            space.is_unproven = False
        return self._fields(method, uri, body)

    def accepted(self, response: Response) -> None:
        """A final response other than 401 and 407: the credentials served. It may name the nonce to use next."""
        for space in self._spaces.values():
            space.is_unproven = False
            space.stale_in_a_row = 0
        for key, header in (
            ("Authorization", "Authentication-Info"),
            ("Proxy-Authorization", "Proxy-Authentication-Info"),
        ):
            self._take_next_nonce(key, response.headers.get(header))

    def forget(self) -> None:
        """Drop every nonce: the next request goes out bare."""
        self._spaces.clear()

    def _take_next_nonce(self, answered_by: str, value: str | None) -> None:
        spaces = [space for (name, _), space in self._spaces.items() if name == answered_by]
        if value is None or len(spaces) != 1:
            return
        try:
            nonce = parse_params(value).get("nextnonce")
        except SipParseError:
            return
        if nonce and quoted(nonce) != quoted(spaces[0].challenge.nonce):
            _renew(spaces[0], quote_string(nonce), self._ids.token(16))

    def _take(self, key: tuple[str, str], challenge: DigestChallenge) -> bool:
        """Whether this challenge may be answered; remembers it when so."""
        realm = self._credentials.realm
        if realm is not None and unquote_string(challenge.realm) != realm:
            return False
        known = self._spaces.get(key)
        stale_in_a_row = 0
        if known is not None:
            if challenge.is_stale:
                stale_in_a_row = known.stale_in_a_row + 1
                if stale_in_a_row > MAX_STALE:
                    return False
            elif known.is_unproven or known.challenge.nonce == challenge.nonce:
                self._spaces.pop(key)
                return False
        elif len(self._spaces) >= MAX_REALMS:
            return False
        self._spaces[key] = _Space(challenge, self._ids.token(16), 0, True, stale_in_a_row)
        return True

    def _fields(self, method: str, uri: str, body: bytes) -> HeaderFields:
        return tuple((name, self._value(space, method, uri, body)) for (name, _), space in self._spaces.items())

    def _value(self, space: _Space, method: str, uri: str, body: bytes) -> str:
        challenge = space.challenge
        space.count += 1
        qop = challenge.qop or ""
        nc = f"{space.count:08x}" if qop else ""
        algorithm = challenge.algorithm or MD5
        username = self._credentials.username
        answer = DigestInput(
            algorithm=algorithm,
            username=username,
            realm=unquote_string(challenge.realm),
            password=self._credentials.password.reveal(),
            nonce=unquote_string(challenge.nonce),
            method=method,
            uri=uri,
            body=body,
            qop=qop,
            nc=nc,
            cnonce=space.cnonce,
        ).response()
        fields = [
            f"username={quote_string(username)}",
            f"realm={quoted(challenge.realm)}",
            f"nonce={quoted(challenge.nonce)}",
            f"uri={quote_string(uri)}",
            f'response="{answer}"',
        ]
        if challenge.has_algorithm:
            fields.append(f"algorithm={algorithm}")
        if challenge.opaque is not None:
            fields.append(f"opaque={quoted(challenge.opaque)}")
        if qop:
            fields += [f"qop={qop}", f"nc={nc}"]
        if qop or algorithm.is_session:
            fields.append(f'cnonce="{space.cnonce}"')
        return "Digest " + ", ".join(fields)


def _strongest(response: Response) -> dict[tuple[str, str], DigestChallenge]:
    """By answering header and realm, the strongest challenge we can answer; {} when one realm has none such."""
    found: dict[tuple[str, str], DigestChallenge] = {}
    for asked_by, answered_by in _ANSWERED_BY.items():
        for challenge in _challenges(response.headers.get_all(asked_by)):
            key = (answered_by, unquote_string(challenge.realm))
            known = found.get(key)
            if known is None or _rank(challenge) < _rank(known):
                found[key] = challenge
    if not all(challenge.is_answerable for challenge in found.values()):
        return {}
    return found


def _challenges(values: Iterable[str]) -> Iterable[DigestChallenge]:
    for params in parse_digest_headers(values):
        try:
            yield DigestChallenge.of(params)
        except SipParseError:
            continue


def _rank(challenge: DigestChallenge) -> tuple[bool, int, bool]:
    """Answerable before not, strong before weak, with a quality of protection before without."""
    weakness = challenge.algorithm.weakness if challenge.algorithm else 0
    return not challenge.is_answerable, weakness, not challenge.qop


def _renew(space: _Space, nonce: str, cnonce: str) -> None:
    old = space.challenge
    space.challenge = DigestChallenge(
        old.realm, nonce, old.opaque, old.algorithm, old.has_algorithm, old.qops, is_stale=False
    )
    space.cnonce = cnonce
    space.count = 0
