"""``/v1/trunks`` and ``/v1/accounts``: what can be reached, what is registered where, and registering anew."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import Field

from gateway.control.auth import KeyRing, Role, require
from gateway.control.models import View
from gateway.control.problems import Problem, describe
from gateway.settings.schema import Settings
from gateway.trunks.facts import TrunkFacts


class TrunkView(View):
    """One trunk, as it stands. Seconds are from now on, or ago."""

    name: str
    targets: list[str] = Field(description="Where calls are placed, tried in order.")
    calls: int = Field(description="Live calls of this trunk, in both directions.")
    max_calls: int | None
    allow_destinations: list[str] = Field(description="What may be called; empty: nothing.")
    liveness: dict[str, Any] | None = Field(description="By OPTIONS; null where options_s is 0 or there is no target.")
    registration: dict[str, Any] | None = Field(description="At its registrar; null where register is false.")


class TrunkList(View):
    """All trunks, in the order of the settings."""

    trunks: list[TrunkView]


class AccountList(View):
    """The phones that are registered here."""

    accounts: list[dict[str, Any]] = Field(description="One entry for each account, with its contacts.")


class TrunkRoutes:
    """``router`` is what an app includes."""

    def __init__(self, facts: TrunkFacts, keys: KeyRing, settings: Settings) -> None:
        self._facts = facts
        self._settings = settings
        viewer, admin = Depends(require(keys, Role.VIEWER)), Depends(require(keys, Role.ADMIN))
        router = self.router = APIRouter(prefix="/v1", tags=["trunks"], responses=describe(401, 403))

        @router.get("/trunks", summary="Trunks: reachability and registration", dependencies=[viewer])
        async def list_trunks() -> TrunkList:
            return TrunkList(trunks=[self._view(name) for name in self._settings.trunks])

        @router.get("/trunks/{name}", summary="One trunk", dependencies=[viewer], responses=describe(404))
        async def read_trunk(name: str) -> TrunkView:
            self._require(name)
            return self._view(name)

        @router.post(
            "/trunks/{name}/register",
            summary="Register at this trunk now",
            status_code=202,
            dependencies=[admin],
            responses=describe(404, 409),
        )
        async def register(name: str) -> TrunkView:
            """Refreshes the registration, or tries again without waiting for the next attempt."""
            self._require(name)
            if not facts.register_now(name):
                raise Problem(409, "trunks.register", f"trunk {name} does not register: it has no register: true")
            return self._view(name)

        @router.get("/accounts", summary="Phones registered here", dependencies=[viewer])
        async def list_accounts() -> AccountList:
            found = facts.contacts()
            return AccountList(
                accounts=[
                    {"name": name, "contacts": [_fields(one) for one in found if one.account == name]}
                    for name in self._settings.accounts
                ]
            )

    def apply(self, settings: Settings) -> None:
        """Other trunks from now on."""
        self._settings = settings

    def _require(self, name: str) -> None:
        if name not in self._settings.trunks:
            raise Problem(404, "trunks.unknown", f"there is no trunk {name!r}")

    def _view(self, name: str) -> TrunkView:
        trunk = self._settings.trunks[name]
        alive = next((one for one in self._facts.liveness() if one.trunk == name), None)
        registered = next((one for one in self._facts.registrations() if one.trunk == name), None)
        return TrunkView(
            name=name,
            targets=[str(target) for target in trunk.targets],
            calls=self._facts.calls_on(name),
            max_calls=trunk.max_calls,
            allow_destinations=list(trunk.allow_destinations),
            liveness=_fields(alive) if alive is not None else None,
            registration=_fields(registered) if registered is not None else None,
        )


def _fields(value: Any) -> dict[str, Any]:
    """A status as JSON takes it, without the name that stands beside it already."""
    fields = dataclasses.asdict(value)
    return {name: item for name, item in fields.items() if name not in ("trunk", "account")}
