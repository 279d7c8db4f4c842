"""REGISTER answered (RFC 3261 §10.3; Path of RFC 3327; the registrar of RFC 5626 §6, which is its own edge proxy).

GRUUs (RFC 5627) are not made: nobody has to reach a phone by its instance from outside. Any host in To and Request-URI
is ours, for a gateway answers to all its names; the user part names the account.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.base.clock import utc_now
from gateway.sip.address import Address
from gateway.sip.digest import Challenge, DigestServer, Wrong
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError
from gateway.sip.headers import Header
from gateway.sip.message import Request
from gateway.sip.reason import reason_phrase
from gateway.sip.registrar.binding import Binding, WantedContact, parse_expires
from gateway.sip.registrar.bindings import Bindings, RegistrationEvent
from gateway.sip.uri import SipUri
from gateway.sip.validation import Refusal

MAX_PATH_CHARS = 2048
"""Of all Path elements of a binding together."""

_MAX_CALL_ID_CHARS = 512
_MAX_USER_AGENT_CHARS = 128
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class RegistrarConfig:
    """Who may register, and for how long. Times are seconds."""

    accounts: Mapping[str, int] = field(default_factory=dict)
    """Account name to how many contacts it may have at once."""
    min_expires_s: int = 60
    """Less gets 423, but for 0."""
    default_expires_s: int = 3600
    """What is granted to who asks for nothing."""
    max_expires_s: int = 3600
    """What is granted to who asks for more: a phone that is gone is noticed within this time."""
    flow_timer_s: int = 120
    """How often a phone with outbound is to ping its flow (RFC 5626 §5.4)."""


@dataclass(frozen=True, slots=True)
class RegisterAnswer:
    """What to answer. ``rule`` "" for 200 and for a challenge, which refuses nobody.

    ``account`` is None while nobody has proved who they are: then no state may be kept of the request.
    """

    status: int
    headers: tuple[Header, ...] = ()
    account: str | None = None
    rule: str = ""
    reason: str | None = None


class Registrar:
    """Bindings of all accounts. ``digest`` guards them, and the calls of the same phones: one realm, one set of nonces.

    The user agent drives it: ``receive``, ``handle_timeout``, ``flow_failed``, then ``next_event`` until there is none.
    """

    def __init__(
        self, config: RegistrarConfig, digest: DigestServer, *, wall_clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.digest = digest
        self._config = config
        self._wall_clock = wall_clock
        self._events: deque[RegistrationEvent] = deque()
        self._bindings = Bindings(self._events.append)

    def __len__(self) -> int:
        """Live bindings."""
        return len(self._bindings)

    @property
    def has_accounts(self) -> bool:
        """Whether anybody could register."""
        return bool(self._config.accounts)

    @property
    def accounts_registered(self) -> int:
        """Accounts with a live binding."""
        return len(self._bindings.accounts)

    @property
    def flows(self) -> Iterable[Flow]:
        """Flows that bindings live on: their connections are not idle."""
        return self._bindings.flows

    def apply(self, config: RegistrarConfig) -> None:
        """Other accounts or times from here on. Bindings of accounts that are gone end."""
        self._config = config
        for account in self._bindings.accounts:
            if account not in config.accounts:
                self._bindings.forget(account)

    def forget(self, account: str) -> None:
        """The account has another password: whoever registered with the old one is registered no more."""
        self._bindings.forget(account)

    def contacts(self, account: str, now: float) -> list[Binding]:
        """Where a call to ``account`` goes: the preferred contact first, of equals the latest."""
        live = [binding for binding in self._bindings.of(account).values() if binding.expires_at > now]
        return sorted(live, key=lambda binding: (-binding.q, -binding.registered_at))

    def bindings(self, now: float) -> list[Binding]:
        """Every live binding."""
        return [binding for account in sorted(self._bindings.accounts) for binding in self.contacts(account, now)]

    def handle_timeout(self, now: float) -> None:
        """End what has expired."""
        self._bindings.expire(now)

    def next_deadline(self) -> float | None:
        """When the next binding expires."""
        return self._bindings.next_deadline()

    def flow_failed(self, flow: Flow) -> None:
        """Bindings that lived on a connection end with it."""
        self._bindings.flow_failed(flow)

    def next_event(self) -> RegistrationEvent | None:
        """The oldest event not yet handed over."""
        return self._events.popleft() if self._events else None

    def receive(self, request: Request, flow: Flow, now: float, account: str | None = None) -> RegisterAnswer:
        """A REGISTER that came on ``flow``. ``account``: who the door has found it to be from, if it has asked."""
        self._bindings.expire(now)
        if account is None:
            outcome = self.digest.check(request, now, flow.remote[0])
            if isinstance(outcome, Challenge):
                return RegisterAnswer(401, outcome.headers)
            if isinstance(outcome, Wrong):
                return RegisterAnswer(403, rule=outcome.rule)
            account = outcome.username
        if account not in self._config.accounts:
            return RegisterAnswer(403, rule="unknown_account")
        try:
            return self._receive_verified(_Registration(request, flow, account), now)
        except SipParseError as error:
            return RegisterAnswer(error.status, account=account, rule="malformed_register", reason=str(error))

    def _receive_verified(self, asked: _Registration, now: float) -> RegisterAnswer:
        to = asked.request.to.uri
        if not isinstance(to, SipUri) or to.decoded_user != asked.account:
            return RegisterAnswer(403, account=asked.account, rule="registration_hijack")
        before = self._bindings.of(asked.account)
        after = self._removed(asked, before) if asked.is_star else self._updated(asked, before, now)
        if isinstance(after, Refusal):
            return RegisterAnswer(after.status, after.headers, asked.account, after.rule, after.reason)
        self._bindings.replace(asked.account, after, now)
        return RegisterAnswer(200, self._accepted_headers(asked, now), asked.account)

    # What becomes of the bindings

    def _removed(self, asked: _Registration, before: dict[int, Binding]) -> dict[int, Binding] | Refusal:
        """``Contact: *``: all of them go."""
        if asked.expires_s != 0 or asked.request.headers.count("Contact") != 1:
            return Refusal(400, "Contact * needs Expires: 0 and stands alone", "contact_star")
        return next((_OUT_OF_ORDER for binding in before.values() if asked.is_late_for(binding)), {})

    def _updated(self, asked: _Registration, before: dict[int, Binding], now: float) -> dict[int, Binding] | Refusal:
        """All of the request or nothing of it (RFC 3261 §10.3 step 7)."""
        refusal = asked.check_flows()
        if refusal is not None:
            return refusal
        after = dict(before)
        for wanted in asked.contacts:
            expires_s = self._granted_s(asked, wanted)
            if isinstance(expires_s, Refusal):
                return expires_s
            number = next((number for number, binding in after.items() if binding.is_of(wanted)), None)
            old = None if number is None else before.get(number)
            if old is not None and asked.is_late_for(old):
                return _OUT_OF_ORDER
            if expires_s > 0:
                after[number or self._bindings.next_number()] = asked.binding(wanted, now, expires_s)
            elif number is not None:
                del after[number]
            if len(after) > max(self._config.accounts[asked.account], len(before)):
                return Refusal(403, "Too many contacts", "too_many_contacts")
        return after

    def _granted_s(self, asked: _Registration, wanted: WantedContact) -> int | Refusal:
        """Its own expires, else the request's, else ours, and no more than our longest; 423 below our shortest."""
        config = self._config
        expires_s = wanted.expires_s
        if expires_s is None:
            expires_s = config.default_expires_s if asked.expires_s is None else asked.expires_s
        if 0 < expires_s < config.min_expires_s:
            return Refusal(423, reason_phrase(423), "min_expires", (("Min-Expires", str(config.min_expires_s)),))
        return min(expires_s, config.max_expires_s)

    def _accepted_headers(self, asked: _Registration, now: float) -> tuple[Header, ...]:
        headers = [("Contact", binding.contact(now)) for binding in self.contacts(asked.account, now)]
        headers += [("Path", element) for element in asked.path]
        if any(wanted.reg_id is not None for wanted in asked.contacts):
            headers += [("Require", "outbound"), ("Flow-Timer", str(self._config.flow_timer_s))]
        headers += [("Supported", "path, outbound"), ("Date", sip_date(self._wall_clock()))]
        return tuple(headers)


