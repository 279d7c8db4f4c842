from __future__ import annotations

from typing import Any

import pytest

from gateway.call.identity import CallDirection
from gateway.call.refer_target import ReferTargets
from gateway.emulator.scenario import Scenario
from gateway.settings.schema import Settings
from gateway.trunks.destination import OutboundRefused
from tests.support.call_rig import CallRig


class Trunks:
    """Allows what begins with 1, as a trunk's allow_destinations would."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    def choose(self, to: str, trunk: str | None = None) -> str:
        self.asked.append((to, trunk))
        if not to.startswith(("1", "sip:1")):
            raise OutboundRefused("trunks.allow_destinations", "not there")
        return trunk or "account:1001"


def targets(**trunk: Any) -> tuple[ReferTargets, Trunks]:
    settings = Settings.model_validate(
        {
            "inworld": {"api_key": "a2V5"},
            "trunks": {"carrier": {"accept_from": ["192.0.2.0/24"], **trunk}},
            "agents": {"desk": {}},
            "routes": [{"agent": "desk"}],
        }
    )
    trunks = Trunks()
    return ReferTargets(settings, trunks), trunks


def test_a_number_is_named_at_the_trunks_own_target_and_a_uri_as_it_is() -> None:
    judge, trunks = targets(targets=["sip:sbc.example.net:5080;transport=tls"])
    call = CallRig(Scenario()).call
    assert judge.uri_for(call, "1002") == "sip:1002@sbc.example.net:5080"
    assert judge.uri_for(call, "sip:1002@pbx.example") == "sip:1002@pbx.example"
    assert trunks.asked[0] == ("1002", "carrier")


def test_without_a_target_it_is_named_at_whoever_signals() -> None:
    assert targets()[0].uri_for(CallRig(Scenario()).call, "1002") == "sip:1002@192.0.2.7"


def test_what_may_not_be_called_may_not_be_transferred_to() -> None:
    with pytest.raises(OutboundRefused) as refused:
        targets()[0].uri_for(CallRig(Scenario()).call, "99155501")
    assert refused.value.rule == "trunks.allow_destinations"


@pytest.mark.parametrize("direction", CallDirection)
def test_a_trunk_may_have_transfers_off_whoever_dialled(direction: CallDirection) -> None:
    judge, trunks = targets(transfer="off")
    with pytest.raises(OutboundRefused) as refused:
        judge.uri_for(CallRig(Scenario(), direction=direction).call, "1002")
    assert refused.value.rule == "trunks.transfer"
    assert trunks.asked == []
