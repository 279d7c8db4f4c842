"""Field rows 8, 11, 13 and 18, and the sharp edges of calls that we place."""

from __future__ import annotations

import asyncio

import pytest

from tests.carrier.conftest import PlaceCall
from tests.carrier.rtp_leg import silence, tone
from tests.support.audio import expect_tone
from tests.support.waiting import until


async def test_row_08_a_refusal_is_shown_with_the_carriers_own_words(place_call: PlaceCall) -> None:
    placed = await place_call()
    why = [("Warning", '399 carrier.example "From is not your number"'), ("Reason", 'Q.850;cause=21;text="Rejected"')]
    placed.dialled.refuse(403, "Caller ID Not Permitted", headers=why)
    ack = await placed.carrier.expect("ACK")
    assert ack.tag("to") == placed.dialled.tag
    view = await placed.reaches("ended")
    assert (view["sip"]["status"], view["sip"]["reason"]) == (403, "Caller ID Not Permitted")
    assert (view["sip"]["q850_cause"], view["end_reason"]) == (21, "rejected")
    assert view["sip_call_id"] == placed.dialled.invite["call-id"]


async def test_row_08_from_and_identity_are_the_trunks_and_the_proxy_is_asked_first(place_call: PlaceCall) -> None:
    identity = {"from_user": "+15550100500", "from_domain": "account.example.com", "assert_identity": True}
    placed = await place_call(trunk=identity)
    invite = placed.dialled.invite
    assert "sip:+15550100500@account.example.com" in invite["from"]
    assert "+15550100500" in invite["p-asserted-identity"]
    assert invite.uri.startswith("sip:+15550199001@127.0.0.1")
    placed.dialled.refuse(486, "Busy Here")
    await placed.carrier.expect("ACK")
    assert (await placed.reaches("ended"))["end_reason"] == "busy"


async def test_row_08_a_challenge_is_answered_once_and_a_wrong_password_ends_the_call(place_call: PlaceCall) -> None:
    placed = await place_call(trunk={"username": "acme", "password": "wrong-password"})
    challenge = [("Proxy-Authenticate", 'Digest realm="carrier.example", nonce="one", algorithm=SHA-256, qop="auth"')]
    first = placed.dialled
    first.refuse(407, "Proxy Authentication Required", headers=challenge)
    await placed.carrier.expect("ACK")
    second = await placed.carrier.dialled()
    assert second.invite["proxy-authorization"].startswith("Digest ")
    assert second.invite["call-id"] == first.invite["call-id"]
    assert second.invite.cseq == first.invite.cseq + 1
    assert second.invite.tag("to") == ""
    second.refuse(407, "Proxy Authentication Required", headers=challenge)
    await placed.carrier.expect("ACK")
    await placed.carrier.expect_no("INVITE", for_s=0.4)
    assert (await placed.reaches("ended"))["sip"]["status"] == 407


async def test_row_11_the_far_ends_bye_on_a_call_we_placed_gets_200_and_ends_it_at_once(place_call: PlaceCall) -> None:
    placed = await place_call()
    placed.dialled.ring()
    await placed.dialled.pick_up()
    await placed.dialled.leg.hears_tone()
    assert (await placed.dialled.hang_up()).status == 200
    view = await placed.reaches("ended")
    assert view["end_reason"] in {"callee_hung_up", "caller_hung_up"}
    assert view["duration_s"] < 5
    await placed.scene.is_empty()


async def test_row_11_invite_hold_resume_and_bye_each_have_a_cseq_of_their_own(place_call: PlaceCall) -> None:
    placed = await place_call()
    dialled, carrier = placed.dialled, placed.carrier
    edge = f"<sip:{carrier.address}:{carrier.port};lr>"
    await dialled.pick_up(headers=[("Record-Route", edge)])
    await dialled.leg.hears_tone()
    numbers = [dialled.invite.cseq]
    for verb, direction in (("hold", {"sendonly", "inactive"}), ("resume", {"sendrecv"})):
        await placed.operator.http.post(f"/v1/calls/{placed.id}/{verb}")
        again = await carrier.expect("INVITE")
        assert again.direction in direction
        assert again["route"] == edge
        numbers.append(again.cseq)
        answer = {"sendonly": "recvonly", "inactive": "inactive", "sendrecv": "sendrecv"}[again.direction]
        carrier.reply(again, 200, "OK", headers=[dialled.contact()], body=dialled.description(answer))
        assert (await carrier.expect("ACK")).cseq == again.cseq
    await dialled.leg.hears_tone()
    await placed.operator.http.delete(f"/v1/calls/{placed.id}")
    bye = await carrier.expect("BYE")
    assert bye["route"] == edge
    numbers.append(bye.cseq)
    carrier.reply(bye, 200)
    assert numbers == sorted(set(numbers))


