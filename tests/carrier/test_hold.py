"""Field rows 3 to 6: hold, resume, other codecs, other addresses."""

from __future__ import annotations

import pytest

from tests.carrier.conftest import OpenScene
from tests.carrier.rtp_leg import silence, tone
from tests.support.audio import expect_tone
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("offered", "answered"),
    [("sendonly", "recvonly"), ("inactive", "inactive"), ("recvonly", "sendonly"), ("sendrecv", "sendrecv")],
)
async def test_row_03_each_direction_is_answered_with_its_counterpart_and_nobody_hangs_up(
    scene: OpenScene, offered: str, answered: str
) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    await call.set_up()
    answer = await call.reoffer(call.offer(offered, version=2))
    assert (answer.status, answer.direction) == (200, answered)
    await carrier.expect_no("BYE", for_s=0.3)
    await call.hang_up()


async def test_row_03_hold_is_answered_recvonly_and_resumed_and_the_agent_is_heard_again(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    await call.set_up()
    await call.leg.hears_tone()
    ssrc = call.leg.heard[-1].ssrc
    assert (await call.reoffer(call.offer("sendonly", version=2))).direction == "recvonly"
    await call.leg.hears_nothing(for_s=0.3)
    resumed = await call.reoffer(call.offer("sendrecv", version=3))
    assert (resumed.status, resumed.direction) == (200, "sendrecv")
    await call.leg.hears_tone()
    assert call.leg.heard[-1].ssrc == ssrc, "a resumed stream is the same stream"
    assert [name for name in place.names() if name in {"call.held", "call.resumed"}] == ["call.held", "call.resumed"]
    await call.hang_up()


async def test_row_03_hold_by_an_unspecified_address_and_unhold_with_the_first_address(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    await call.set_up()
    await call.leg.hears_tone()
    held = await call.reoffer(call.offer(None, address="0.0.0.0", version=2))
    assert held.status == 200
    assert held.direction in {"recvonly", "inactive"}
    assert held.rtp_target[0] != "0.0.0.0", "the way back must not be closed for good (RFC 3264 §8.4)"
    await call.leg.hears_nothing(for_s=0.3)
    resumed = await call.reoffer(call.offer(version=3))
    assert (resumed.status, resumed.direction) == (200, "sendrecv")
    assert resumed.rtp_target[0] == "127.0.0.1"
    await call.leg.hears_tone()
    await call.hang_up()


async def test_row_03_unhold_without_any_direction_line_means_sendrecv(scene: OpenScene) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    await call.set_up()
    await call.reoffer(call.offer("sendonly", version=2))
    assert (await call.reoffer(call.offer(None, version=3))).direction == "sendrecv"
    await call.leg.hears_tone()
    await call.hang_up()


async def test_row_03_each_answer_states_a_version_that_grows_only_with_its_content(scene: OpenScene) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    first = await call.set_up()
    same = await call.reoffer(call.offer(version=1))
    held = await call.reoffer(call.offer("sendonly", version=2))
    origins = [answer.sdp("o")[0].split(" ") for answer in (first, same, held)]
    assert len({origin[1] for origin in origins}) == 1
    assert origins[1][2] == origins[0][2]
    assert int(origins[2][2]) == int(origins[1][2]) + 1
    await call.hang_up()


async def test_row_04_hold_is_an_event_its_music_is_not_heard_and_silence_does_not_end_it(scene: OpenScene) -> None:
    place = await scene(media={"silence_timeout_s": 1})
    carrier = await place.carrier()
    call = await carrier.call()
    await call.set_up()
    await call.reoffer(call.offer("sendonly", version=2))
    await until(lambda: "call.held" in place.names())
    call.leg.says = tone(700)
    await carrier.expect_no("BYE", for_s=0.5)
    call.leg.says = None
    await carrier.expect_no("BYE", for_s=1.7)
    call.leg.says = silence()
    await call.reoffer(call.offer(version=3))
    await until(lambda: "call.resumed" in place.names())
    await call.leg.hears_tone()
    heard = place.stage.emulator.sessions[0].caller_samples()
    with pytest.raises(AssertionError):
        expect_tone(heard, 700, at_least_s=0.1)
    await call.hang_up()


async def test_row_05_another_codec_is_answered_with_a_codec_of_the_offer_and_audio_follows(scene: OpenScene) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    first = await call.set_up(call.offer(formats="0 101"))
    assert first.sdp("m")[0].split(" ")[3:] == ["0", "101"]
    answer = await call.reoffer(call.offer(formats="8", version=2))
    assert answer.status == 200
    assert answer.sdp("m")[0].split(" ")[3:] == ["8"], "nothing but what was offered"
    await call.leg.hears_tone(law="PCMA")
    assert call.leg.heard[-1].payload_type == 8
    await call.hang_up()


async def test_row_05_a_codec_we_have_not_gets_488_and_the_session_stays_as_it_was(scene: OpenScene) -> None:
    carrier = await (await scene()).carrier()
    call = await carrier.call()
    await call.set_up()
    assert (await call.reoffer(call.offer(formats="18", version=2))).status == 488
    await call.leg.hears_tone()
    assert (await call.reoffer(call.offer(version=3))).status == 200
    await call.leg.hears_tone()
    await call.hang_up()


async def test_row_06_after_hold_the_audio_follows_to_another_port_and_a_new_ssrc_is_heard(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    answer = await call.set_up()
    await call.leg.hears_tone()
    await call.reoffer(call.offer("inactive", version=2))
    old, call.leg = call.leg, await carrier.leg()
    old.says = None
    resumed = await call.reoffer(call.offer(version=3))
    assert resumed.rtp_target == answer.rtp_target
    call.leg.says = tone(900)
    call.leg.talk_to(resumed.rtp_target)
    await call.leg.hears_tone()
    await old.hears_nothing(for_s=0.2)
    session = place.stage.emulator.sessions[0]
    await until(lambda: len(session.caller_samples()) > 8000)
    await carrier.expect_no("BYE", for_s=0.6)
    expect_tone(session.caller_samples(), 900, at_least_s=0.3)
    await call.hang_up()


async def test_row_06_an_ssrc_that_changes_at_the_answer_is_heard_from_its_first_word(scene: OpenScene) -> None:
    place = await scene()
    carrier = await place.carrier()
    call = await carrier.call()
    call.invite()
    await call.take_answer()
    call.acknowledge(call.answer)  # type: ignore[arg-type]
    await until(lambda: call.leg.heard)
    call.leg.ssrc ^= 0x5A5A5A5A
    call.leg.sequence = (call.leg.sequence + 30_000) & 0xFFFF
    call.leg.timestamp = (call.leg.timestamp + 2**31) & 0xFFFF_FFFF
    call.leg.says = tone(1000)
    session = place.stage.emulator.sessions[0]
    await carrier.expect_no("BYE", for_s=1.0)
    expect_tone(session.caller_samples(), 1000, at_least_s=0.7)
    await call.hang_up()
    lost = place.end["media"]["packets_lost"] if (await place.is_empty()) is None else None
    assert lost == 0, "another stream is no loss of the first"
