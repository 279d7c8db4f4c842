"""How trunks and accounts stand, in one place for the operator's face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.trunks.accounts import AccountContact, Accounts
from gateway.trunks.pings import Pings, TrunkStatus
from gateway.trunks.registration_status import TrunkRegistration
from gateway.trunks.registrations import Registrations


@dataclass(frozen=True, slots=True)
class TrunkFacts:
    """Reads what others own; keeps nothing."""

    pings: Pings
    registering: Registrations
    accounts: Accounts
    calls_on: Callable[[str], int]
    """Live calls of a trunk."""

    def liveness(self) -> Sequence[TrunkStatus]:
        """Every trunk whose targets are asked."""
        return self.pings.status()

    def registrations(self) -> Sequence[TrunkRegistration]:
        """Every trunk that registers."""
        return self.registering.status()

    def register_now(self, trunk: str) -> bool:
        """Registers, or refreshes; False when this trunk does not register."""
        return self.registering.register_now(trunk)

    def contacts(self) -> Sequence[AccountContact]:
        """Every device that is registered here."""
        return self.accounts.status()
