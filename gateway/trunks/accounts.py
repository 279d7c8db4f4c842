"""The phones that register here: what the settings say of them, what is told of them, where they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.observability.node_events import NodeEventName, NodeEvents
from gateway.settings.schema import AccountSettings
from gateway.sip.digest import DigestServer
from gateway.sip.events import AccountRegistered, AccountUnregistered, Event, UnregisterCause
from gateway.sip.flow import Flow
from gateway.sip.grammar import format_host_port
from gateway.sip.registrar import Binding, Registrar, RegistrarConfig


@dataclass(frozen=True, slots=True)
class AccountContact:
    """One registered phone, for the operator. Seconds are from now on."""

    account: str
    contact: str
    transport: str
    address: str
    expires_in_s: float
    q: float
    path: tuple[str, ...]
    instance: str
    user_agent: str


class Accounts:
    """Owns the registrar of a node. ``digest`` is the one that guards the calls of the same phones."""

    def __init__(
        self,
        accounts: Mapping[str, AccountSettings],
        digest: DigestServer,
        events: NodeEvents,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registrar = Registrar(_config(accounts), digest)
        self._names = frozenset(accounts)
        self._passwords = {name: account.password for name, account in accounts.items()}
        self._events = events
        self._clock = clock

    def apply(self, accounts: Mapping[str, AccountSettings]) -> None:
        """Other accounts from here on; phones of those that are gone, or have another password, are registered no
        more."""
        for name, account in accounts.items():
            if self._passwords.get(name, account.password) != account.password:
                self.registrar.forget(name)
        self._passwords = {name: account.password for name, account in accounts.items()}
        self._names = frozenset(accounts)
        self.registrar.apply(_config(accounts))

    def contacts(self, account: str) -> Sequence[Binding] | None:
        """Where its phones are, the preferred first; None when there is no such account."""
        return self.registrar.contacts(account, self._clock()) if account in self._names else None

    def status(self) -> list[AccountContact]:
        """Every registered phone, by account."""
        now = self._clock()
        return [_shown(binding, now) for binding in self.registrar.bindings(now)]

    def handle_sip_event(self, event: Event) -> bool:
        """True when the event was ours and nobody else's."""
        match event:
            case AccountRegistered():
                self._events.record(
                    NodeEventName.ACCOUNT_REGISTERED,
                    account=event.account,
                    contact=event.uri,
                    expires_s=event.expires_s,
                    refresh=event.is_refresh,
                    **_where(event.flow),
                )
            case AccountUnregistered():
                is_expired = event.cause is UnregisterCause.EXPIRED
                self._events.record(
                    NodeEventName.ACCOUNT_EXPIRED if is_expired else NodeEventName.ACCOUNT_UNREGISTERED,
                    account=event.account,
                    contact=event.uri,
                    cause=event.cause.value,
                    **_where(event.flow),
                )
            case _:
                return False
        return True


def _config(accounts: Mapping[str, AccountSettings]) -> RegistrarConfig:
    return RegistrarConfig({name: account.max_contacts for name, account in accounts.items()})


def _where(flow: Flow) -> dict[str, str]:
    return {"transport": flow.transport, "address": format_host_port(*flow.remote)}


def _shown(binding: Binding, now: float) -> AccountContact:
    return AccountContact(
        account=binding.account,
        contact=binding.uri,
        expires_in_s=round(binding.expires_at - now, 1),
        q=binding.q,
        path=binding.path,
        instance=binding.instance,
        user_agent=binding.user_agent,
        **_where(binding.flow),
    )
