"""What a call is besides its audio: cancelled, acknowledged late, held, ended by either side, refused, repeated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.measure import g711, speech
from gateway.measure.listening import best_match
from tests.interop.conftest import RunGateway
from tests.support.audio import expect_recording, expect_tone
from tests.support.capture import Capture
from tests.support.network import free_tcp_port, free_udp_port, loopback_address
from tests.support.pcap import Datagram, rtp_flows, sip_messages
from tests.support.peers import require
from tests.support.sip_phone import SipPhone, header_of, to_tag_of
from tests.support.sipp import Sipp

pytestmark = pytest.mark.interop

TONE = {"greeting": {"tone": {"hz": 440, "ms": 20_000}}, "listening": {"minimum_speech_ms": 400}}
QUIET_CALLER = g711.encode(speech.silence(12))


def call(scenario: str, directory: Path, target: tuple[str, int], *, voice: bytes = QUIET_CALLER) -> str:
    """Runs one SIPp call on an address of its own, which it returns."""
    address = loopback_address()
    phone = Sipp(scenario, directory / "sipp", address=address, target=target, audio={"voice": voice})
    try:
        phone.expect_success()
    finally:
        phone.stop()
    return address


def captured_call(
    scenario: str, directory: Path, target: tuple[str, int], *, voice: bytes = QUIET_CALLER
) -> list[Datagram]:
    with Capture(directory, target[0]) as capture:
        call(scenario, directory, target, voice=voice)
    return capture.datagrams()


def statuses(datagrams: list[Datagram], cseq: str) -> list[int]:
    """The final and provisional responses to one request, in order."""
    messages = [text for _, text in sip_messages(datagrams) if text.startswith("SIP/2.0 ")]
    return [int(text[8:11]) for text in messages if header_of(text, "CSeq") == cseq]


@pytest.mark.peer("SIPp", "UDP", "OPTIONS outside a call")
def test_options_tell_what_the_gateway_can_do(start: RunGateway, tmp_path: Path) -> None:
    require("sipp")
    call("options", tmp_path, start(TONE).sip)


@pytest.mark.peer("SIPp", "UDP", "CANCEL while it rings: 200, 487, ACK")
def test_a_call_cancelled_while_it_rings_ends_and_frees_its_session(start: RunGateway, tmp_path: Path) -> None:
    require("sipp")
    gateway = start({**TONE, "faults": {"stall_session_updated_ms": 60_000}})
    call("cancel_while_ringing", tmp_path, gateway.sip)
    assert not gateway.only_session().is_open


@pytest.mark.peer("SIPp", "UDP", "the ACK comes 2.5 s late: the 200 is repeated until then")
def test_a_late_acknowledgement_is_waited_for_with_repeated_answers(start: RunGateway, tmp_path: Path) -> None:
    require("sipp", "tcpdump")
    gateway = start(TONE)
    datagrams = captured_call("late_acknowledgement", tmp_path, gateway.sip)
    answers = [
        (datagram.at_ns, text)
        for datagram, text in sip_messages(datagrams)
        if text.startswith("SIP/2.0 200") and header_of(text, "CSeq") == "1 INVITE"
    ]
    acknowledged = next(datagram.at_ns for datagram, text in sip_messages(datagrams) if text.startswith("ACK "))
    assert len(answers) >= 3, "RFC 3261 §13.3.1.4: the 200 is repeated until its ACK"
    assert all(at_ns < acknowledged for at_ns, _ in answers)
    assert len({text for _, text in answers}) == 1
    assert not gateway.only_session().is_open


@pytest.mark.peer("SIPp", "UDP", "hold with music: the agent never hears it, and hears the caller afterwards")
def test_a_held_call_is_silent_and_deaf_and_goes_on_when_resumed(start: RunGateway, tmp_path: Path) -> None:
    require("sipp", "tcpdump")
    gateway = start({**TONE, "listening": {}, "turns": [{"echo": True}]})
    music, phrase = speech.synthesise(1.2, seed=32), speech.synthesise(1.2, seed=33)
    voice = [speech.silence(2.0), music, speech.silence(1.2), phrase, speech.silence(5)]
    datagrams = captured_call("hold_and_resume", tmp_path, gateway.sip, voice=g711.encode(np.concatenate(voice)))
    requests = {
        header_of(text, "CSeq"): datagram.at_ns
        for datagram, text in sip_messages(datagrams)
        if text.startswith(("ACK ", "INVITE ")) and datagram.destination == gateway.sip
    }
    (to_caller,) = [flow for flow in rtp_flows(datagrams) if flow.source[0] == gateway.address]

    def heard_between(start_ns: int, end_ns: int) -> list[bytes]:
        return [packet.payload for packet in to_caller.packets if start_ns < packet.arrival_ns < end_ns]

    talking = heard_between(0, requests["2 INVITE"])
    expect_tone(g711.decode(b"".join(talking)), 440, at_least_s=1.0)
    held = heard_between(requests["2 ACK"] + 100_000_000, requests["3 INVITE"])
    assert not held, f"{len(held)} packets were sent to a caller who holds (RFC 3264 §8.4)"
    resumed = heard_between(requests["3 ACK"], requests["3 ACK"] + 10**11)
    expect_recording(g711.decode(b"".join(resumed)), phrase, likeness=0.97)

    said = gateway.only_session().caller_samples()
    expect_recording(said, phrase, likeness=0.99)
    assert best_match(said, music).likeness < 0.7, "the agent heard the music of a held call"


@pytest.mark.peer("SIPp", "UDP", "the agent hangs up after its goodbye")
def test_the_agent_ends_the_call_after_its_goodbye(start: RunGateway, tmp_path: Path) -> None:
    require("sipp", "tcpdump")
    goodbye = {"tool": {"name": "hang_up"}, "after_tool": {"tone": {"hz": 1000, "ms": 900}}}
    gateway = start({"greeting": {"tone": {"hz": 440, "ms": 600}}, "turns": [goodbye]})
    voice = np.concatenate([speech.silence(1.5), speech.synthesise(1.5, seed=31), speech.silence(12)])
    datagrams = captured_call("agent_hangs_up", tmp_path, gateway.sip, voice=g711.encode(voice))
    (bye,) = [datagram for datagram, text in sip_messages(datagrams) if text.startswith("BYE ")]
    assert bye.source == gateway.sip
    (flow,) = [flow for flow in rtp_flows(datagrams) if flow.source[0] == gateway.address]
    said = expect_tone(flow.samples(), 1000, at_least_s=0.85)
    said_until_ns = flow.packets[0].arrival_ns + said.end_ms * 1_000_000
    assert bye.at_ns > said_until_ns - 100_000_000, "the goodbye must be heard before the BYE"
    assert gateway.only_session().close_code == 1000


@pytest.mark.peer("SIPp", "UDP", "the provider is away: 503 with Retry-After")
def test_without_its_provider_the_gateway_refuses_before_it_answers(start: RunGateway, tmp_path: Path) -> None:
    require("sipp")
    gateway = start(TONE, further={"inworld": {"url": f"ws://127.0.0.1:{free_tcp_port()}/x", "api_key": "a2V5"}})
    call("refused", tmp_path, gateway.sip)
    assert gateway.sessions == []


@pytest.mark.peer("a socket", "UDP", "the same INVITE four times: one call, one session, one To tag")
def test_a_repeated_invite_is_one_call_with_the_same_answer(start: RunGateway) -> None:
    gateway = start(TONE)
    phone = SipPhone(gateway.sip)
    try:
        invite = phone.request("INVITE", cseq=1, branch="first", body=phone.offer(free_udp_port(phone.address)))
        for _ in range(3):
            phone.send(invite)
        answer = phone.wait_for_status(200, "1 INVITE")
        phone.send(invite)  # by now the transaction has ended with a 2xx: it is absorbed (RFC 6026 §7.1)
        tag, contact = to_tag_of(answer), header_of(answer, "Contact").partition("<")[2].partition(">")[0]
        phone.send(phone.request("ACK", cseq=1, branch="ack", to_tag=tag, uri=contact))
        phone.collect(0.7)
        phone.send(phone.request("BYE", cseq=2, branch="bye", to_tag=tag, uri=contact))
        phone.wait_for_status(200, "2 BYE")
    finally:
        phone.close()
    tags = {to_tag_of(message) for message in phone.received if not message.startswith("SIP/2.0 100")}
    assert tags == {tag}
    assert len(gateway.sessions) == 1
    assert not gateway.only_session().is_open
