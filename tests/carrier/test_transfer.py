"""Field rows 17 and 19 to 21: calls handed on, by carriers that are slow, unwilling or early."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote, unquote

import pytest

from tests.carrier.agent import CarrierCall, Message
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


def replaces_of(call: CarrierCall) -> tuple[str, str]:
    """The header by which another INVITE takes the place of a call that we made."""
    return "Replaces", f"{call.call_id};to-tag={call.to_tag};from-tag={call.tag}"


async def test_row_21_an_invite_with_replaces_takes_the_conversation_over_and_the_agent_does_not_begin_anew(
    scene: OpenScene,
) -> None:
    place = await scene(trunks={"demo": {"accept_from": ["127.0.0.0/8"], "max_calls": 1}})  # it counts once
    carrier = await place.carrier()
    desk, customer = await carrier.call(), await carrier.call(caller="+15550199002")
    await desk.set_up()
    await desk.leg.hears_tone()
    await desk.reoffer(desk.offer("sendonly", version=2))  # as a phone does before it hands a call on
    await until(lambda: "call.held" in place.names())
    (call,) = place.gateway.directory.calls
    await customer.set_up(headers=[replaces_of(desk)])
    bye = await carrier.expect("BYE")
    carrier.reply(bye, 200)
    assert bye["call-id"] == desk.call_id
    await customer.leg.hears_tone()
    assert list(place.gateway.directory.calls) == [call], "the same call"
    assert call.state.value == "talking", "their hold has ended with them"
    assert len(place.stage.emulator.sessions) == 1, "the same session: the agent greets nobody twice"
    assert place.names().count("call.offered") == 1
    moved = next(event.details for event in place.stage.events if event.name.value == "call.moved")
    assert (moved["by"], moved["from"]["sip_call_id"]) == ("replaces", desk.call_id)
    assert (moved["to"]["caller"], moved["to"]["sip_call_id"]) == ("+15550199002", customer.call_id)
    record = place.gateway.records.get(call.identity.call_id)
    assert (record.identity.caller, record.sip_call_id) == ("+15550199002", customer.call_id)
    await customer.hang_up()
    await until(lambda: call.is_ended)
    assert place.end["reason"] == "caller_hung_up"


async def test_row_21_an_invite_with_replaces_and_without_an_offer_gets_ours(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    desk, customer = await carrier.call(), await carrier.call()
    await desk.set_up()
    customer.invite("", headers=[replaces_of(desk)])
    await customer.answered(customer.offer(formats="0"))
    carrier.reply(await carrier.expect("BYE"), 200)
    await customer.leg.hears_tone()
    assert len(place.stage.emulator.sessions) == 1
    await customer.hang_up()


async def test_row_21_a_takeover_in_the_other_law_is_translated(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    desk, customer = await carrier.call(), await carrier.call()
    await desk.set_up()
    await customer.set_up(customer.offer(formats="8"), headers=[replaces_of(desk)])
    carrier.reply(await carrier.expect("BYE"), 200)
    await customer.leg.hears_tone(law="PCMA")
    await customer.hang_up()


async def test_row_21_a_takeover_that_cannot_be_agreed_on_leaves_the_call_where_it_is(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    desk, customer = await carrier.call(), await carrier.call()
    await desk.set_up()
    customer.invite(customer.offer(formats="18"), headers=[replaces_of(desk)])
    refusal = await carrier.expect_final(customer.cseq)
    customer.acknowledge(refusal)
    assert refusal.status == 488
    await desk.leg.hears_tone()
    await carrier.expect_no("BYE", for_s=0.3)
    assert place.gateway.media.open_ports == 1
    await desk.hang_up()


FOLLOWED = {
    "allow_destinations": ["+15550199*"],
    "follow_refer": True,
    "options_s": 0,
}


async def referring(place_call: PlaceCall, **trunk: Any) -> Placed:
    """A call that we placed on a trunk whose REFERs are followed; the agent speaks in it."""
    return await talking(place_call, **{**FOLLOWED, **trunk})


async def refer(placed: Placed, target: str, *headers: tuple[str, str], expect: int = 202) -> None:
    dialled = placed.dialled
    placed.carrier.send(dialled.request("REFER", headers=[("Refer-To", f"<{target}>"), *headers]))
    assert (await placed.carrier.expect_final(dialled.cseq, "REFER")).status == expect


async def told(placed: Placed, fragment: str) -> None:
    """A NOTIFY that says so about the transfer, answered."""
    notify = await placed.carrier.expect("NOTIFY")
    assert notify["call-id"] == placed.dialled.invite["call-id"]
    assert fragment in notify.body, notify.body
    placed.carrier.reply(notify, 200)


async def test_row_21_a_refer_that_the_trunk_may_make_takes_the_agent_along(place_call: PlaceCall) -> None:
    placed = await referring(place_call)
    carrier = placed.carrier
    replaces = quote("other@carrier.example;to-tag=a;from-tag=b")
    await refer(placed, f"sip:{TARGET}@127.0.0.1?Replaces={replaces}", ("Referred-By", "<sip:desk@carrier.example>"))
    await told(placed, "100 Trying")
    colleague = await carrier.dialled()
    assert TARGET in colleague.invite.uri
    assert colleague.invite["referred-by"] == "<sip:desk@carrier.example>"
    assert colleague.invite["replaces"] == "other@carrier.example;to-tag=a;from-tag=b"
    await placed.dialled.leg.hears_tone()  # the agent goes on with whom it talks to
    colleague.ring()
    await told(placed, "180 ")
    await colleague.pick_up()
    await told(placed, "200 OK")
    bye = await carrier.expect("BYE")
    carrier.reply(bye, 200)
    assert bye["call-id"] == placed.dialled.invite["call-id"]
    await colleague.leg.hears_tone()
    assert len(placed.scene.stage.emulator.sessions) == 1
    view = await placed.view()
    assert (view["state"], view["to"], view["sip_call_id"]) == ("talking", TARGET, colleague.invite["call-id"])
    assert (view["transfer"]["state"], view["transfer"]["by"]) == ("succeeded", "peer")
    await colleague.hang_up()
    assert (await placed.reaches("ended"))["end_reason"] == "caller_hung_up"


async def test_row_21_a_refer_to_somebody_busy_leaves_the_agent_where_it_is(place_call: PlaceCall) -> None:
    placed = await referring(place_call)
    await refer(placed, f"sip:{TARGET}@127.0.0.1")
    await told(placed, "100 Trying")
    colleague = await placed.carrier.dialled()
    colleague.refuse(486, "Busy Here")
    await told(placed, "486 Busy Here")
    await placed.dialled.leg.hears_tone()
    assert placed.scene.gateway.media.open_ports == 1
    view = await placed.view()
    assert (view["state"], view["transfer"]["state"], view["transfer"]["sip_status"]) == ("talking", "failed", 486)
    await placed.dialled.hang_up()


async def test_row_21_a_refer_to_somebody_who_does_not_answer_ends_after_the_ring_timeout(
    place_call: PlaceCall,
) -> None:
    placed = await referring(place_call, ring_timeout_s=5)
    await refer(placed, f"sip:{TARGET}@127.0.0.1")
    await told(placed, "100 Trying")
    colleague = await placed.carrier.dialled()
    colleague.ring()
    await told(placed, "180 ")
    cancel = await placed.carrier.expect("CANCEL", within_s=8)
    placed.carrier.reply(cancel, 200)
    colleague.refuse(487, "Request Terminated")
    await told(placed, "480 ")
    await placed.dialled.leg.hears_tone()
    assert (await placed.view())["state"] == "talking"
    await placed.dialled.hang_up()


async def test_row_21_whom_the_agent_was_sent_to_may_send_it_on(place_call: PlaceCall) -> None:
    placed = await referring(place_call, max_calls=1)
    carrier = placed.carrier
    for _ in range(2):
        await refer(placed, f"sip:{TARGET}@127.0.0.1")
        await told(placed, "100 Trying")
        colleague = await carrier.dialled()
        await colleague.pick_up()
        await told(placed, "200 OK")
        bye = await carrier.expect("BYE")
        carrier.reply(bye, 200)
        assert bye["call-id"] == placed.dialled.invite["call-id"]
        placed.dialled = colleague
        await colleague.leg.hears_tone()
    assert len(placed.scene.stage.emulator.sessions) == 1
    await placed.operator.http.delete(f"/v1/calls/{placed.id}")
    bye = await carrier.expect("BYE")
    carrier.reply(bye, 200)
    assert bye["call-id"] == placed.dialled.invite["call-id"]


async def test_row_21_who_hangs_up_while_the_transfer_rings_takes_it_back(place_call: PlaceCall) -> None:
    placed = await referring(place_call)
    carrier = placed.carrier
    await refer(placed, f"sip:{TARGET}@127.0.0.1")
    await told(placed, "100 Trying")
    colleague = await carrier.dialled()
    colleague.ring()
    await told(placed, "180 ")
    await placed.dialled.hang_up()
    carrier.reply(await carrier.expect("CANCEL"), 200)
    colleague.refuse(487, "Request Terminated")
    await placed.reaches("ended")


@pytest.mark.parametrize(
    ("target", "status", "rule"),
    [
        ("sip:+44900123@127.0.0.1", 403, "trunks.allow_destinations"),
        ("sip:%2B44900123@127.0.0.1", 403, "trunks.allow_destinations"),
        ("sip:+15550199077@stranger.example", 403, "trunks.allow_destinations"),
        ("sip:+15550199077;rn=+44900123@127.0.0.1", 403, "trunks.allow_destinations"),
        ("tel:+44-900-123", 403, "trunks.allow_destinations"),
        ("sip:+15550199077@127.0.0.1;maddr=203.0.113.9", 484, "destination"),
        ("sip:+15550199077@127.0.0.1;method=SUBSCRIBE", 603, "refer_method"),
    ],
)
async def test_row_21_a_refer_is_judged_as_an_order_would_be(
    place_call: PlaceCall, target: str, status: int, rule: str
) -> None:
    placed = await referring(place_call)
    await refer(placed, target, expect=status)
    assert placed.scene.stage.refusals(rule) == 1
    await placed.carrier.expect_no("INVITE", for_s=0.2)
    await placed.dialled.leg.hears_tone()
    await placed.dialled.hang_up()


async def test_row_21_one_refer_at_a_time_and_three_in_a_call_are_followed(place_call: PlaceCall) -> None:
    placed = await referring(place_call)
    target = f"sip:{TARGET}@127.0.0.1"
    for attempt in range(3):
        await refer(placed, target)
        await told(placed, "100 Trying")
        colleague = await placed.carrier.dialled()
        if not attempt:
            await refer(placed, target, expect=491)
        colleague.refuse(480, "Temporarily Unavailable")
        await told(placed, "480 ")
    await refer(placed, target, expect=603)
    stage = placed.scene.stage
    assert (stage.refusals("refer_under_way"), stage.refusals("refer_limit")) == (1, 1)
    await placed.dialled.hang_up()


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
