"""Field row 7: carriers that know their customers by REGISTER alone, and reach them over that flow."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.carrier.agent import Carrier, CarrierCall
from tests.carrier.conftest import OpenScene, Scene
from tests.support.rest import CONTROL, dialling_trunks
from tests.support.waiting import until

EDGE = "<sip:edge.carrier.example;lr>"


async def registered(scene: OpenScene, carrier: Carrier, **trunk: Any) -> tuple[Scene, Any]:
    """A gateway whose trunk registers at the carrier, which challenges first; and the REGISTER it has accepted."""
    account = {"register": True, "username": "acme", "password": "secret-word", "accept_from": [], "options_s": 0}
    target = {"targets": [f"sip:127.0.0.1:{carrier.port}"], "allow_destinations": ["*"]}
    place = await scene(trunks=dialling_trunks(**{**target, **account, **trunk}), control=CONTROL)
    carrier.gateway = place.sip()
    first = await carrier.expect("REGISTER")
    challenge = ("WWW-Authenticate", 'Digest realm="carrier.example", nonce="abc", algorithm=MD5, qop="auth"')
    carrier.reply(first, 401, "Unauthorized", headers=[challenge], tag="r")
    second = await carrier.expect("REGISTER")
    assert second["authorization"].startswith("Digest ")
    assert (second["call-id"], second.cseq) == (first["call-id"], first.cseq + 1)
    binding = ("Contact", f"{second['contact'].partition(';expires')[0]};expires=3600")
    carrier.reply(second, 200, "OK", headers=[binding, ("Service-Route", EDGE)], tag="r")
    await until(lambda: [one.state for one in place.gateway.registrations.status()] == ["registered"])
    return place, second


async def test_row_07_a_trunk_behind_a_nat_registers_and_its_calls_come_in_over_that_flow(scene: OpenScene) -> None:
    async with await Carrier.over_udp(("127.0.0.1", 0)) as carrier:
        place, register = await registered(scene, carrier)
        contact = register["contact"].partition("<")[2].partition(">")[0]
        call = CarrierCall(carrier, await carrier.leg())
        call.target = contact  # what a carrier dials: the registered Contact, and nothing else
        await call.set_up()
        await call.leg.hears_tone()
        await call.hang_up()
        stopping = asyncio.create_task(place.gateway.stop())
        last = await carrier.expect("REGISTER")
        assert "expires=0" in last["contact"] or last["expires"] == "0", "taken back when the gateway stops"
        carrier.reply(last, 200, "OK", tag="r")
        await stopping


async def test_row_07_calls_out_go_by_the_service_route_with_the_account_in_from(scene: OpenScene) -> None:
    async with await Carrier.over_udp(("127.0.0.1", 0)) as carrier:
        proxy = {"outbound_proxy": f"sip:127.0.0.1:{carrier.port};lr"}
        place, _ = await registered(scene, carrier, **proxy)
        operator = await place.operator()
        await operator.call("+15550199001")
        dialled = await carrier.dialled()
        routes = [one.strip() for value in dialled.invite.all("route") for one in value.split(",")]
        assert routes[-1] == EDGE, "RFC 3608 §5, behind the proxy that is asked first"
        assert str(carrier.port) in routes[0]
        dialled.refuse(486, "Busy Here")
        await carrier.expect("ACK")
        await place.is_empty()


async def test_row_07_a_wrong_password_is_asked_once_and_told(scene: OpenScene) -> None:
    async with await Carrier.over_udp(("127.0.0.1", 0)) as carrier:
        account = {"register": True, "username": "acme", "password": "wrong-word", "options_s": 0}
        target = {"targets": [f"sip:127.0.0.1:{carrier.port}"]}
        place = await scene(trunks=dialling_trunks(**target, **account), control=CONTROL)
        carrier.gateway = place.sip()
        challenge = [("WWW-Authenticate", 'Digest realm="carrier.example", nonce="abc"')]
        carrier.reply(await carrier.expect("REGISTER"), 401, "Unauthorized", headers=challenge, tag="r")
        carrier.reply(await carrier.expect("REGISTER"), 403, "Forbidden", tag="r")
        await carrier.expect_no("REGISTER", for_s=0.7)
        (shown,) = place.gateway.registrations.status()
        assert (shown.state, shown.status) == ("failed", 403)
