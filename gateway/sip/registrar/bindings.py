"""The table of bindings: by account, with their deadlines and the connections they live on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.base.clock import Deadlines
from gateway.sip.events import AccountRegistered, AccountUnregistered, UnregisterCause
from gateway.sip.flow import Flow
from gateway.sip.registrar.binding import Binding

RegistrationEvent = AccountRegistered | AccountUnregistered

Place = tuple[str, int]
"""An account and the number of a binding there."""


class Bindings:
    """Every change is told. Bounded by what the registrar lets in: a few contacts for each configured account."""

    def __init__(self, tell: Callable[[RegistrationEvent], None]) -> None:
        self._tell = tell
        self._by_account: dict[str, dict[int, Binding]] = {}
        self._on_flow: dict[Flow, set[Place]] = {}
        self._deadlines: Deadlines[Place] = Deadlines()
        self._number = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def accounts(self) -> list[str]:
        """Accounts that have a binding."""
        return list(self._by_account)

    @property
    def flows(self) -> Iterable[Flow]:
        """Flows that bindings live on."""
        return self._on_flow.keys()

    def of(self, account: str) -> dict[int, Binding]:
        """A copy: number to binding, in the order they came."""
        return dict(self._by_account.get(account, {}))

    def next_number(self) -> int:
        """For a binding that is new."""
        self._number += 1
        return self._number

    def replace(self, account: str, wanted: dict[int, Binding], now: float) -> None:
        """From here on the account has these bindings, all at once, and no others."""
        before = self.of(account)
        for number in before.keys() - wanted.keys():
            self._drop((account, number), UnregisterCause.REMOVED)
        for number, binding in wanted.items():
            old = before.get(number)
            if old != binding:
                self._put((account, number), binding, old)
                expires_s = round(binding.expires_at - now)
                self._tell(AccountRegistered(account, binding.uri, binding.flow, expires_s, old is not None))

    def expire(self, now: float) -> None:
        """Drop what nobody has refreshed."""
        for place in self._deadlines.pop_due(now):
            self._drop(place, UnregisterCause.EXPIRED)

    def flow_failed(self, flow: Flow) -> None:
        """A connection is gone, and nobody but its phone can open it again. A datagram that was lost says nothing."""
        if flow.is_reliable:
            for place in sorted(self._on_flow.get(flow, ())):
                self._drop(place, UnregisterCause.FLOW_FAILED)

    def forget(self, account: str) -> None:
        """The account is no longer configured."""
        for number in self.of(account):
            self._drop((account, number), UnregisterCause.ACCOUNT_GONE)

    def next_deadline(self) -> float | None:
        """When the first binding expires."""
        return self._deadlines.next_deadline()

    def _put(self, place: Place, binding: Binding, old: Binding | None) -> None:
        account, number = place
        if old is not None:
            self._leave_flow(place, old.flow)
        else:
            self._count += 1
        self._by_account.setdefault(account, {})[number] = binding
        self._on_flow.setdefault(binding.flow, set()).add(place)
        self._deadlines.set(place, binding.expires_at)

    def _drop(self, place: Place, cause: UnregisterCause) -> None:
        account, number = place
        bindings = self._by_account[account]
        binding = bindings.pop(number)
        if not bindings:
            del self._by_account[account]
        self._count -= 1
        self._leave_flow(place, binding.flow)
        self._deadlines.clear(place)
        self._tell(AccountUnregistered(account, binding.uri, binding.flow, cause))

    def _leave_flow(self, place: Place, flow: Flow) -> None:
        places = self._on_flow[flow]
        places.discard(place)
        if not places:
            del self._on_flow[flow]
