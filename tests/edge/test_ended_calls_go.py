"""An ended call leaves nothing for the garbage collector, which the daemon lets come rarely: the whole gateway."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.call.core import CallCore
from gateway.call.provider import InworldLeg
from gateway.emulator.scenario import Scenario
from gateway.inworld.protocol import RealtimeProtocol
from gateway.media.port import MediaPort
from tests.support.both_loops import on_both_loops
from tests.support.garbage import without_collector
from tests.support.rest import CONTROL, Operator, dialling_trunks
from tests.support.stage import GREETING, NOTHING, Stage, leftovers

CALLS = 4

Story = Callable[[Stage, Operator], Awaitable[None]]
"""One call from its beginning on; its end is waited for."""


async def hung_up(stage: Stage, operator: Operator) -> None:
    await stage.dial()
    await hear(stage)
    stage.phone.hang_up()


async def hung_up_by_us(stage: Stage, operator: Operator) -> None:
    await stage.dial()
    await hear(stage)
    (call,) = stage.gateway.directory.calls
    await end(operator, call.identity.call_id)


async def placed(stage: Stage, operator: Operator) -> None:
    await answered(stage, operator)
    stage.phone.hang_up()


async def held_and_transferred(stage: Stage, operator: Operator) -> None:
    call_id = await answered(stage, operator)
    for verb in ("hold", "resume"):
        assert (await operator.http.post(f"/v1/calls/{call_id}/{verb}")).status_code == 202
        await asyncio.sleep(0.05)
    stage.phone.referred = None
    response = await operator.http.post(f"/v1/calls/{call_id}/transfer", json={"to": "1002"})
    assert response.status_code == 202, response.text
    await stage.phone.wait_until(lambda: stage.phone.referred is not None, 5)
    stage.phone.take_referral()
    stage.phone.report_referral(200)


async def declined(stage: Stage, operator: Operator) -> None:
    await offered(stage, operator)
    stage.phone.refuse(486)


async def taken_back(stage: Stage, operator: Operator) -> None:
    call_id = await offered(stage, operator)
    stage.phone.ring()
    await end(operator, call_id)


async def without_a_session(stage: Stage, operator: Operator) -> None:
    with contextlib.suppress(RuntimeError):
        await stage.dial()


async def answered(stage: Stage, operator: Operator) -> str:
    call_id = await offered(stage, operator)
    stage.phone.accept()
    await hear(stage)
    return call_id


async def offered(stage: Stage, operator: Operator) -> str:
    stage.phone.offered = None
    call = await operator.call(stage.phone.uri)
    await stage.phone.wait_offered()
    return str(call["id"])


async def hear(stage: Stage) -> None:
    before = len(stage.phone.heard)
    await stage.phone.wait_until(lambda: len(stage.phone.heard) > before + 5, 5)


async def end(operator: Operator, call_id: str) -> None:
    response = await operator.http.delete(f"/v1/calls/{call_id}")
    assert response.status_code < 300, response.text


def scenario(**faults: object) -> Scenario:
    return Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 5000}}, "faults": faults})


STORIES: dict[str, tuple[Story, Scenario, dict[str, Any]]] = {
    "hung up": (hung_up, GREETING, {}),
    "hung up by us": (hung_up_by_us, GREETING, {}),
    "placed": (placed, GREETING, {}),
    "held and transferred": (held_and_transferred, GREETING, {}),
    "declined": (declined, GREETING, {}),
    "taken back": (taken_back, GREETING, {}),
    "refused by the provider": (without_a_session, scenario(reject_upgrade=401), {}),
    "refused after the upgrade": (without_a_session, scenario(refuse_after_upgrade="insufficient_funds"), {}),
    "left by the provider": (without_a_session, scenario(drop_socket={"after": "session.created"}), {}),
    "without a provider": (without_a_session, GREETING, {"inworld": {"url": "ws://127.0.0.1:9/session"}}),
}

MADE_FOR_A_CALL = (CallCore, InworldLeg, RealtimeProtocol, MediaPort)


@pytest.mark.parametrize("story", STORIES)
@on_both_loops
async def test_nothing_of_an_ended_call_waits_for_the_collector(story: str) -> None:
    tell, script, settings = STORIES[story]
    async with (
        Stage(script, **settings, trunks=dialling_trunks(), control=CONTROL) as stage,
        Operator(stage) as operator,
    ):
        await tell(stage, operator)
        await over(stage)  # the first one brings what stays: caches, connections of the operator
        with without_collector(*MADE_FOR_A_CALL) as left:
            for _ in range(CALLS):
                await tell(stage, operator)
                await over(stage)
        assert not left


async def over(stage: Stage) -> None:
    gateway, phone = stage.gateway, stage.phone
    await phone.wait_until(lambda: leftovers(gateway) == NOTHING and not gateway.sip.user_agent.calls, 5)
    await phone.wait_until(lambda: not phone._sip.user_agent.calls, 5)
    await asyncio.sleep(0.1)
