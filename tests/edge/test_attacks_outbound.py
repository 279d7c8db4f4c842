"""Attacks by whoever is called, or by whoever may order calls: on loopback, against a whole gateway."""

from __future__ import annotations

import pytest

from tests.support.rest import CONTROL, Operator, dialling_trunks
from tests.support.sip_peer import invite
from tests.support.sip_socket import SipSocket
from tests.support.stage import Stage


async def test_whoever_is_called_at_his_own_server_cannot_call_in_as_the_carrier() -> None:
    """The call vouches for the address it goes to: enough to be heard in it, not to be the trunk meanwhile."""
    trunks = dialling_trunks(accept_from=["127.0.0.9"])
    async with Stage(trunks=trunks, control=CONTROL) as stage, Operator(stage) as operator:
        call = await operator.call(stage.phone.uri)
        await stage.phone.wait_offered()
        stage.phone.accept()
        await stage.phone.wait_until(lambda: "call.answered" in stage.names(), 5)
        attacker = SipSocket(stage, "127.0.0.1")
        try:
            assert await attacker.ask(invite(uri="sip:desk@gw")) is None
            assert stage.gateway.directory.live == 1
            assert stage.refusals("unknown_callers") == 1
        finally:
            attacker.close()
        assert (await operator.http.delete(f"/v1/calls/{call['id']}")).status_code == 200


@pytest.mark.parametrize(
    "to",
    [
        "sip:1001@127.0.0.1;maddr=127.0.0.99",
        "sip:1001;rn=+44900123@127.0.0.9",
        "sip:1001@127.0.0.9?Route=%3Csip:127.0.0.99%3E",
        "sip:+44900123@127.0.0.9",
        "sip:%2B44900123@127.0.0.9",
        "sip:1001@127.0.0.1@127.0.0.99",
        "sip:1001%40127.0.0.1@127.0.0.99",
        "tel:+44900123;phone-context=+1",
        "1001@127.0.0.99",
        "\uff11001",
    ],
)
async def test_no_way_of_writing_a_number_gets_past_allow_destinations(to: str) -> None:
    async with Stage(trunks=dialling_trunks(), control=CONTROL) as stage, Operator(stage) as operator:
        response = await operator.http.post("/v1/calls", json={"to": to})
        assert response.status_code in {403, 422}, response.text
        assert response.json()["rule"] in {"destination", "trunks.allow_destinations"}
        assert stage.gateway.directory.live == 0
