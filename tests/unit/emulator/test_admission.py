from __future__ import annotations

import pytest

from gateway.emulator.admission import Admitted, Turned, judge_upgrade
from gateway.emulator.scenario import Scenario

TARGET = "/api/v1/realtime/session?key=call-1&protocol=realtime"
BASIC = {"Authorization": "Basic a2V5OnNlY3JldA=="}


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_a_key_the_protocol_and_credentials_are_admitted(scheme: str) -> None:
    verdict = judge_upgrade(TARGET, {"Authorization": f"{scheme} abc"}, Scenario(), 0)
    assert verdict == Admitted("call-1", scheme)


def test_a_key_may_be_percent_encoded_and_strangers_in_the_query_are_ignored() -> None:
    verdict = judge_upgrade(TARGET.replace("call-1", "a%2Fb%20c") + "&model=x", BASIC, Scenario(), 0)
    assert verdict == Admitted("a/b c", "Basic")


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/api/v1/realtime/session",
        "/api/v1/realtime/session?protocol=realtime",
        "/api/v1/realtime/session?key=&protocol=realtime",
        "/api/v1/realtime/session?key=a",
        "/api/v1/realtime/session?key=a&protocol=webrtc",
        "/v1/realtime?key=a&protocol=realtime",
    ],
)
def test_another_path_or_query_is_a_bad_request(target: str) -> None:
    verdict = judge_upgrade(target, BASIC, Scenario(), 0)
    assert isinstance(verdict, Turned)
    assert verdict.status == 400


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic ", "basic abc", "Digest abc", "abc"])
def test_other_credentials_are_unauthorised(authorization: str) -> None:
    verdict = judge_upgrade(TARGET, {"Authorization": authorization}, Scenario(), 0)
    assert isinstance(verdict, Turned)
    assert verdict.status == 401


@pytest.mark.parametrize("status", [401, 429, 503])
def test_the_scenario_may_reject_every_upgrade(status: int) -> None:
    scenario = Scenario.model_validate({"faults": {"reject_upgrade": status}})
    verdict = judge_upgrade(TARGET, BASIC, scenario, 0)
    assert isinstance(verdict, Turned)
    assert verdict.status == status


def test_the_account_has_so_many_sessions() -> None:
    scenario = Scenario.model_validate({"limits": {"max_sessions": 2}})
    assert isinstance(judge_upgrade(TARGET, BASIC, scenario, 1), Admitted)
    full = judge_upgrade(TARGET, BASIC, scenario, 2)
    assert isinstance(full, Turned)
    assert (full.status, "2" in full.message) == (429, True)
