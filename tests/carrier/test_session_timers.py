"""Field row 1: carriers refresh sessions at 15 minutes. Here what is said about it; the minutes pass in tests/sim."""

from __future__ import annotations

import pytest

from tests.carrier.conftest import OpenScene, PlaceCall


async def test_row_01_a_carrier_that_refreshes_is_let_and_told_who_does_it(scene: OpenScene) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    timer = [("Supported", "timer"), ("Session-Expires", "900;refresher=uac"), ("Min-SE", "90")]
    answer = await call.set_up(headers=timer)
    assert answer["session-expires"].replace(" ", "") == "900;refresher=uac"
    assert "timer" in answer["require"], "RFC 4028 §9: when the peer refreshes it must be told"
    again = await call.reoffer(call.offer(), headers=timer)
    assert (again.status, again["session-expires"].replace(" ", "")) == (200, "900;refresher=uac")
    assert again.body == answer.body, "a refresh changes nothing"
    carrier.send(call.request("UPDATE", headers=timer))
    update = await carrier.expect_final(call.cseq, "UPDATE")
    assert (update.status, update["session-expires"].replace(" ", "")) == (200, "900;refresher=uac")
    assert not update.body
    await call.leg.hears_tone()
    await call.hang_up()


async def test_row_01_a_carrier_without_timers_is_told_that_we_know_them_and_is_held_to_none(scene: OpenScene) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    answer = await call.set_up()
    assert "timer" in answer["supported"]
    assert "timer" not in answer["require"], "it would not understand"
    assert answer["session-expires"] == "", "nobody wants refreshing"
    await call.hang_up()


async def test_row_01_an_interval_too_small_is_422_with_ours_and_the_next_try_is_taken(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite(headers=[("Supported", "timer"), ("Session-Expires", "30;refresher=uac")])
    refused = await carrier.expect_final(1)
    call.acknowledge(refused)
    assert (refused.status, refused["min-se"]) == (422, "90")
    call.cseq = 1
    call.invite(headers=[("Supported", "timer"), ("Session-Expires", "90;refresher=uac"), ("Min-SE", "90")])
    answer = await call.answered()
    assert answer["session-expires"].startswith("90")
    await call.hang_up()


async def test_row_01_a_carrier_with_a_longer_minimum_is_asked_again_with_it(place_call: PlaceCall) -> None:
    placed = await place_call()
    first = placed.dialled
    assert "timer" in ", ".join(first.invite.all("supported"))
    first.refuse(422, "Session Interval Too Small", headers=[("Min-SE", "3600")])
    await placed.carrier.expect("ACK")
    second = await placed.carrier.dialled()
    assert int(second.invite["session-expires"].partition(";")[0]) >= 3600
    assert second.invite["min-se"] == "3600"
    assert second.invite["call-id"] == first.invite["call-id"]
    assert second.invite.cseq == first.invite.cseq + 1
    await second.pick_up(headers=[("Require", "timer"), ("Session-Expires", "3600;refresher=uas")])
    await second.leg.hears_tone()
    await second.hang_up()


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
async def test_row_01_the_far_end_of_a_call_we_placed_refreshes_it_either_way(
    place_call: PlaceCall, method: str
) -> None:
    placed = await place_call()
    dialled, carrier = placed.dialled, placed.carrier
    timer = [("Supported", "timer"), ("Session-Expires", "900;refresher=uas")]
    await dialled.pick_up(headers=[("Require", "timer"), *timer])
    body = dialled.description() if method == "INVITE" else ""
    carrier.send(
        dialled.request(method, body, headers=[("Supported", "timer"), ("Session-Expires", "900;refresher=uac")])
    )
    refreshed = await carrier.expect_final(dialled.cseq, method)
    assert refreshed.status == 200
    assert refreshed["session-expires"].replace(" ", "") == "900;refresher=uac"
    if method == "INVITE":
        carrier.send(dialled.request("ACK").replace(f"CSeq: {dialled.cseq} ACK", f"CSeq: {dialled.cseq - 1} ACK"))
    await dialled.leg.hears_tone()
    assert not {"call.held", "call.resumed"} & set(placed.scene.names())
    await dialled.hang_up()
