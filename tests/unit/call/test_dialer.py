from __future__ import annotations

import pytest

from gateway.base.errors import SettingsError
from gateway.call.capacity import NotTaken
from gateway.call.order import CallOrder
from gateway.call.termination import EndReason
from gateway.trunks.destination import OutboundRefused
from tests.support.rest import dialling_trunks
from tests.support.stage import NOTHING, Stage, leftovers


async def test_what_is_refused_leaves_nothing_behind() -> None:
    async with Stage(trunks=dialling_trunks()) as stage:
        dialer = stage.gateway.directory.dialer
        assert dialer is not None
        with pytest.raises(OutboundRefused):
            dialer.place(CallOrder("+99155501", "demo"))
        with pytest.raises(SettingsError):
            dialer.place(CallOrder(stage.phone.uri, "demo", session={"audio": 1}))
        assert leftovers(stage.gateway) == NOTHING


async def test_no_free_port_is_no_capacity() -> None:
    async with Stage(trunks=dialling_trunks(), media={"ports": "20000-20001"}) as stage:
        taken = stage.gateway.media.pool.acquire(0.0)
        try:
            with pytest.raises(NotTaken) as refused:
                stage.gateway.directory.dialer.place(CallOrder(stage.phone.uri, "demo"))  # type: ignore[union-attr]
            assert refused.value.rule == "no_media_port"
        finally:
            stage.gateway.media.pool.release(taken, 0.0)


async def test_a_name_that_leads_nowhere_ends_the_call_with_the_rule() -> None:
    trunks = dialling_trunks(targets=["sip:no-such-name.invalid"])
    async with Stage(trunks=trunks) as stage:
        call = stage.gateway.directory.dialer.place(CallOrder("1001", "demo"))  # type: ignore[union-attr]
        await stage.phone.wait_until(lambda: call.is_ended, 10)
        assert call.end_reason is EndReason.ERROR
        assert stage.events[-1].details["sip_cause"] == "trunks.unresolved"
        await stage.phone.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)


async def test_a_call_that_ends_while_its_name_is_looked_up_sends_nothing() -> None:
    async with Stage(trunks=dialling_trunks()) as stage:
        call = stage.gateway.directory.dialer.place(CallOrder(stage.phone.uri, "demo"))  # type: ignore[union-attr]
        stage.gateway.desk.end(call.identity.call_id)
        await stage.phone.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)
        assert stage.phone.offered is None
        assert stage.gateway.sip.user_agent.calls == 0
