"""What happens within a call, with SIPp as the caller: three spellings of hold, late offers, moved audio."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from gateway.measure import g711
from tests.interop.conftest import Call, RunGateway
from tests.support.audio import expect_tone
from tests.support.capture import Capture
from tests.support.certificates import Authority
from tests.support.gateway_under_test import GatewayUnderTest
from tests.support.pcap import Datagram, rtp_flows
from tests.support.peers import require
from tests.support.sipp_scenario import Scenario, in_body, not_in_body, offer

pytestmark = pytest.mark.interop

TONE = {"greeting": {"tone": {"hz": 440, "ms": 20_000}}, "listening": {"minimum_speech_ms": 400}}
AUDIO = in_body("m=audio [1-9][0-9]* RTP/AVP 0")
transports = pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])


def talking(name: str, body: str | None = None) -> Scenario:
    """An answered call in which both sides are heard."""
    return Scenario(name).invite(body).expect(200, AUDIO).ack().speak()


def heard_packets(datagrams: list[Datagram], gateway: str) -> list[tuple[int, int, bytes]]:
    """Arrival (ns), destination port and payload of every packet of the gateway, in order."""
    flows = [flow for flow in rtp_flows(datagrams) if flow.source[0] == gateway]
    found = [(packet.arrival_ns, flow.destination[1], packet.payload) for flow in flows for packet in flow.packets]
    return sorted(found)


def expect_the_agent(capture: Capture, gateway: GatewayUnderTest, at_least_s: float) -> None:
    heard = b"".join(payload for _, _, payload in heard_packets(capture.datagrams(), gateway.address))
    expect_tone(g711.decode(heard), 440, at_least_s=at_least_s)


def longest_gap_s(packets: list[tuple[int, int, bytes]]) -> float:
    arrivals = [at_ns for at_ns, _, _ in packets]
    return max(later - earlier for earlier, later in pairwise(arrivals)) / 1e9


@transports
@pytest.mark.parametrize(
    ("spelling", "held"),
    [
        ("a=sendonly", offer(2, direction="sendonly")),
        ("a=inactive", offer(2, direction="inactive")),
        ("c=0.0.0.0", offer(2, address="0.0.0.0")),
    ],
    ids=["sendonly", "inactive", "zero-address"],
)
@pytest.mark.peer(
    "SIPp", "{transport}", "the caller holds with {spelling}, resumes: no packet meanwhile, then the agent"
)
def test_hold_and_resume(
    start: RunGateway, call: Call, authority: Authority, tmp_path: Path, transport: str, spelling: str, held: str
) -> None:
    require("tcpdump")
    gateway = start({**TONE, "other_texts": {"tone": {"hz": 1000, "ms": 20_000}}}, authority=authority)
    steps = talking(f"hold by {spelling}").pause(1.2)
    steps.request("INVITE", held).expect(200, not_in_body("a=sendrecv"), not_in_body("a=sendonly")).ack().pause(1.5)
    steps.request("INVITE", offer(3)).expect(200, AUDIO, not_in_body("a=(recvonly|sendonly|inactive)")).ack()
    with Capture(tmp_path, gateway.address) as capture:
        call(steps.pause(1.5).hang_up(), gateway.at(transport), transport)
    packets = heard_packets(capture.datagrams(), gateway.address)
    assert longest_gap_s(packets) > 1.3, "the gateway sent audio to a caller who holds (RFC 3264 §8.4)"
    heard = g711.decode(b"".join(payload for _, _, payload in packets))
    expect_tone(heard, 440, at_least_s=1.0)
    expect_tone(heard, 1000, at_least_s=1.0)
    assert not gateway.only_session().is_open


@transports
@pytest.mark.peer("SIPp", "{transport}", "INVITE without an offer: ours in the 200, the answer in the ACK")
def test_a_delayed_offer(start: RunGateway, call: Call, authority: Authority, tmp_path: Path, transport: str) -> None:
    require("tcpdump")
    gateway = start(TONE, authority=authority)
    steps = Scenario("delayed offer").invite("").expect(200, AUDIO).ack(offer()).speak().pause(1.5).hang_up()
    with Capture(tmp_path, gateway.address) as capture:
        call(steps, gateway.at(transport), transport)
    expect_the_agent(capture, gateway, at_least_s=1.0)


@transports
@pytest.mark.peer("SIPp", "{transport}", "re-INVITE without an offer: ours in the 200, and the call goes on")
def test_a_delayed_offer_within_the_call(
    start: RunGateway, call: Call, authority: Authority, tmp_path: Path, transport: str
) -> None:
    require("tcpdump")
    gateway = start(TONE, authority=authority)
    steps = talking("delayed re-offer").pause(0.8)
    steps.request("INVITE").expect(200, AUDIO).ack(offer(2)).pause(1).hang_up()
    with Capture(tmp_path, gateway.address) as capture:
        call(steps, gateway.at(transport), transport)
    expect_the_agent(capture, gateway, at_least_s=1.4)


@transports
@pytest.mark.peer("SIPp", "{transport}", "re-INVITE that moves the caller's audio to another port: the agent follows")
def test_audio_moved_to_another_port(
    start: RunGateway, call: Call, authority: Authority, tmp_path: Path, transport: str
) -> None:
    require("tcpdump")
    gateway = start(TONE, authority=authority)
    steps = Scenario("moved audio").invite(offer(port="[media_port]")).expect(200, AUDIO).ack().pause(1.2)
    steps.request("INVITE", offer(2, port="[media_port+2]")).expect(200, AUDIO).ack().pause(1.2).hang_up()
    with Capture(tmp_path, gateway.address) as capture:
        call(steps, gateway.at(transport), transport)
    packets = heard_packets(capture.datagrams(), gateway.address)
    ports = list(dict.fromkeys(port for _, port, _ in packets))
    assert len(ports) == 2, ports
    for port in ports:
        expect_tone(g711.decode(b"".join(payload for _, to, payload in packets if to == port)), 440, at_least_s=0.8)
    moved_ns = next(at_ns for at_ns, port, _ in packets if port == ports[1])
    late = [at_ns for at_ns, port, _ in packets if port == ports[0] and at_ns > moved_ns]
    assert not late, "audio went to the old port after the move"


@transports
@pytest.mark.peer("SIPp", "{transport}", "OPTIONS within the call: 200, and the call goes on")
def test_options_within_the_call(start: RunGateway, call: Call, authority: Authority, transport: str) -> None:
    gateway = start(TONE, authority=authority)
    steps = talking("options in the call").pause(0.5).request("OPTIONS").expect(200, optional=()).pause(0.5).hang_up()
    call(steps, gateway.at(transport), transport)


@transports
@pytest.mark.peer("SIPp", "{transport}", "re-INVITE with no codec that both have: 488, and the call goes on as it was")
def test_a_refused_reinvite_does_not_end_the_call(
    start: RunGateway, call: Call, authority: Authority, tmp_path: Path, transport: str
) -> None:
    require("tcpdump")
    gateway = start(TONE, authority=authority)
    strange = offer(2, formats="18").replace("PCMU", "G729").replace("rtpmap:0 ", "rtpmap:18 ")
    steps = talking("refused re-INVITE").pause(0.8).request("INVITE", strange).expect(488).ack_refusal()
    steps.pause(1).request("OPTIONS").expect(200, optional=()).hang_up()
    with Capture(tmp_path, gateway.address) as capture:
        call(steps, gateway.at(transport), transport)
    expect_the_agent(capture, gateway, at_least_s=1.4)