async def test_row_13_audio_before_the_200_and_another_ssrc_after_it(place_call: PlaceCall) -> None:
    placed = await place_call()
    dialled = placed.dialled
    dialled.leg.says = tone(425)  # ringback
    dialled.ring(183, body=dialled.description())
    dialled.leg.talk_to(dialled.invite.rtp_target)
    await asyncio.sleep(0.4)
    assert not any(_is_loud(packet.payload) for packet in dialled.leg.heard), "the agent waits for the answer"
    dialled.leg.ssrc ^= 0xFFFF
    dialled.leg.sequence = (dialled.leg.sequence + 20_000) & 0xFFFF
    dialled.leg.timestamp = (dialled.leg.timestamp + 2**30) & 0xFFFF_FFFF
    dialled.leg.says = silence()
    await dialled.pick_up()
    await dialled.leg.hears_tone()
    dialled.leg.says = tone(900)
    session = placed.scene.stage.emulator.sessions[0]
    await placed.carrier.expect_no("BYE", for_s=0.9)
    expect_tone(session.caller_samples(), 900, at_least_s=0.5)
    with pytest.raises(AssertionError):
        expect_tone(session.caller_samples(), 425, at_least_s=0.1)
    await dialled.hang_up()


def _is_loud(payload: bytes) -> bool:
    return any(byte & 0x70 != 0x70 for byte in payload)


async def test_row_18_a_phone_that_rings_is_cancelled_and_does_not_ring_on(place_call: PlaceCall) -> None:
    placed = await place_call()
    dialled, carrier = placed.dialled, placed.carrier
    dialled.ring()
    await placed.reaches("ringing")
    await placed.operator.http.delete(f"/v1/calls/{placed.id}")
    cancel = await carrier.expect("CANCEL")
    invite = dialled.invite
    assert (cancel.uri, cancel["via"], cancel.cseq) == (invite.uri, invite["via"], invite.cseq)
    assert cancel["to"] == invite["to"], "without the tag of the ringing phone"
    carrier.reply(cancel, 200)
    dialled.refuse(487, "Request Terminated")
    await carrier.expect("ACK")
    await carrier.expect_no("BYE", for_s=0.2)
    await placed.scene.is_empty()


async def test_row_18_a_200_that_crosses_our_cancel_is_acknowledged_and_hung_up(place_call: PlaceCall) -> None:
    placed = await place_call()
    dialled, carrier = placed.dialled, placed.carrier
    dialled.ring()
    await placed.reaches("ringing")
    await placed.operator.http.delete(f"/v1/calls/{placed.id}")
    cancel = await carrier.expect("CANCEL")
    dialled.accept()
    carrier.reply(cancel, 200)
    ack = await carrier.expect("ACK")
    assert ack.tag("to") == dialled.tag
    bye = await carrier.expect("BYE")
    assert bye.tag("to") == dialled.tag
    carrier.reply(bye, 200)
    await placed.scene.is_empty()
    await until(lambda: placed.scene.gateway.sip.user_agent.dialogs == 0)


async def test_sharp_edge_nothing_is_cancelled_before_the_carrier_has_said_anything(place_call: PlaceCall) -> None:
    """RFC 3261 §9.1: CANCEL waits for a provisional response, which here comes late."""
    placed = await place_call()
    await placed.reaches("dialing")
    await placed.operator.http.delete(f"/v1/calls/{placed.id}")
    await placed.carrier.expect_no("CANCEL", for_s=0.3)
    placed.dialled.ring()
    cancel = await placed.carrier.expect("CANCEL")
    placed.carrier.reply(cancel, 200)
    placed.dialled.refuse(487, "Request Terminated")
    await placed.carrier.expect("ACK")


async def test_sharp_edge_two_forked_183s_and_two_200s_leave_one_call(place_call: PlaceCall) -> None:
    placed = await place_call()
    dialled, carrier = placed.dialled, placed.carrier
    dialled.ring(183, branch="a", body=dialled.description())
    dialled.ring(183, branch="b", body=dialled.description())
    dialled.accept(branch="b")
    first = await carrier.expect("ACK")
    assert (first.tag("to"), first.uri) == (f"{dialled.tag}b", dialled.contact("b")[1].partition(" ")[0].strip("<>"))
    dialled.accept(branch="a")
    second = await carrier.expect("ACK")
    bye = await carrier.expect("BYE")
    assert second.tag("to") == bye.tag("to") == f"{dialled.tag}a", "who comes second is thanked and sent away"
    carrier.reply(bye, 200)
    dialled.accept(branch="b")  # its 200 once more
    assert (await carrier.expect("ACK")).tag("to") == f"{dialled.tag}b"
    dialled.leg.talk_to(dialled.invite.rtp_target)
    await dialled.leg.hears_tone()
    assert (await placed.view())["state"] == "talking"
    dialled.tag += "b"
    await dialled.hang_up()


