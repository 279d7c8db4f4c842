"""Field row 2: provisional answers that IMS wants acknowledged; and who may end a call."""

from __future__ import annotations

import asyncio

import pytest

from gateway.emulator.scenario import Scenario
from tests.carrier.conftest import OpenScene, PlaceCall
from tests.carrier.rtp_leg import tone

SLOW = Scenario.model_validate(
    {"greeting": {"tone": {"hz": 440, "ms": 20_000}}, "faults": {"stall_session_updated_ms": 1200}}
)


async def test_row_02_a_carrier_that_requires_100rel_has_its_180_repeated_until_prack(scene: OpenScene) -> None:
    carrier = await (await scene(SLOW)).carrier()
    call = await carrier.call()
    call.invite(headers=[("Require", "100rel")])
    ringing = await carrier.expect(180)
    assert "100rel" in ringing["require"]
    again = await carrier.expect(180)
    assert again["rseq"] == ringing["rseq"]
    assert 0.4 < again.at - ringing.at < 1.5, "after T1"
    call.to_tag, first_target = ringing.tag("to"), call.target
    call.target = ringing["contact"].strip("<>")
    carrier.send(call.request("PRACK", headers=[("RAck", f"{ringing['rseq']} 1 INVITE")]))
    assert (await carrier.expect_final(call.cseq, "PRACK")).status == 200
    await carrier.expect_no(180, for_s=0.3)
    carrier.send(call.request("PRACK", headers=[("RAck", f"{int(ringing['rseq']) + 7} 1 INVITE")]))
    assert (await carrier.expect_final(call.cseq, "PRACK")).status == 481, "RFC 3262 §3: it matches nothing"
    assert first_target
    answer = await carrier.expect(200, of="INVITE")
    call.acknowledge(answer)
    call.leg.talk_to(answer.rtp_target)
    await call.leg.hears_tone()
    await call.hang_up()


async def test_row_02_a_reliable_183_of_the_far_end_gets_its_prack_once(place_call: PlaceCall) -> None:
    placed = await place_call()
    dialled, carrier = placed.dialled, placed.carrier
    assert "100rel" in ", ".join(dialled.invite.all("supported"))
    reliable = [("Require", "100rel"), ("RSeq", "9021")]
    dialled.ring(183, body=dialled.description(), headers=reliable)
    prack = await carrier.expect("PRACK")
    assert prack["rack"].split() == ["9021", str(dialled.invite.cseq), "INVITE"]
    assert prack.tag("to") == dialled.tag
    assert prack.cseq == dialled.invite.cseq + 1
    carrier.reply(prack, 200, "OK")
    dialled.ring(183, body=dialled.description(), headers=reliable)  # once more: our 200 was lost
    await carrier.expect_no("PRACK", for_s=0.3)
    await dialled.pick_up()
    await dialled.leg.hears_tone()
    await dialled.hang_up()


async def test_sharp_edge_a_bye_or_cancel_from_another_address_ends_nothing(scene: OpenScene) -> None:
    place = await scene(trunks={"demo": {"accept_from": ["127.0.0.1"]}, "other": {"accept_from": ["127.0.0.9"]}})
    carrier, stranger = await place.carrier(), await place.carrier(address="127.0.0.9")
    call = await carrier.call()
    await call.set_up()
    for method in ("BYE", "CANCEL"):
        forged = call.request(method, cseq=1 if method == "CANCEL" else None, branch=call.invite_branch)
        stranger.send(forged.replace(f"127.0.0.1:{carrier.port};branch", f"127.0.0.9:{stranger.port};branch"))
    await asyncio.sleep(0.2)
    assert not [one for one in stranger.received if one.status == 200 and one.method == "BYE"]
    call.leg.says = tone(900)
    await call.leg.hears_tone()
    await call.hang_up()


async def test_row_15_with_early_media_the_caller_hears_the_greeting_before_the_answer(scene: OpenScene) -> None:
    brief = Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 1500}}})
    place = await scene(brief, trunks={"demo": {"accept_from": ["127.0.0.0/8"], "early_media": True}})
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite()
    progress = await carrier.expect(183)
    assert progress.direction == "sendrecv"
    call.leg.talk_to(progress.rtp_target)
    await call.leg.hears_tone()
    answer = await call.answered()
    assert answer.at - progress.at > 1.0, "when the greeting has been heard"
    assert (answer.rtp_target, answer.tag("to")) == (progress.rtp_target, progress.tag("to"))
    await carrier.expect_no("BYE", for_s=0.3)
    assert len({packet.ssrc for packet in call.leg.heard}) == 1, "one stream across the answer"
    await call.hang_up()


@pytest.mark.parametrize("acknowledges", [True, False])
async def test_row_15_early_media_to_a_caller_who_says_nothing_goes_on_behind_a_prack_and_ends_without(
    scene: OpenScene, acknowledges: bool
) -> None:
    endless = Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 20_000}}})
    place = await scene(endless, trunks={"demo": {"accept_from": ["127.0.0.0/8"], "early_media": True}})
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite(headers=[("Supported", "100rel")] if acknowledges else [])
    progress = await carrier.expect(183)
    request_uri = call.target
    if acknowledges:
        call.to_tag, call.target = progress.tag("to"), progress["contact"].strip("<>")
        carrier.send(call.request("PRACK", headers=[("RAck", f"{progress['rseq']} 1 INVITE")]))
        assert (await carrier.expect_final(call.cseq, "PRACK")).status == 200
        await asyncio.sleep(4.5)
        heard = len(call.leg.heard)
        await asyncio.sleep(0.5)
        assert len(call.leg.heard) - heard >= 20, "still heard before the answer"
        await carrier.expect_no(200, for_s=0.1)
        call.to_tag, call.target = "", request_uri
        carrier.send(call.request("CANCEL", cseq=1, branch=call.invite_branch))
        call.acknowledge(await carrier.expect(487))
        return
    answer = await carrier.expect(200, of="INVITE")
    assert 2.9 < answer.at - progress.at < 4.0, "its ACK would be proof"
    await asyncio.sleep(0.2)
    heard = len(call.leg.heard)
    await asyncio.sleep(0.5)
    assert len(call.leg.heard) == heard, "and until then nothing is sent"
    call.to_tag, call.target = answer.tag("to"), answer["contact"].strip("<>")
    call.acknowledge(answer)
    await asyncio.sleep(0.5)
    assert len(call.leg.heard) - heard >= 15
    await call.hang_up()
