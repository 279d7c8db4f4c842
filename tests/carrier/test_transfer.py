"""Field rows 17 and 19 to 21: calls handed on, by carriers that are slow, unwilling or early."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import unquote

import pytest

from tests.carrier.agent import Message
from tests.carrier.conftest import OpenScene, PlaceCall, Placed
from tests.support.waiting import until

TARGET = "+15550199077"


async def talking(place_call: PlaceCall, **trunk: Any) -> Placed:
    """A call that we placed, in which the agent speaks."""
    placed = await place_call(trunk=trunk)
    carrier = placed.carrier
    await placed.dialled.pick_up(headers=[("Record-Route", f"<sip:{carrier.address}:{carrier.port};lr>")])
    await placed.dialled.leg.hears_tone()
    await placed.reaches("talking")
    return placed


async def transfer(placed: Placed, expect: int = 202, **target: str) -> dict[str, Any]:
    response = await placed.operator.http.post(f"/v1/calls/{placed.id}/transfer", json=target or {"to": TARGET})
    assert response.status_code == expect, response.text
    view: dict[str, Any] = response.json()
    return view


async def asked_to_transfer(placed: Placed) -> Message:
    """The REFER, once it is ordered."""
    assert (await transfer(placed))["state"] == "transferring"
    refer = await placed.carrier.expect("REFER")
    assert TARGET in refer["refer-to"]
    assert refer["route"], "REFER is a request in the dialog like any other"
    assert refer.cseq > placed.dialled.invite.cseq
    return refer


async def test_row_19_a_slow_transfer_is_waited_for_and_succeeds_once(place_call: PlaceCall) -> None:
    placed = await talking(place_call)
    carrier, dialled = placed.carrier, placed.dialled
    carrier.reply(await asked_to_transfer(placed), 202, "Accepted")
    assert (await dialled.notify("100 Trying")).status == 200
    await carrier.expect_no("BYE", for_s=1.0)
    assert (await placed.view())["state"] == "transferring", "no time limit of its own ends the waiting"
    assert (await dialled.notify("180 Ringing")).status == 200
    assert (await placed.view())["transfer"]["sip_status"] == 180
    assert (await dialled.notify("200 OK", "terminated;reason=noresource")).status == 200
    bye = await carrier.expect("BYE")
    carrier.reply(bye, 200)
    view = await placed.reaches("ended")
    assert (view["end_reason"], view["transfer"]["state"]) == ("transferred", "succeeded")


async def test_row_19_a_second_order_meanwhile_is_told_that_one_is_under_way(place_call: PlaceCall) -> None:
    placed = await talking(place_call)
    carrier = placed.carrier
    refer = await asked_to_transfer(placed)
    assert (await transfer(placed, expect=409))["rule"] == "wrong_state"
    await carrier.expect_no("REFER", for_s=0.2)
    carrier.reply(refer, 202, "Accepted")
    await placed.dialled.notify("486 Busy Here", "terminated;reason=noresource")
    await placed.reaches("talking")
    await placed.dialled.hang_up()


async def test_row_19_a_transfer_that_succeeds_after_its_caller_gave_up_still_ends_the_call(
    place_call: PlaceCall,
) -> None:
    placed = await talking(place_call)
    carrier, dialled = placed.carrier, placed.dialled
    directory = placed.scene.gateway.directory
    (call,) = directory.calls
    target = f"sip:{TARGET}@127.0.0.1"
    directory.calls.run(call, lambda call: call.transfer(target, time.monotonic(), limit_s=0.4))
    carrier.reply(await carrier.expect("REFER"), 202, "Accepted")
    await dialled.notify("100 Trying")
    await placed.reaches("talking")
    await dialled.leg.hears_tone()  # the agent has the call back
    assert (await dialled.notify("200 OK", "terminated;reason=noresource")).status == 200
    carrier.reply(await carrier.expect("BYE"), 200)
    assert (await placed.reaches("ended"))["end_reason"] == "transferred"


async def test_row_19_a_notify_that_overtakes_the_202_counts(place_call: PlaceCall) -> None:
    placed = await talking(place_call)
    refer = await asked_to_transfer(placed)
    assert (await placed.dialled.notify("100 Trying")).status == 200
    assert (await placed.dialled.notify("200 OK", "terminated;reason=noresource")).status == 200
    placed.carrier.reply(refer, 202, "Accepted")
    placed.carrier.reply(await placed.carrier.expect("BYE"), 200)
    assert (await placed.reaches("ended"))["end_reason"] == "transferred"


async def test_row_19_a_carrier_that_hangs_up_once_it_has_taken_the_transfer_has_transferred(
    place_call: PlaceCall,
) -> None:
    placed = await talking(place_call)
    placed.carrier.reply(await asked_to_transfer(placed), 202, "Accepted")
    assert (await placed.dialled.hang_up()).status == 200
    assert (await placed.reaches("ended"))["end_reason"] == "transferred"
    late = await placed.dialled.notify("200 OK", "terminated;reason=noresource")
    assert late.status in {200, 481}, "late, and harmless"


@pytest.mark.parametrize("status", [603, 408, 405, 501])
async def test_row_20_a_refer_that_the_trunk_refuses_brings_the_agent_back(place_call: PlaceCall, status: int) -> None:
    placed = await talking(place_call)
    placed.carrier.reply(await asked_to_transfer(placed), status, "No")
    view = await placed.reaches("talking")
    assert (view["transfer"]["state"], view["transfer"]["sip_status"]) == ("refused", status)
    await placed.dialled.leg.hears_tone()
    await placed.carrier.expect_no("BYE", for_s=0.2)
    await placed.dialled.hang_up()


async def test_row_20_a_target_that_is_busy_brings_the_agent_back(place_call: PlaceCall) -> None:
    placed = await talking(place_call)
    placed.carrier.reply(await asked_to_transfer(placed), 202, "Accepted")
    await placed.dialled.leg.hears_nothing_but_silence(for_s=0.3)
    await placed.dialled.notify("486 Busy Here", "terminated;reason=noresource")
    view = await placed.reaches("talking")
    assert (view["transfer"]["state"], view["transfer"]["sip_status"]) == ("failed", 486)
    await placed.dialled.leg.hears_tone()
    await placed.dialled.hang_up()


async def test_row_20_a_trunk_that_transfers_nothing_is_not_even_asked(place_call: PlaceCall) -> None:
    placed = await talking(place_call, transfer="off")
    assert (await transfer(placed, expect=403))["rule"] == "trunks.transfer"
    await placed.carrier.expect_no("REFER", for_s=0.3)
    assert (await placed.view())["state"] == "talking"
    await placed.dialled.hang_up()


async def test_row_21_an_attended_transfer_names_the_other_call_in_replaces(place_call: PlaceCall) -> None:
    placed = await talking(place_call)
    carrier = placed.carrier
    other = await placed.operator.call("+15550199002")
    colleague = await carrier.dialled()
    await colleague.pick_up()
    await colleague.leg.hears_tone()
    await transfer(placed, to_call=other["id"])
    refer = await carrier.expect("REFER")
    assert refer["call-id"] == placed.dialled.invite["call-id"]
    replaces = unquote(refer["refer-to"].partition("Replaces=")[2].strip(">"))
    invite = colleague.invite
    assert replaces.startswith(invite["call-id"])
    assert f"to-tag={colleague.tag}" in replaces
    assert f"from-tag={invite.tag('from')}" in replaces
    carrier.reply(refer, 202, "Accepted")
    await placed.dialled.notify("200 OK", "terminated;reason=noresource")
    carrier.reply(await carrier.expect("BYE"), 200)
    await placed.reaches("ended")
    assert (await colleague.hang_up()).status == 200, "the phone that took its place ends the other call"


async def test_row_21_a_carrier_that_wants_the_agent_elsewhere_is_declined_and_the_call_goes_on(
    scene: OpenScene,
) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    await call.set_up()
    carrier.send(call.request("REFER", headers=[("Refer-To", "<sip:+15550199099@203.0.113.9>")]))
    assert (await carrier.expect_final(call.cseq, "REFER")).status == 603
    await call.leg.hears_tone()
    await call.hang_up()


async def test_row_17_headers_from_templates_are_on_invite_refer_and_bye(place_call: PlaceCall) -> None:
    headers = {
        "invite": {"X-Campaign": "{{campaign}}"},
        "refer": {"User-to-User": "{{campaign}};encoding=ascii"},
        "bye": {"X-Ended": "{{callee}}"},
    }
    placed = await place_call({"variables": {"campaign": "spring"}}, trunk={"headers": headers})
    assert placed.dialled.invite["x-campaign"] == "spring"
    await placed.dialled.pick_up()
    await placed.dialled.leg.hears_tone()
    await transfer(placed)
    refer = await placed.carrier.expect("REFER")
    assert refer["user-to-user"] == "spring;encoding=ascii"
    placed.carrier.reply(refer, 603, "Decline")
    await placed.reaches("talking")
    await placed.operator.http.delete(f"/v1/calls/{placed.id}")
    bye = await placed.carrier.expect("BYE")
    assert bye["x-ended"] == "+15550199001"
    placed.carrier.reply(bye, 200)


async def test_row_17_headers_of_the_invite_are_variables_of_the_agent(scene: OpenScene) -> None:
    agents = {"demo": {"session": {"instructions": "About {{ticket}}."}, "greeting": {"instructions": "Greet."}}}
    trunk = {"accept_from": ["127.0.0.0/8"], "variables": {"ticket": "X-Ticket"}}
    place = await scene(agents=agents, trunks={"demo": trunk})
    carrier = await place.carrier()
    call = await carrier.call()
    await call.set_up(headers=[("X-Ticket", "4711")])
    await until(lambda: place.stage.emulator.sessions)
    assert place.stage.emulator.sessions[0].session["instructions"].startswith("About 4711.")
    await call.hang_up()
