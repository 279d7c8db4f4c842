"""Field rows 1, 2, 10 to 14, 16 and 18: what carriers do around the dialog itself."""

from __future__ import annotations

import asyncio

import pytest

from gateway.emulator.scenario import Scenario
from tests.carrier.agent import CarrierCall, Message
from tests.carrier.conftest import OpenScene
from tests.carrier.rtp_leg import tone
from tests.support.audio import expect_tone
from tests.support.waiting import until

POLITE = Scenario.model_validate(
    {"greeting": {"tone": {"hz": 440, "ms": 300}}, "other_texts": {"say": "all_right", "tool": {"name": "hang_up"}}}
)
"""An agent that greets briefly and hangs up when it is told of a key."""


async def test_row_02_a_second_invite_right_behind_the_ack_changes_nothing(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite(headers=[("Supported", "100rel, timer, precondition")])
    first = await call.take_answer()
    call.acknowledge(first)
    call.invite()  # in the same moment
    second = await carrier.expect_final(call.cseq)
    assert second.status == 200
    call.acknowledge(second)
    assert second.body == first.body, "a refresh: same session, same version"
    await call.leg.hears_tone()
    assert place.names().count("call.offered") == 1
    assert not {"call.held", "call.resumed"} & set(place.names())
    await call.hang_up()


async def test_row_02_a_second_invite_before_the_ack_is_told_to_wait_and_the_call_goes_on(scene: OpenScene) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    call.invite()
    first = await call.take_answer()
    call.invite()
    refused = await carrier.expect_final(call.cseq)
    # RFC 3261 §14.2 has 500 with Retry-After where the first INVITE is unanswered; this one waits for its ACK only.
    assert refused.status in {200, 491, 500}
    call.acknowledge(first)
    call.acknowledge(refused)
    await call.leg.hears_tone()
    await carrier.expect_no("BYE", for_s=0.3)
    await call.hang_up()


async def test_row_02_preconditions_required_are_refused_with_their_name(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite(headers=[("Require", "precondition")])
    refused = await carrier.expect_final(1)
    call.acknowledge(refused)
    assert (refused.status, refused["unsupported"]) == (420, "precondition")
    assert place.stage.refusals("require") == 1


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_row_10_our_bye_carries_the_route_set_over_the_same_connection(scene: OpenScene, transport: str) -> None:
    place = await scene(POLITE)
    carrier = await place.carrier(transport)
    call = await carrier.call(contact="sip:+15550199001@10.255.255.1:5060;transport=tcp")  # nobody can reach that
    edge = f"<sip:edge@{carrier.address}:{carrier.port};transport={transport};lr;ftag=abc>"
    call.extra = [("Record-Route", edge), ("Record-Route", "<sip:10.255.255.2;lr>")]
    answer = await call.set_up()
    assert answer.all("record-route") == [edge, "<sip:10.255.255.2;lr>"]
    call.leg.press(1)
    bye = await carrier.expect("BYE", within_s=15)
    assert bye.uri == call.contact, "the remote target is the Request-URI"
    assert [one.strip() for value in bye.all("route") for one in value.split(",")] == [edge, "<sip:10.255.255.2;lr>"]
    assert not carrier.is_closed_by_gateway
    carrier.reply(bye, 200)
    await place.is_empty()
    assert place.end["reason"] == "agent_hung_up"


async def test_row_11_every_request_of_ours_counts_its_cseq_up_after_hold(scene: OpenScene) -> None:
    place = await scene(POLITE)
    carrier = await place.carrier()
    call = await carrier.call()
    await call.set_up()
    await call.reoffer(call.offer("sendonly", version=2))
    await call.reoffer(call.offer(version=3))
    call.leg.press(1)
    bye = await carrier.expect("BYE", within_s=15)
    carrier.reply(bye, 200)
    ours = [(one.method, one.cseq) for one in carrier.received if one.status is None]
    numbers = [number for _, number in dict.fromkeys(ours)]
    assert numbers == sorted(set(numbers))


async def test_row_11_a_bye_that_is_answered_481_still_ends_the_call(scene: OpenScene) -> None:
    place = await scene(POLITE)
    carrier = await place.carrier()
    call = await carrier.call()
    await call.set_up()
    call.leg.press(1)
    bye = await carrier.expect("BYE", within_s=15)
    carrier.reply(bye, 481, "Call Leg/Transaction Does Not Exist")
    await place.is_empty()
    await until(lambda: place.gateway.sip.user_agent.dialogs == 0)
    await carrier.expect_no("BYE", for_s=0.7)


async def test_sharp_edge_a_carrier_that_wants_a_password_for_the_bye_of_its_own_call_gets_it(scene: OpenScene) -> None:
    trunk = {"accept_from": ["127.0.0.0/8"], "username": "us", "password": "secret"}
    place = await scene(POLITE, trunks={"carrier": trunk})
    carrier = await place.carrier()
    call = await carrier.call()
    await call.set_up()
    call.leg.press(1)
    first = await carrier.expect("BYE", within_s=15)
    challenge = ("Proxy-Authenticate", 'Digest realm="edge", nonce="n1", qop="auth"')
    carrier.reply(first, 407, "Proxy Authentication Required", headers=[challenge])
    second = await carrier.expect("BYE")
    assert second.cseq == first.cseq + 1
    assert 'username="us"' in second["Proxy-Authorization"]
    carrier.reply(second, 200, "OK")
    await place.is_empty()
    await until(lambda: place.gateway.sip.user_agent.dialogs == 0)


async def test_row_11_the_far_ends_bye_gets_200_and_again_when_repeated(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    await call.set_up()
    bye = call.request("BYE", headers=[("Reason", 'Q.850;cause=16;text="Normal call clearing"')])
    carrier.send(bye)
    await carrier.expect(200, of="BYE")
    carrier.send(bye)
    await carrier.expect(200, of="BYE")
    await place.is_empty()
    assert place.end["reason"] == "caller_hung_up"


async def test_row_12_replies_go_to_the_source_and_contact_and_sdp_name_what_is_advertised(scene: OpenScene) -> None:
    place = await scene(
        sip={"listen": ["udp://127.0.0.1:0"], "advertise": "203.0.113.80", "local_networks": ["10.0.0.0/8"]},
        media={"advertise": "203.0.113.81"},
    )
    carrier = await place.carrier()
    call = await carrier.call()
    port, carrier.port = carrier.port, 5999  # behind a NAT: Via and Contact name a port that is not ours
    call.invite()
    answer = await call.take_answer()
    carrier.port = port
    via = answer["via"]
    assert f"rport={port}" in via, "RFC 3581"
    assert "203.0.113.80" in answer["contact"]
    assert answer.rtp_target[0] == "203.0.113.81"
    host, rtp_port = "127.0.0.1", answer.rtp_target[1]
    call.leg.talk_to((host, rtp_port))
    call.target = f"sip:gateway@{carrier.gateway[0]}"
    call.acknowledge(answer)
    await call.leg.hears_tone()
    await call.hang_up()


async def test_row_13_audio_from_behind_a_nat_is_answered_to_where_it_comes_from(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    answer = await call.set_up(call.offer(port=9))  # nobody listens there
    await call.leg.hears_tone()
    assert call.leg.heard[-1].source == answer.rtp_target, "sent from the port that was named"
    await call.hang_up()


async def test_row_14_an_invite_without_an_offer_gets_ours_in_the_200(scene: OpenScene) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    call.invite("")
    offer = await call.take_answer()
    assert {"0", "8"} <= set(offer.sdp("m")[0].split(" ")[3:])
    call.acknowledge(offer, call.offer(formats="8 101"))
    await call.leg.hears_tone(law="PCMA")
    await call.hang_up()


async def test_row_14_a_reinvite_without_an_offer_is_answered_with_the_session_as_it_is(scene: OpenScene) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    await call.set_up()
    await call.leg.hears_tone()
    call.invite("")
    offer = await carrier.expect_final(call.cseq)
    assert offer.status == 200
    assert offer.direction == "sendrecv"
    call.acknowledge(offer, call.offer(formats="0 101", version=2))
    await call.leg.hears_tone()
    await call.hang_up()


async def test_sharp_edge_an_offer_beside_the_telephone_networks_own_signalling_is_found(scene: OpenScene) -> None:
    """SIP-I: ISUP in the same body, which is not ours to read."""
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    parts = ["--edge", "Content-Type: application/sdp", "", call.offer()]
    isup = ["--edge", "Content-Type: application/ISUP", "Content-Disposition: signal;handling=optional", "", "\x01\x10"]
    body = "\r\n".join([*parts, *isup, "--edge--", ""])
    carrier.send(call.request("INVITE", body, content_type="multipart/mixed;boundary=edge"))
    await call.answered()
    await call.leg.hears_tone()
    await call.hang_up()


async def test_row_15_a_slow_provider_lets_it_ring_and_the_answer_comes_with_the_voice(scene: OpenScene) -> None:
    slow = Scenario.model_validate(
        {"greeting": {"tone": {"hz": 440, "ms": 20_000}}, "faults": {"stall_session_updated_ms": 1500}}
    )
    place = await scene(slow)
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite()
    ringing = await carrier.expect(180)
    assert ringing.tag("to")
    answer = await call.answered()
    assert answer.at - ringing.at > 1.0
    await call.leg.hears_tone(within_s=1.5)
    first = call.leg.heard[0].at
    assert first - answer.at < 1.0, "no dead air behind the answer"
    await call.hang_up()


async def test_row_15_a_provider_that_never_comes_is_503_and_not_ringing_for_ever(scene: OpenScene) -> None:
    place = await scene(Scenario.model_validate({"faults": {"reject_upgrade": 503}}))
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite()
    refused = await carrier.expect_final(1)
    call.acknowledge(refused)
    assert refused.status == 503
    assert refused["retry-after"].isdigit()


@pytest.mark.parametrize(
    ("changes", "callee", "formats", "status", "rule"),
    [
        ({"routes": [{"to": "desk", "agent": "demo"}]}, "nobody", "0", 404, "no_route"),
        ({}, "agent", "18", 488, "media_negotiation"),
        ({"trunks": {"demo": {"accept_from": ["192.0.2.0/24"]}}, "unknown_callers": "403"}, "agent", "0", 403, None),
    ],
)
async def test_row_16_each_refusal_has_its_own_code_and_a_rule(
    scene: OpenScene, changes: dict[str, object], callee: str, formats: str, status: int, rule: str | None
) -> None:
    place = await scene(**changes)
    carrier = await place.carrier()
    call = await carrier.call(callee)
    call.invite(call.offer(formats=formats))
    refused = await carrier.expect_final(1)
    call.acknowledge(refused)
    assert refused.status == status
    assert place.stage.refusals(rule or "unknown_callers") == 1


@pytest.mark.parametrize(
    ("changes", "status", "rule"),
    [
        ({"node": {"max_calls": 1}}, 503, "node.max_calls"),
        ({"trunks": {"demo": {"accept_from": ["127.0.0.0/8"], "max_calls": 1}}}, 486, "trunks.max_calls"),
    ],
)
async def test_row_16_a_full_house_is_told_from_a_broken_one_and_the_first_call_goes_on(
    scene: OpenScene, changes: dict[str, object], status: int, rule: str
) -> None:
    place = await scene(**changes)
    carrier = await place.carrier()
    first, second = await carrier.call(), await carrier.call()
    await first.set_up()
    second.invite()
    refused = await carrier.expect_where(lambda one: one["call-id"] == second.call_id and one.status != 100, "refusal")
    second.acknowledge(refused)
    assert refused.status == status
    assert refused["retry-after"].isdigit() == (status == 503), "only the node's limit sends the carrier elsewhere"
    assert place.stage.refusals(rule) == 1
    await first.leg.hears_tone()
    await first.hang_up()


async def test_row_16_a_stranger_hears_nothing_and_the_rule_is_counted(scene: OpenScene) -> None:
    place = await scene(trunks={"demo": {"accept_from": ["127.0.0.1"]}})
    stranger = await place.carrier(address="127.0.0.9")
    call = await stranger.call()
    call.invite()
    await asyncio.sleep(0.3)
    assert stranger.received == []
    assert place.stage.refusals("unknown_callers") == 1


async def test_row_16_a_good_carriers_burst_is_not_taken_for_a_flood(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    calls = [await carrier.call() for _ in range(60)]
    for call in calls:
        call.invite(call.offer(formats="18"))  # refused for its codec, so that sixty sessions are not opened
    await until(lambda: all(_answer_to(call) for call in calls))
    for call in calls:
        answer = _answer_to(call)
        assert answer is not None
        assert answer.status == 488, answer.start
        call.acknowledge(answer)
    assert place.stage.refusals("media_negotiation") == 60


def _answer_to(call: CarrierCall) -> Message | None:
    answers = (one for one in call.carrier.received if one["call-id"] == call.call_id and (one.status or 0) >= 200)
    return next(answers, None)


async def test_row_18_cancel_while_it_rings_is_200_and_487_and_no_session_is_left(scene: OpenScene) -> None:
    slow = Scenario.model_validate({"faults": {"stall_session_updated_ms": 5000}})
    place = await scene(slow)
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite()
    await carrier.expect(180)
    carrier.send(call.request("CANCEL", cseq=1, branch=call.invite_branch))
    await carrier.expect(200, of="CANCEL")
    ended = await carrier.expect_final(1)
    assert ended.status == 487
    call.acknowledge(ended)
    await place.is_empty()
    assert place.end["reason"] == "cancelled"


async def test_row_18_a_cancel_that_crosses_the_200_changes_nothing_and_bye_ends_the_call(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite()
    answer = await carrier.expect(200, of="INVITE")  # on its way while we cancel
    carrier.send(call.request("CANCEL", cseq=1, branch=call.invite_branch))
    await carrier.expect(200, of="CANCEL")
    call.to_tag, call.target = answer.tag("to"), answer["contact"].strip("<>")
    await carrier.expect_no(487, for_s=0.3)
    call.acknowledge(answer)
    await call.hang_up()
    await place.is_empty()


async def test_row_18_a_caller_that_never_acknowledges_is_hung_up_on(scene: OpenScene) -> None:
    """The 200 is repeated until the ACK comes, here late; nothing is played twice and the call is one."""
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite()
    answer = await call.take_answer()
    await asyncio.sleep(1.8)
    repeated = [one for one in carrier.received if one.status == 200]
    assert len(repeated) >= 3, "T1, doubled: 0, 0.5, 1.5 s"
    assert {one.body for one in repeated} == {answer.body}
    call.acknowledge(answer)
    await asyncio.sleep(0.1)
    await carrier.expect_no(200, for_s=2.2)
    await call.leg.hears_tone()
    await call.hang_up()


async def test_sharp_edge_audio_before_the_200_is_no_harm_and_is_heard_once_answered(scene: OpenScene) -> None:
    slow = Scenario.model_validate(
        {"greeting": {"tone": {"hz": 440, "ms": 20_000}}, "faults": {"stall_session_updated_ms": 600}}
    )
    place = await scene(slow)
    carrier = await place.carrier()
    call = await carrier.call()
    call.leg.says = tone(800)
    call.invite()
    ringing = await carrier.expect(180)
    assert not ringing.body
    call.leg.talk_to(carrier.gateway)  # RTP at the SIP port, of all places: unreadable, and answered by nobody
    await call.answered()
    await call.leg.hears_tone()
    await carrier.expect_no("BYE", for_s=0.6)
    expect_tone(place.stage.emulator.sessions[0].caller_samples(), 800, at_least_s=0.3)
    await call.hang_up()


async def test_sharp_edge_digits_without_a_marker_and_with_one_end_only_are_one_digit_each(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    await call.set_up()
    await call.leg.hears_tone()
    for key, ends in ((5, 3), (5, 1), (7, 2)):
        call.leg.press(key, marker=False, ends=ends)
        await asyncio.sleep(0.1)
    await until(lambda: place.names().count("digit.received") >= 3)
    digits = [event.details["digit"] for event in place.stage.events if event.name.value == "digit.received"]
    assert digits == ["5", "5", "7"]
    await call.hang_up()


async def test_sharp_edge_a_rejected_reinvite_does_not_end_the_call(scene: OpenScene) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    await call.set_up()
    for body in ("this is no session description", call.offer(formats="18", version=2)):
        refused = await call.reoffer(body)
        assert refused.status in {400, 415, 488}
    await carrier.expect_no("BYE", for_s=0.3)
    await call.leg.hears_tone()
    await call.hang_up()


async def test_sharp_edge_a_port_handed_on_while_the_last_peer_still_sends_is_the_new_callers(scene: OpenScene) -> None:
    place = await scene(media={"ports": "42000-42001"})
    carrier = await place.carrier()
    first = await carrier.call()
    one = await first.set_up()
    await first.leg.hears_tone()
    await first.hang_up()
    await place.is_empty()
    first.leg.says = tone(600)  # it has not understood, and goes on sending
    second = await carrier.call()
    two = await second_call_on_the_same_port(second)
    assert two == one.rtp_target
    await second.leg.hears_tone()
    second.leg.says = tone(1200)
    first.leg.heard.clear()
    await carrier.expect_no("BYE", for_s=1.5)
    assert not first.leg.heard, "the last peer hears nothing of the new call"
    heard = place.stage.emulator.sessions[1].caller_samples()
    expect_tone(heard, 1200, at_least_s=0.8)
    await second.hang_up()


async def second_call_on_the_same_port(call: CarrierCall) -> tuple[str, int]:
    """The port may be resting for a moment: a carrier tries again."""
    for _ in range(60):
        call.invite()
        response = await call.carrier.expect_final(call.cseq)
        if response.status == 200:
            call.to_tag, call.target = response.tag("to"), response["contact"].strip("<>")
            call.acknowledge(response)
            call.leg.talk_to(response.rtp_target)
            return response.rtp_target
        call.acknowledge(response)
        call.call_id += "x"
        call.invite_branch = ""
        call.cseq = 1
        await asyncio.sleep(0.5)
    raise AssertionError("the port never came back")
