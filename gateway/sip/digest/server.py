"""The server of digest authentication (RFC 3261 §22.1, RFC 7616 §3.3): challenges, and judges the answers.

A nonce carries the time it was made and a keyed hash over that and its source, so a challenge costs no memory; only a
nonce that was used with the right password is remembered, to refuse its replay. An answer is looked at only when its
nonce was made for the source it comes from: whoever forges a source cannot fail in its name.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from gateway.base.redact import Secret
from gateway.sip.digest.values import Algorithm, DigestInput, DigestResponse, parse_count, parse_digest_headers
from gateway.sip.grammar import SipParseError, quote_string
from gateway.sip.message import Request
from gateway.sip.uri import SipUri, Uri, parse_uri

NONCE_LIFETIME_S = 300.0
"""How long a nonce is good for. A phone that registers every few minutes needs one challenge each time."""

ALGORITHMS = ("MD5",)
"""What is offered unless told. RFC 8760 §2.3 has a challenge for each, the strongest first; but much equipment
reads only the first one, and some gives up when any of them is unknown to it."""

MAX_NONCES = 20_000
"""Used nonces remembered. Beyond, the oldest are forgotten, and every nonce as old as they are counts as stale."""

REPLAY_WINDOW = 64
"""How far behind the highest nonce count a request may come, each count once: datagrams overtake one another."""

_MAC_HEX = 32
_TIME_HEX = 12
_SALT_HEX = 16


@dataclass(frozen=True, slots=True)
class Verified:
    """The request was made by somebody who knows the password of ``username``."""

    username: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """Answer 401 with ``headers``. ``is_stale``: the password was right, the nonce is used up or too old."""

    headers: tuple[tuple[str, str], ...]
    is_stale: bool


@dataclass(frozen=True, slots=True)
class Wrong:
    """The credentials are wrong: answer 403, and count it against the source, which has seen our challenge.

    An unknown user and a wrong password have the same ``rule`` and take the same time, so names cannot be found out.
    ``headers`` are those of a new challenge, for who prefers to answer 401.
    """

    username: str
    rule: str
    headers: tuple[tuple[str, str], ...] = ()


Outcome = Verified | Challenge | Wrong


@dataclass(slots=True)
class _UsedNonce:
    """The highest count seen, and below it a bit for each of the last ``REPLAY_WINDOW`` counts."""

    issued_ms: int
    highest: int = 0
    seen: int = 0

    def take(self, count: int) -> bool:
        """False when this count was used, or may have been."""
        if count > self.highest:
            shift = count - self.highest
            self.seen = ((self.seen << shift) | 1) & ((1 << REPLAY_WINDOW) - 1) if shift < REPLAY_WINDOW else 1
            self.highest = count
            return True
        behind = self.highest - count
        if count == 0 or behind >= REPLAY_WINDOW or self.seen >> behind & 1:
            return False
        self.seen |= 1 << behind
        return True


class DigestServer:
    """Guards one realm. ``key`` is the node's secret for nonces; ``passwords`` knows the users.

    ``uri`` of the credentials may differ from the Request-URI, for proxies rewrite that (RFC 3261 §22.4): only another
    user in it is refused. Neither ACK nor CANCEL can be challenged (§22.1): do not ask for them.
    """

    def __init__(
        self,
        realm: str,
        key: bytes,
        passwords: Callable[[str], Secret | None],
        algorithms: tuple[str, ...] = ALGORITHMS,
        *,
        qops: tuple[str, ...] = ("auth",),
        nonce_lifetime_s: float = NONCE_LIFETIME_S,
        max_nonces: int = MAX_NONCES,
    ) -> None:
        self._realm = realm
        self._key = key
        self._passwords = passwords
        self.offer(algorithms)
        self._qops = qops
        self._lifetime_ms = round(nonce_lifetime_s * 1000)
        self._max_nonces = max_nonces
        self._used: dict[str, _UsedNonce] = {}
        self._forgotten_until_ms = -1
        self._decoy = self._mac("nobody has this password")

    @property
    def nonces(self) -> int:
        """Used nonces that are remembered."""
        return len(self._used)

    def offer(self, algorithms: tuple[str, ...]) -> None:
        """Challenge with these from here on, in this order, and accept no others."""
        self._algorithms = tuple(_known(name) for name in algorithms)

    def check(self, request: Request, now: float, source: str = "") -> Outcome:
        """Who sent this? ``now`` is monotonic seconds, ``source`` the address it came from. Never raises, whatever the
        request holds.

        A nonce that is not ours, too old or another source's is told stale whatever the password (RFC 7616 §3.3), so
        that it is no way to try passwords.
        """
        credentials = self._credentials_of(request)
        if credentials is None or credentials.algorithm is None:
            return self.challenge(request, now, source)
        if not any(credentials.algorithm.name == offered.name for offered in self._algorithms):
            return self.challenge(request, now, source)
        if not self._is_fresh(credentials.nonce, now, source):
            return self.challenge(request, now, source, is_stale=True)
        if not self._is_right(credentials, request):
            return Wrong(credentials.username, "wrong_credentials", self.challenge(request, now, source).headers)
        if not _names_same_user(credentials.uri, request):
            return Wrong(credentials.username, "digest_uri", self.challenge(request, now, source).headers)
        if not self._is_first_use(credentials, now):
            return self.challenge(request, now, source, is_stale=True)
        return Verified(credentials.username)

    def challenge(self, request: Request, now: float, source: str = "", *, is_stale: bool = False) -> Challenge:
        """A challenge for each algorithm, in our order (RFC 8760 §2.3), all with the same nonce."""
        nonce = self._make_nonce(request, round(now * 1000), source)
        stale = ", stale=true" if is_stale else ""
        fields = (
            f'Digest realm={quote_string(self._realm)}, nonce="{nonce}", algorithm={algorithm}, '
            f'qop="{",".join(self._qops)}"{stale}'
            for algorithm in self._algorithms
        )
        return Challenge(tuple(("WWW-Authenticate", field) for field in fields), is_stale)

    def _credentials_of(self, request: Request) -> DigestResponse | None:
        """The first credentials for our realm: further ones cost their sender a try of their own."""
        for params in parse_digest_headers(request.headers.get_all("Authorization")):
            try:
                found = DigestResponse.of(params)
            except SipParseError:
                continue
            if found.realm == self._realm:
                return found
        return None

    def _is_right(self, given: DigestResponse, request: Request) -> bool:
        """Compared in constant time. For an unknown user the same work is done with a password that nobody has."""
        password = self._passwords(given.username)
        expected = DigestInput(
            algorithm=given.algorithm or self._algorithms[0],
            username=given.username,
            realm=self._realm,
            password=self._decoy if password is None else password.reveal(),
            nonce=given.nonce,
            method=request.method,
            uri=given.uri,
            body=request.body,
            qop=given.qop,
            nc=given.nc,
            cnonce=given.cnonce,
        ).response()
        is_equal = hmac.compare_digest(expected.encode(), given.response.encode("utf-8", "surrogateescape"))
        return is_equal and password is not None

    # Nonces

    def _make_nonce(self, request: Request, issued_ms: int, source: str) -> str:
        """Time, something of this request, and the hash that makes them ours."""
        names = ("Via", "Call-ID", "From", "CSeq")
        salt = self._mac("salt\n" + "\n".join(request.headers.get(name) or "" for name in names))[:_SALT_HEX]
        stem = f"{issued_ms:0{_TIME_HEX}x}{salt}"
        return stem + self._nonce_mac(stem, source)

    def _nonce_mac(self, stem: str, source: str) -> str:
        return self._mac(f"nonce\n{self._realm}\n{stem}\n{source}")[:_MAC_HEX]

    def _mac(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

    def _is_fresh(self, nonce: str, now: float, source: str) -> bool:
        """We made this nonce for this source, and not too long ago."""
        stem, mac = nonce[:-_MAC_HEX], nonce[-_MAC_HEX:]
        if len(stem) != _TIME_HEX + _SALT_HEX:
            return False
        if not hmac.compare_digest(self._nonce_mac(stem, source).encode(), mac.encode("utf-8", "surrogateescape")):
            return False
        return 0 <= round(now * 1000) - _issued_ms(nonce) < self._lifetime_ms

    def _is_first_use(self, given: DigestResponse, now: float) -> bool:
        """A count of a nonce that was not yet seen. Without ``qop`` the nonce serves once."""
        issued_ms = _issued_ms(given.nonce)
        now_ms = round(now * 1000)
        if issued_ms <= self._forgotten_until_ms:
            return False
        used = self._used.get(given.nonce)
        if used is None:
            self._make_room(now_ms)
            used = self._used[given.nonce] = _UsedNonce(issued_ms)
        # A count above all others leaves no further one: an answer without a count uses the nonce up.
        return used.take(parse_count(given.nc) if given.qop else 1 << 40)

    def _make_room(self, now_ms: int) -> None:
        if len(self._used) < self._max_nonces:
            return
        oldest_ms = now_ms - self._lifetime_ms
        self._used = {nonce: used for nonce, used in self._used.items() if used.issued_ms > oldest_ms}
        if len(self._used) < self._max_nonces:
            return
        ages = sorted(used.issued_ms for used in self._used.values())
        self._forgotten_until_ms = ages[len(ages) // 4]
        self._used = {nonce: used for nonce, used in self._used.items() if used.issued_ms > self._forgotten_until_ms}


def _issued_ms(nonce: str) -> int:
    """When a nonce of ours was made."""
    return int(nonce[:_TIME_HEX], 16)


def _known(name: str) -> Algorithm:
    algorithm = Algorithm.parse(name)
    if algorithm is None:
        raise ValueError(f"{name} is not a digest algorithm")
    return algorithm


def _names_same_user(uri: str, request: Request) -> bool:
    """Some phones leave the user out of the digest's URI; another user there is somebody else's request."""
    try:
        user = _user(parse_uri(uri))
        return user is None or user == _user(request.request_uri)
    except SipParseError:
        return uri == request.uri


def _user(uri: Uri) -> str | None:
    return uri.decoded_user if isinstance(uri, SipUri) else str(uri)
