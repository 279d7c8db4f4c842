from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.call.capacity import NotTaken
from gateway.call.desk import CallOverError, NoSuchCallError
from gateway.call.order import CallOrder
from gateway.call.states import CallState
from tests.support.rest import dialling_trunks
from tests.support.stage import Stage


async def test_commands_follow_the_state_and_leave_the_call_as_it_was_when_refused() -> None:
    async with Stage(trunks=dialling_trunks()) as stage:
        desk = stage.gateway.desk
        record = desk.place(CallOrder(stage.phone.uri, "demo"))
        call_id = record.identity.call_id
        assert desk.state(record) is CallState.QUEUED
        with pytest.raises(LocalProtocolError, match="queued, not talking"):
            desk.hold(call_id)
        assert desk.state(record) is CallState.QUEUED
        desk.end(call_id)
        assert desk.end(call_id).end_reason == "api"
        with pytest.raises(CallOverError):
            desk.resume(call_id)
        with pytest.raises(NoSuchCallError):
            desk.end("c-unknown")


async def test_a_draining_gateway_places_no_calls() -> None:
    async with Stage(trunks=dialling_trunks()) as stage:
        stage.gateway.directory.is_draining = True
        with pytest.raises(NotTaken) as refused:
            stage.gateway.desk.place(CallOrder(stage.phone.uri, "demo"))
        assert refused.value.rule == "draining"
