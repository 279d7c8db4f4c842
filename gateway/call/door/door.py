"""The door: who is heard, who may enter and as whom, how often, and who is kept out. Pure: time is an argument.

Two questions, asked by the user agent. ``hears`` comes first, by address alone, before a byte is parsed. ``admit``
comes with the request, when it belongs to no transaction and to no call that lives on the host it came from.

Whose request it is, in this order: of the trunk that lists its source; of a trunk that vouches for the source (we have
registered there, or are calling there); of the account or trunk whose password it proves. Everybody else is a stranger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from gateway.base.redact import Secret
from gateway.call.door.bans import BanEvent, BanRule, Bans
from gateway.call.door.rate_limits import RateLimits, TokenBucket
from gateway.call.door.scanners import dials_like_scanner, names_scanner
from gateway.settings.match import trunk_table
from gateway.settings.schema import Settings
from gateway.settings.templates import clean_value
from gateway.sip.admission import Admission, Allow, Challenge, Refuse, Silence
from gateway.sip.digest import Challenge as DigestChallenge
from gateway.sip.digest import Credentials, DigestServer, Verified
from gateway.sip.digest.values import parse_digest_headers
from gateway.sip.events import CallCancelled, CallConfirmed, CallEnded, CallOffered, CallRefused, Event
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError, unquote_string
from gateway.sip.message import Request
from gateway.sip.source import source_key
from gateway.trunks.credentials import trunk_credentials

UNKNOWN_CALLERS = "unknown_callers"
REQUEST_RATE = "protection.requests_per_second"
STRANGERS_RATE = "strangers"
INVITE_RATE = "protection.invites_per_second"
UNCONFIRMED = "protection.unconfirmed_invites"
BANNED = "protection.ban"
SCANNER = "protection.scanners"
TRUNK_RATE = "trunks.calls_per_second"
TRUNK_USER = "trunks.username"
UNKNOWN_ACCOUNT = "unknown_account"

_RETRY_AFTER_S = 2
"""In the 503 of a limit: a source that is refused for its rate may come again soon."""
_LEAST_UNCONFIRMED = 10
STRANGERS_PER_S = 1000
"""Messages of all strangers together that are read in a second, from however many sources: the rest of the time belongs
to the calls that are up."""
_NEVER_CHALLENGED = ("ACK", "CANCEL")
"""RFC 3261 §22.1: neither can be sent again with credentials."""


class Door:
    """Owns everything a source is remembered by. ``key`` is the node's secret for nonces."""

    def __init__(
        self,
        settings: Settings,
        *,
        key: bytes,
        is_in_call: Callable[[str], bool],
        tell: Callable[[BanEvent], None],
    ) -> None:
        """``is_in_call``: whether a call lives on this host. ``tell`` is called when a source is banned or released."""
        self._key = key
        self._is_in_call = is_in_call
        self._users: dict[str, dict[str, tuple[Allow, Secret]]] = {}
        self._digests: dict[str, DigestServer] = {}
        self._requests = RateLimits(settings.protection.requests_per_second)
        self._invites = RateLimits(settings.protection.invites_per_second)
        self._strangers: TokenBucket | None = None
        self._bans = Bans(_ban_rule(settings), tell)
        self._trunk_rates: dict[str, tuple[float, TokenBucket]] = {}
        self._vouched: dict[str, frozenset[str]] = {}
        self._vouchers: dict[str, dict[str, str]] = {}
        self._unconfirmed: dict[str, tuple[str, ...]] = {}
        self._unconfirmed_of: Counter[str] = Counter()
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Other settings from here on. What is known of sources, and nonces that are out, stay good."""
        self._settings = settings
        self._realm = settings.node.name
        self._trunks = trunk_table(settings.trunks)
        self._users = _users(settings)
        for realm in self._users:
            if realm not in self._digests:
                self._digests[realm] = DigestServer(realm, self._key, self._password_in(realm))
        for digest in self._digests.values():
            digest.offer(settings.sip.digest)
        self._requests.apply(settings.protection.requests_per_second)
        self._invites.apply(settings.protection.invites_per_second)
        self._bans.apply(_ban_rule(settings))
        rates = {name: trunk.calls_per_second for name, trunk in settings.trunks.items()}
        self._trunk_rates = {name: kept for name, kept in self._trunk_rates.items() if rates.get(name) == kept[0]}
        limit = settings.protection.unconfirmed_invites
        half = max(_LEAST_UNCONFIRMED, settings.inworld.max_sessions // 2)
        self._unconfirmed_limit = limit or half
        self._unconfirmed_of_trunk = max(half, self._unconfirmed_limit)
        self._knows_pages = bool(settings.sip.websocket.origins)

    @property
    def digest(self) -> DigestServer:
        """Guards the node's own realm: all accounts, and trunks that have no realm of their own."""
        return self._digests[self._realm]

    @property
    def banned(self) -> int:
        """Bans in force."""
        return len(self._bans)

    # Who is known otherwise

    def vouch(self, holder: str, trunk: str, hosts: Iterable[str]) -> None:
        """From now on, until ``withdraw``, these IP addresses are the trunk's: we have registered there, or are calling
        there. ``trunk`` "" lets them be heard, and no more. ``holder`` names the call or registration."""
        self.withdraw(holder)
        self._vouched[holder] = frozenset(hosts)
        for host in self._vouched[holder]:
            self._vouchers.setdefault(host, {})[holder] = trunk

    def withdraw(self, holder: str) -> None:
        """The call or registration is over."""
        for host in self._vouched.pop(holder, ()):
            vouchers = self._vouchers[host]
            del vouchers[holder]
            if not vouchers:
                del self._vouchers[host]

    def trunk_of(self, host: str) -> str | None:
        """The trunk that this source belongs to by its address, "" when it is only to be heard; None for others."""
        trunk = self._trunks.find(host)
        if trunk is not None:
            return trunk
        vouchers = self._vouchers.get(host)
        if vouchers is None:
            return None
        return next((trunk for trunk in vouchers.values() if trunk in self._settings.trunks), "")

    def _trunk_at(self, flow: Flow) -> str | None:
        """``trunk_of`` where the address says who it is. Over WebSocket any page that is read there may speak, unless
        the settings name the pages that may."""
        return None if flow.is_websocket and not self._knows_pages else self.trunk_of(flow.remote[0])

    def credentials(self, admission: Allow, flow: Flow) -> Credentials | None:
        """What answers a challenge within a call of the trunk that was let in, at the trunk's own hosts: whoever has
        proved its password from elsewhere is not told it back."""
        if not admission.trunk or self._trunk_at(flow) != admission.trunk:
            return None
        return trunk_credentials(self._settings.trunks.get(admission.trunk))

    # The questions

    def hears(self, flow: Flow, now: float) -> str | None:
        """The rule by which this source gets silence without being read at all; None when it is listened to."""
        host = flow.remote[0]
        # Who is in a call is heard to its end, also when a reload has dropped the trunk meanwhile, or a ban came.
        if self._trunk_at(flow) is not None or self._is_in_call(host):
            return None
        if not self._takes_strangers and self._settings.unknown_callers == "silence":
            return UNKNOWN_CALLERS
        source = source_key(host)
        if self._bans.bans(source, now):
            return BANNED
        if not self._requests.take(source, now):
            return REQUEST_RATE
        return None if self._bans.is_known(source, now) or self._take_of_strangers(now) else STRANGERS_RATE

    def knows(self, flow: Flow, now: float) -> bool:
        """Whether this source is a trunk's, is in a call, or has proved a password lately: it has room where strangers
        have taken all that they may."""
        host = flow.remote[0]
        is_known = self._bans.is_known(source_key(host), now)
        return is_known or self._trunk_at(flow) is not None or self._is_in_call(host)

    def admit(self, request: Request, flow: Flow, now: float) -> Admission:
        """Whether this request may go on, and as whose."""
        trunk = self._trunk_at(flow)
        # Phones may stand in a trunk's network: who registers must be an account wherever it is.
        if request.method == "REGISTER" and self._settings.accounts:
            return self._admit_by_proof(request, flow, now)
        if trunk:
            if self._settings.trunks[trunk].challenge and request.method not in _NEVER_CHALLENGED:
                return self._admit_by_proof(request, flow, now, trunk)
            return self._admit_as(Allow(trunk=trunk), request, flow, now)
        return self._admit_stranger(request, flow, now)

    # What has become of it

    def note(self, event: Event) -> None:
        """What the user agent tells: which offered calls are confirmed by an ACK, or over."""
        match event:
            case CallOffered(call=call, flow=flow, admission=admission):
                holders = (source_key(flow.remote[0]), *([_holder(admission.trunk)] if admission.trunk else []))
                self._unconfirmed[call] = holders
                self._unconfirmed_of.update(holders)
            case CallConfirmed(call=call) | CallCancelled(call=call) | CallEnded(call=call) | CallRefused(call=call):
                self._unconfirmed_of -= Counter(self._unconfirmed.pop(call, ()))  # drops what falls to zero
            case _:
                pass

    # Trunks

    def _admit_as(self, allowed: Allow, request: Request, flow: Flow, now: float) -> Admission:
        """Whose request it is is known: is it one too many?"""
        if not _opens_call(request):
            return allowed
        if self._unconfirmed_of[source_key(flow.remote[0])] >= self._unconfirmed_limit:
            return _later(UNCONFIRMED)
        if self._unconfirmed_of[_holder(allowed.trunk)] >= self._unconfirmed_of_trunk:
            return _later(UNCONFIRMED)
        if allowed.trunk and not self.takes_call(allowed.trunk, now):
            return _later(TRUNK_RATE)
        if self._trunk_at(flow) is None and not self._invites.take(source_key(flow.remote[0]), now):
            return _later(INVITE_RATE)
        return allowed

    def takes_call(self, trunk: str, now: float) -> bool:
        """Whether the trunk's rate has room for one more call, which is counted: one that came in, or one to place."""
        settings = self._settings.trunks.get(trunk)
        rate = settings.calls_per_second if settings is not None else None
        if rate is None:
            return True
        if trunk not in self._trunk_rates:
            self._trunk_rates[trunk] = (rate, TokenBucket(rate, now))
        return self._trunk_rates[trunk][1].take(now)

    # Strangers

    @property
    def _takes_strangers(self) -> bool:
        """Whether somebody could prove a password."""
        return any(self._users.values())

    def _admit_stranger(self, request: Request, flow: Flow, now: float) -> Admission:
        source = source_key(flow.remote[0])
        if self._bans.bans(source, now):
            return Silence(BANNED)
        is_known = self._bans.is_known(source, now)
        policy = self._settings.protection.scanners
        if policy != "off" and (names_scanner(request) or (not is_known and dials_like_scanner(request))):
            return Refuse(403, "Forbidden", SCANNER) if policy == "403" else Silence(SCANNER)
        if not self._takes_strangers or request.method in _NEVER_CHALLENGED:
            return self._turn_away()
        if request.method == "OPTIONS" and not request.headers.get("Authorization"):
            # A phone that has registered asks whether we are there; whoever looks for gateways learns nothing.
            return Allow() if is_known else self._turn_away()
        return self._admit_by_proof(request, flow, now)

    def _take_of_strangers(self, now: float) -> bool:
        if self._strangers is None:
            self._strangers = TokenBucket(STRANGERS_PER_S, now)
        return self._strangers.take(now)

    def _turn_away(self) -> Admission:
        if self._settings.unknown_callers == "403":
            return Refuse(403, "Forbidden", UNKNOWN_CALLERS)
        return Silence(UNKNOWN_CALLERS)

    # Proof

    def _admit_by_proof(self, request: Request, flow: Flow, now: float, trunk: str = "") -> Admission:
        """By digest. ``trunk``: the only one that will do, besides accounts."""
        source = source_key(flow.remote[0])
        realm = self._realm_for(request, trunk)
        username = _username(request, realm)
        if username and self._bans.refuses(source, username, now):
            return Refuse(403, "Forbidden", BANNED)
        outcome = self._digests[realm].check(request, now, flow.remote[0])
        if isinstance(outcome, DigestChallenge):
            return Challenge(outcome.headers)
        if not isinstance(outcome, Verified):
            is_trunk = bool(self._trunk_at(flow))
            self._bans.failed(source, username, now, is_trusted=is_trunk)
            return Refuse(403, "Forbidden", outcome.rule)
        self._bans.succeeded(source, username, now)
        allowed, _ = self._users[realm][outcome.username]
        if trunk and allowed.trunk not in ("", trunk):
            return Refuse(403, "Forbidden", TRUNK_USER)
        if request.method == "REGISTER" and not allowed.account:
            return Refuse(403, "Forbidden", UNKNOWN_ACCOUNT)
        return self._admit_as(allowed, request, flow, now)

    def _realm_for(self, request: Request, trunk: str) -> str:
        """The realm of the trunk, else the one the credentials are for, else the one that From names, else our own."""
        own = self._settings.trunks[trunk].realm if trunk else None
        if own is not None:
            return own
        named = [credentials["realm"] for credentials in _credentials(request)]
        return next((realm for realm in (*named, _from_host(request)) if realm in self._users), self._realm)

    def _password_in(self, realm: str) -> Callable[[str], Secret | None]:
        def password(username: str) -> Secret | None:
            found = self._users.get(realm, {}).get(username)
            return None if found is None else found[1]

        return password