_OUT_OF_ORDER = Refusal(500, "CSeq is not higher than before", "register_out_of_order")
"""RFC 3261 §10.3 lets such a request fail without saying how; in dialogs it is 500 (§12.2.2)."""


class _Registration:
    """A REGISTER whose sender is known, read once. Raises SipParseError."""

    def __init__(self, request: Request, flow: Flow, account: str) -> None:
        self.request = request
        self.flow = flow
        self.account = account
        self.path = _read_path(request)
        self.is_outbound = "outbound" in _option_tags(request)
        expires = request.headers.get("Expires")
        self.expires_s = None if expires is None else parse_expires(expires)
        self.is_star = request.headers.get("Contact") == "*"
        self.contacts = [WantedContact.of(address, is_outbound=self.is_outbound) for address in request.contacts]
        if len(request.call_id) > _MAX_CALL_ID_CHARS:
            raise SipParseError("Call-ID is too long")

    def is_late_for(self, binding: Binding) -> bool:
        """The same sender has said something newer already."""
        return binding.call_id == self.request.call_id and self.request.cseq.number <= binding.cseq

    def check_flows(self) -> Refusal | None:
        """One flow for each REGISTER, over a first hop that keeps it (RFC 5626 §6)."""
        flows = [wanted for wanted in self.contacts if wanted.reg_id is not None]
        if len(flows) > 1:
            return Refusal(400, "More than one Contact with reg-id", "several_flows")
        if not flows or len(self.request.vias) == 1:
            return None
        if self.path:
            first_hop = Address.parse(self.path[-1]).uri
            if isinstance(first_hop, SipUri) and "ob" in first_hop.params:
                return None
        return Refusal(439, "First Hop Lacks Outbound Support", "first_hop_without_outbound")

    def binding(self, wanted: WantedContact, now: float, expires_s: int) -> Binding:
        """What is kept of it."""
        return Binding(
            account=self.account,
            uri=str(wanted.uri),
            flow=self.flow,
            expires_at=now + expires_s,
            q=wanted.q,
            path=self.path,
            instance=wanted.instance,
            reg_id=wanted.reg_id,
            call_id=self.request.call_id,
            cseq=self.request.cseq.number,
            registered_at=now,
            user_agent=(self.request.headers.get("User-Agent") or "")[:_MAX_USER_AGENT_CHARS],
        )


def _read_path(request: Request) -> tuple[str, ...]:
    """Path elements as written, the nearest to us first: the order of the Route to the phone (RFC 3327 §5.3)."""
    elements = request.headers.split("Path")
    if sum(map(len, elements)) > MAX_PATH_CHARS or any("\0" in element for element in elements):
        raise SipParseError("Path is too long")
    for element in elements:
        if not isinstance(Address.parse(element).uri, SipUri):
            raise SipParseError("Path is no SIP URI")
    return tuple(elements)


def _option_tags(request: Request) -> set[str]:
    return {tag.lower() for name in ("Supported", "Require") for tag in request.headers.split(name)}


def sip_date(at: datetime) -> str:
    """RFC 3261 §20.17: in English and GMT, whatever the locale. ``at`` is UTC."""
    return (
        f"{_WEEKDAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} GMT"
    )