async def test_sharp_edge_a_200_that_comes_four_times_is_acknowledged_four_times(place_call: PlaceCall) -> None:
    placed = await place_call()
    await placed.dialled.pick_up()
    for _ in range(3):
        placed.dialled.accept()
        await placed.carrier.expect("ACK")
    await placed.dialled.leg.hears_tone()
    assert placed.scene.names().count("call.answered") == 1
    await placed.dialled.hang_up()


@pytest.mark.parametrize("status", [488, 403, 500])
async def test_sharp_edge_a_rejected_reinvite_of_ours_does_not_kill_the_call(
    place_call: PlaceCall, status: int
) -> None:
    placed = await place_call()
    dialled, carrier = placed.dialled, placed.carrier
    await dialled.pick_up()
    await dialled.leg.hears_tone()
    await placed.operator.http.post(f"/v1/calls/{placed.id}/hold")
    carrier.reply(await carrier.expect("INVITE"), status, "No")
    await carrier.expect("ACK")
    await carrier.expect_no("BYE", for_s=0.3)
    await placed.reaches("held")  # ours to say, whatever the far end thinks of it
    await placed.operator.http.post(f"/v1/calls/{placed.id}/resume")
    again = await carrier.expect("INVITE")
    carrier.reply(again, 200, "OK", headers=[dialled.contact()], body=dialled.description(version=2))
    await carrier.expect("ACK")
    await dialled.leg.hears_tone()
    await dialled.hang_up()


async def test_sharp_edge_glare_is_tried_again_and_the_carriers_own_offer_goes_first(place_call: PlaceCall) -> None:
    placed = await place_call()
    dialled, carrier = placed.dialled, placed.carrier
    await dialled.pick_up()
    await dialled.leg.hears_tone()
    await placed.operator.http.post(f"/v1/calls/{placed.id}/hold")
    ours = await carrier.expect("INVITE")
    carrier.send(dialled.request("INVITE", dialled.description(version=2)))
    crossed = await carrier.expect_final(dialled.cseq)
    assert crossed.status == 491
    carrier.reply(ours, 491, "Request Pending")
    await carrier.expect("ACK")
    again = await carrier.expect("INVITE", within_s=8)
    waited = again.at - ours.at
    assert 2.0 < waited < 6.0, "who made the Call-ID waits 2.1 to 4 s (RFC 3261 §14.1)"
    assert again.cseq == ours.cseq + 1
    carrier.reply(again, 200, "OK", headers=[dialled.contact()], body=dialled.description("recvonly", version=2))
    await carrier.expect("ACK")
    await placed.reaches("held")
    await dialled.hang_up()


async def test_sharp_edge_an_offer_that_was_overtaken_by_the_carriers_hold_is_made_anew(place_call: PlaceCall) -> None:
    placed = await place_call()
    dialled, carrier = placed.dialled, placed.carrier
    await dialled.pick_up()
    await dialled.leg.hears_tone()
    await placed.operator.http.post(f"/v1/calls/{placed.id}/hold")
    ours = await carrier.expect("INVITE")
    carrier.reply(ours, 491, "Request Pending")
    await carrier.expect("ACK")
    carrier.send(dialled.request("INVITE", dialled.description("sendonly", version=2)))
    held = await carrier.expect_final(dialled.cseq)
    assert (held.status, held.direction) == (200, "inactive"), "both hold"
    dialled.cseq -= 1  # the ACK has the number of its INVITE
    carrier.send(dialled.request("ACK"))
    again = await carrier.expect("INVITE", within_s=8)
    versions = [int(one.sdp("o")[0].split()[2]) for one in (ours, held, again)]
    assert versions == sorted(set(versions)), "RFC 3264 §8: a version that is used up changes nothing for its reader"
    carrier.reply(again, 200, "OK", headers=[dialled.contact()], body=dialled.description("inactive", version=3))
    await carrier.expect("ACK")
    await dialled.hang_up()


async def test_sharp_edge_a_redirect_is_followed_to_where_the_trunk_may_call(place_call: PlaceCall) -> None:
    placed = await place_call()
    first = placed.dialled
    here = f"{placed.carrier.address}:{placed.carrier.port}"
    first.refuse(302, "Moved", headers=[("Contact", f"<sip:+15550199002@{here}>;q=0.9, <sip:x@{here}>;q=0.1")])
    await placed.carrier.expect("ACK")
    second = await placed.carrier.dialled()
    assert second.invite.uri == f"sip:+15550199002@{here}"
    await second.pick_up()
    await second.leg.hears_tone()
    await second.hang_up()