def _users(settings: Settings) -> dict[str, dict[str, tuple[Allow, Secret]]]:
    """Realm to user name to whose name that is, with its password."""
    users: dict[str, dict[str, tuple[Allow, Secret]]] = {settings.node.name: {}}
    for name, account in settings.accounts.items():
        users[settings.node.name][name] = (Allow(account=name), account.password)
    for name, trunk in settings.trunks.items():
        if trunk.challenge and trunk.username is not None and trunk.password is not None:
            users.setdefault(trunk.realm or settings.node.name, {})[trunk.username] = (
                Allow(trunk=name),
                trunk.password,
            )
    return users


def _ban_rule(settings: Settings) -> BanRule | None:
    ban = settings.protection.ban
    return None if ban is None else BanRule(ban.failures, ban.within_s, ban.for_s)


def _later(rule: str) -> Refuse:
    return Refuse(503, "Service Unavailable", rule, (("Retry-After", str(_RETRY_AFTER_S)),))


def _holder(trunk: str) -> str:
    """All sources of a trunk together: whoever forges one of them can forge each. No source has a blank in it."""
    return f"trunk {trunk}"


def _opens_call(request: Request) -> bool:
    try:
        return request.method == "INVITE" and not request.to.tag
    except SipParseError:
        return False


def _username(request: Request, realm: str) -> str:
    """The name that the credentials for this realm give, fit to be remembered and told."""
    for credentials in _credentials(request):
        if credentials["realm"] == realm:
            return clean_value(credentials["username"])[:64]
    return ""


def _credentials(request: Request) -> list[dict[str, str]]:
    """``realm`` and ``username`` of each Authorization."""
    found = parse_digest_headers(request.headers.get_all("Authorization"))
    return [{name: unquote_string(params.get(name, "")) for name in ("realm", "username")} for params in found]


def _from_host(request: Request) -> str:
    try:
        return str(getattr(request.from_.uri, "host", ""))
    except SipParseError:
        return ""
