from __future__ import annotations

import pytest

from gateway.call.capacity import Capacity, NotTaken
from gateway.call.live_calls import LiveCalls
from gateway.emulator.scenario import Scenario
from gateway.observability.logs import get_logger
from gateway.observability.metrics import Metrics
from gateway.settings.schema import Settings
from tests.support.call_rig import CallRig


def settings(node: int = 5, sessions: int = 5, trunk: int = 5) -> Settings:
    return Settings.model_validate(
        {
            "node": {"max_calls": node},
            "inworld": {"api_key": "a2V5", "max_sessions": sessions},
            "trunks": {"carrier": {"accept_from": ["192.0.2.0/24"], "max_calls": trunk}},
            "agents": {"desk": {}},
            "routes": [{"agent": "desk"}],
        }
    )


@pytest.mark.parametrize(
    ("limits", "rule", "status"),
    [
        ({"node": 1}, "node.max_calls", 503),
        ({"sessions": 1}, "inworld.max_sessions", 503),
        ({"trunk": 1}, "trunks.max_calls", 486),
    ],
)
def test_each_limit_refuses_under_its_own_rule(limits: dict[str, int], rule: str, status: int) -> None:
    live = LiveCalls(metrics=Metrics(), logger=get_logger())
    capacity = Capacity(settings(), live, lambda: len(live))
    live.add(CallRig(Scenario()).call)
    capacity.check("carrier")
    assert capacity.full() is None
    capacity.apply(settings(**limits))
    with pytest.raises(NotTaken) as refused:
        capacity.check("carrier")
    assert (refused.value.rule, refused.value.status) == (rule, status)
    assert (refused.value.retry_after_s is not None) is (status == 503)
    assert capacity.full() == (rule if status == 503 else None)
