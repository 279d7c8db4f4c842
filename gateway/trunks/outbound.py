"""Calls that go out: which trunk takes them, what the INVITE says, and over which hops it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.settings.schema import TrunkSettings
from gateway.sip.admission import Allow
from gateway.sip.events import CallRedirected, HopFailed
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError, escape_user
from gateway.sip.headers import HeaderFields
from gateway.sip.invite.invitation import Invitation, Target
from gateway.sip.invite.redirection import USE_PROXY
from gateway.sip.resolution import ResolutionError
from gateway.sip.uri import SipUri, TelUri, parse_uri
from gateway.trunks.allow_list import allows, allows_proxy, is_elsewhere, is_own_proxy, not_allowed
from gateway.trunks.caller_id import DEFAULT_USER, CallerId, check_own_headers
from gateway.trunks.credentials import trunk_credentials
from gateway.trunks.destination import Destination, OutboundRefused, parse_destination
from gateway.trunks.hops import Hops
from gateway.trunks.target_uri import loose, request_uri, uri_of_route

ACCOUNT_PREFIX = "account:"
"""What ``choose`` puts before the name of an account. No trunk has a colon in its name."""


class RegisteredContact(Protocol):
    """A binding of the registrar."""

    @property
    def uri(self) -> str:
        """The Contact."""

    @property
    def flow(self) -> Flow:
        """Where it registered from."""

    @property
    def path(self) -> tuple[str, ...]:
        """Path elements, nearest first (RFC 3327)."""


Contacts = Callable[[str], Sequence[RegisteredContact] | None]
"""The contacts of an account, best first; None when there is no such account."""


@dataclass(frozen=True, slots=True)
class Redirection:
    """What ``UserAgent.redirect`` needs to follow one contact of a ``CallRedirected``."""

    contact: str
    request_uri: str
    hops: tuple[Flow, ...]
    route: tuple[str, ...] | None = None
    """None: as before."""
    speaks_for: str = ""
    """As whose the requests count that come from those hops: a trunk's, or "", nobody's."""


def _nobody(_: str) -> None:
    return None


def _always_up(_: str) -> bool:
    return False


def _no_routes(_: str) -> tuple[str, ...]:
    return ()


def _local_host(flow: Flow) -> str:
    return flow.local[0]


class OutboundTrunks:
    """Makes invitations from the trunks of the settings. Everything it refuses, it refuses by ``OutboundRefused``.

    ``contacts`` knows the registered accounts, ``is_down`` the trunks that do not answer, ``service_route`` what a
    trunk's registrar wants in Route (RFC 3608), ``own_host`` our host on a flow as others know it.
    """

    def __init__(
        self,
        trunks: Mapping[str, TrunkSettings],
        *,
        hops: Hops,
        contacts: Contacts = _nobody,
        is_down: Callable[[str], bool] = _always_up,
        service_route: Callable[[str], Sequence[str]] = _no_routes,
        own_host: Callable[[Flow], str] = _local_host,
    ) -> None:
        self._trunks = trunks
        self._hops = hops
        self._contacts = contacts
        self._is_down = is_down
        self._service_route = service_route
        self._own_host = own_host

    def apply(self, trunks: Mapping[str, TrunkSettings]) -> None:
        """These trunks from now on. Calls that are under way keep theirs."""
        self._trunks = trunks

    # Which trunk

    def choose(self, to: str, trunk: str | None = None) -> str:
        """The name of the trunk that takes a call to ``to``; for a registered account ``account:`` and its name.

        With ``trunk`` only that one is asked. Without, an account of that name comes first, then the trunks in the
        order of the settings: the first that has targets, is not down, and whose ``allow_destinations`` fits.
        """
        destination = parse_destination(to)
        if trunk is not None:
            self._check(trunk, destination)
            return trunk
        if destination.uri is None and self._contacts(destination.user) is not None:
            return ACCOUNT_PREFIX + destination.user
        fitting = [
            name for name, settings in self._trunks.items() if settings.targets and allows(settings, destination)
        ]
        if not fitting:
            raise not_allowed("no trunk", destination)
        for name in fitting:
            if not self._is_down(name):
                return name
        text = f"no target answers OPTIONS: {', '.join(fitting)}; name the trunk to try all the same"
        raise OutboundRefused("trunks.down", text, status=503)

    def _check(self, name: str, destination: Destination) -> TrunkSettings:
        settings = self._trunks.get(name)
        if settings is None:
            text = f"there is no trunk {name!r}; there are: {', '.join(self._trunks) or 'none'}"
            raise OutboundRefused("trunks.unknown", text, status=404)
        if not allows(settings, destination):
            raise not_allowed(f"trunk {name}", destination)
        if not settings.targets:
            raise OutboundRefused("trunks.no_targets", f"trunk {name} takes calls only; give it targets", status=480)
        return settings

    # What to send, and where

    async def invitation(
        self,
        trunk: str,
        to: str,
        *,
        body: bytes,
        from_user: str | None = None,
        display_name: str = "",
        headers: HeaderFields = (),
        ring_timeout_s: float | None = None,
    ) -> Invitation:
        """The INVITE for a call to ``to`` over what ``choose`` has named. Raises OutboundRefused.

        ``from_user`` is the number or name that calls; ``headers`` are further ones of the caller's own. Hops may be of
        both IP versions: with ``body`` alone all are offered the same address.
        """
        destination = parse_destination(to)
        own_headers = check_own_headers(headers)
        if trunk.startswith(ACCOUNT_PREFIX):
            account = trunk.removeprefix(ACCOUNT_PREFIX)
            return self._to_account(
                account,
                body=body,
                from_user=from_user,
                display_name=display_name,
                headers=own_headers,
                ring_timeout_s=ring_timeout_s,
            )
        settings = self._check(trunk, destination)
        route = self._route(trunk, settings)
        targets = await self._targets(trunk, settings, destination, route)
        first, *more = targets
        caller = self._caller(settings, from_user, display_name, first.hops[0])
        return Invitation(
            first.request_uri,
            first.hops,
            from_=caller.from_,
            to=f"<{first.request_uri}>",
            body=body,
            headers=(*caller.headers, *own_headers),
            route=route,
            credentials=None if is_elsewhere(settings, destination) else trunk_credentials(settings),
            contact_user=escape_user(settings.username) if settings.username else None,
            ring_timeout_s=ring_timeout_s or settings.ring_timeout_s,
            reliable=settings.reliable_provisionals,
            more_targets=tuple(more),
            admission=Allow(trunk=self.speaks_for(trunk, to)),
        )

    async def _targets(
        self, trunk: str, settings: TrunkSettings, destination: Destination, route: tuple[str, ...]
    ) -> list[Target]:
        """Each target with its hops; a target that leads nowhere is passed over while another one leads somewhere."""
        targets = settings.targets[:1] if is_elsewhere(settings, destination) else settings.targets
        results = await asyncio.gather(
            *(self._target(trunk, settings, target, destination, route) for target in targets), return_exceptions=True
        )
        found = [result for result in results if isinstance(result, Target)]
        if not found:
            faults = [result for result in results if isinstance(result, BaseException)]
            for fault in faults:
                if not isinstance(fault, ResolutionError):
                    raise fault
            raise OutboundRefused("trunks.unresolved", f"trunk {trunk}: {'; '.join(map(str, faults))}", status=503)
        return found

    async def _target(
        self, trunk: str, settings: TrunkSettings, target: SipUri, destination: Destination, route: tuple[str, ...]
    ) -> Target:
        elsewhere = destination.uri if is_elsewhere(settings, destination) else None
        first = uri_of_route(route[0]) if route else elsewhere or target
        hops = await self._hops.find(trunk, settings, first)
        return Target(str(elsewhere or request_uri(target, destination.user)), hops, route)

    def _route(self, trunk: str, settings: TrunkSettings) -> tuple[str, ...]:
        """Preloaded Route: the outbound proxy, then what the registrar asked for (RFC 3608 §5)."""
        proxy = settings.outbound_proxy
        first = (f"<{loose(proxy)}>",) if proxy is not None else ()
        return (*first, *self._service_route(trunk))

    def _caller(self, settings: TrunkSettings, from_user: str | None, display_name: str, flow: Flow) -> CallerId:
        """Who calls: the call's own word, else the trunk's, at the trunk's domain for this number or our own."""
        user = parse_destination(from_user).user if from_user else settings.from_user or settings.username
        domain = settings.from_domain or (settings.targets[0].host if settings.username else self._own_host(flow))
        return CallerId(
            user or DEFAULT_USER,
            domain,
            display_name,
            is_private=settings.privacy,
            is_asserted=settings.assert_identity,
        )

    def _to_account(
        self,
        account: str,
        *,
        body: bytes,
        from_user: str | None,
        display_name: str,
        headers: HeaderFields,
        ring_timeout_s: float | None,
    ) -> Invitation:
        """To the phones of an account, the best contact first, each under its own Request-URI and on its own flow."""
        contacts = self._contacts(account)
        if contacts is None:
            raise OutboundRefused("accounts.unknown", f"there is no account {account!r}", status=404)
        if not contacts:
            raise OutboundRefused("accounts.not_registered", f"account {account} is not registered", status=480)
        targets = [Target(contact.uri, (contact.flow,), contact.path) for contact in contacts]
        first, *more = targets
        host = self._own_host(first.hops[0])
        user = parse_destination(from_user).user if from_user else DEFAULT_USER
        return Invitation(
            first.request_uri,
            first.hops,
            from_=CallerId(user, host, display_name).from_,
            to=f"<{SipUri('sip', escape_user(account), None, host)}>",
            body=body,
            headers=headers,
            route=first.route,
            ring_timeout_s=ring_timeout_s,
            more_targets=tuple(more),
            admission=Allow(account=account),
        )

    def speaks_for(self, trunk: str, to: str) -> str:
        """As whose the requests count that come from where a call to ``to`` is sent: the trunk's, or "", nobody's.

        Whoever is called at a server of his own may speak within that call, and may not call in as the carrier.
        """
        settings = self._trunks.get(trunk)
        if settings is None:
            return ""
        is_stranger = is_elsewhere(settings, parse_destination(to)) and not self._route(trunk, settings)
        return "" if is_stranger else trunk

    # What comes back

    async def redirection(self, trunk: str, event: CallRedirected) -> Redirection | None:
        """The first contact of ``event`` that the trunk may call and that leads somewhere; None: give up.

        A contact is a destination like any other: else a carrier, or whoever speaks for it, could send our calls to
        numbers that cost money. A proxy of a 305 is no destination, so only its host counts: it must be one that the
        trunk's calls may go to.
        """
        settings = self._trunks.get(trunk)
        if settings is None or not settings.targets:
            return None
        for contact in event.contacts:
            try:
                if event.status == USE_PROXY:
                    return await self._by_proxy(trunk, settings, contact)
                return await self._by_contact(trunk, settings, contact)
            except (OutboundRefused, ResolutionError, SipParseError):
                continue
        return None

    async def _by_proxy(self, trunk: str, settings: TrunkSettings, contact: str) -> Redirection:
        proxy = SipUri.parse(contact)
        if not allows_proxy(settings, proxy):
            raise OutboundRefused("trunks.allow_destinations", f"trunk {trunk} may not call by way of {proxy.host!r}")
        hops = await self._hops.find(trunk, settings, proxy)
        speaks_for = trunk if is_own_proxy(settings, proxy) else ""
        return Redirection(contact, "", hops, (f"<{loose(proxy)}>",), speaks_for)

    async def _by_contact(self, trunk: str, settings: TrunkSettings, contact: str) -> Redirection:
        destination = parse_destination(contact)
        if not allows(settings, destination):
            raise not_allowed(f"trunk {trunk}", destination)
        uri = parse_uri(contact)
        target = (
            request_uri(settings.targets[0], destination.user) if isinstance(uri, TelUri) else SipUri.parse(contact)
        )
        route = self._route(trunk, settings)
        hops = await self._hops.find(trunk, settings, uri_of_route(route[0]) if route else target)
        return Redirection(contact, str(target), hops, speaks_for=self.speaks_for(trunk, contact))

    def hop_failed(self, event: HopFailed) -> None:
        """Other hops come first for a while, in every call."""
        self._hops.penalise(event.flow, event.retry_after_s)
