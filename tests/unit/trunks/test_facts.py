from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from gateway.trunks.facts import TrunkFacts


def test_each_fact_is_asked_of_whoever_owns_it() -> None:
    asked: list[str] = []

    def owner(name: str) -> Any:
        return SimpleNamespace(
            status=lambda: asked.append(name) or [name], register_now=lambda trunk: asked.append(trunk) or True
        )

    facts = TrunkFacts(owner("pings"), owner("registrations"), owner("accounts"), calls_on=len)
    assert cast(Any, facts.liveness()) == ["pings"]
    assert cast(Any, facts.registrations()) == ["registrations"]
    assert cast(Any, facts.contacts()) == ["accounts"]
    assert facts.register_now("carrier")
    assert facts.calls_on("four") == 4
    assert asked == ["pings", "registrations", "accounts", "carrier"]
