"""SIPp streams speech over G.711 and talks with the agent; what either side heard is judged by its content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.measure import g711, speech
from gateway.measure.listening import best_match, spells
from tests.interop.conftest import RunGateway
from tests.support.audio import expect_quiet, expect_recording, expect_tone, window
from tests.support.capture import Capture
from tests.support.gateway_under_test import GatewayUnderTest
from tests.support.network import loopback_address
from tests.support.pcap import RtpFlow, rtp_flows
from tests.support.peers import require
from tests.support.sipp import Sipp

pytestmark = pytest.mark.interop

GREETING_HZ, SECOND_ANSWER_HZ = 440, 1000
PHRASE = speech.synthesise(2.0, seed=21)
SECOND_PHRASE = speech.synthesise(1.2, seed=22)
CALLER = np.concatenate([speech.silence(2.2), PHRASE, speech.silence(4.3), SECOND_PHRASE, speech.silence(3.3)])
CALL_S = len(CALLER) / g711.SAMPLE_RATE_HZ
SCENARIO = {
    "greeting": {"tone": {"hz": GREETING_HZ, "ms": 1200}},
    "turns": [{"echo": True}, {"tone": {"hz": SECOND_ANSWER_HZ, "ms": 1000}}],
}


def converse(
    gateway: GatewayUnderTest, directory: Path, law: g711.Law, caller: g711.Samples, *, transport: str = "UDP"
) -> tuple[RtpFlow, RtpFlow]:
    """One call of SIPp from its first word to its BYE: what went to the caller, and what came from it."""
    address = loopback_address()
    with Capture(directory, gateway.address, address) as capture:
        phone = Sipp(
            f"conversation_{law.lower()}",
            directory / "sipp",
            address=address,
            target=gateway.sip,
            transport=transport,
            audio={"voice": g711.encode(caller, law)},
            options=["-d", str(int(len(caller) / 8))],
        )
        try:
            phone.expect_success()
        finally:
            phone.stop()
    flows = rtp_flows(capture.datagrams())
    to_caller = [flow for flow in flows if flow.destination[0] == address]
    from_caller = [flow for flow in flows if flow.source[0] == address]
    assert (len(to_caller), len(from_caller)) == (1, 1), [(flow.source, flow.destination, flow.ssrc) for flow in flows]
    return to_caller[0], from_caller[0]


@pytest.mark.peer("SIPp", "{transport}", "two turns in {law}: greeting, silence while the caller speaks, the answers")
@pytest.mark.parametrize(
    ("law", "transport"), [("PCMU", "UDP"), ("PCMA", "UDP"), ("PCMU", "TCP")], ids=["pcmu-udp", "pcma-udp", "pcmu-tcp"]
)
def test_a_conversation_is_heard_on_both_sides(
    start: RunGateway, tmp_path: Path, law: g711.Law, transport: str
) -> None:
    require("sipp", "tcpdump")
    gateway = start(SCENARIO)
    to_caller, from_caller = converse(gateway, tmp_path, law, CALLER, transport=transport)

    assert {g711.PAYLOAD_TYPES[packet.payload_type] for packet in to_caller.packets} == {law}
    assert to_caller.duration_s > CALL_S - 0.5, "RTP toward the caller must never stop"
    heard = to_caller.samples(start_ns=from_caller.packets[0].arrival_ns)
    greeting = expect_tone(window(heard, 0, 2.4), GREETING_HZ, at_least_s=1.0)
    assert greeting.start_ms < 600
    expect_quiet(heard, 2.4, 4.2)  # the agent listens while the caller speaks
    echoed_s = expect_recording(heard, PHRASE, likeness=0.97)
    assert 4.2 < echoed_s < 6.0
    answer = expect_tone(heard, SECOND_ANSWER_HZ, at_least_s=0.9)
    assert answer.start_ms > 9700

    session = gateway.only_session()
    said = session.caller_samples()
    first_s = expect_recording(said, PHRASE, likeness=0.99)
    second_s = expect_recording(said, SECOND_PHRASE, likeness=0.99)
    between_s = (len(PHRASE) / 8000) + 4.3
    assert abs(second_s - first_s - between_s) < 0.001, "the provider's timeline must not shift"
    assert len(session.turns) == 2
    assert abs(session.caller_ms / 1000 - CALL_S) < 0.7
    assert not session.errors


@pytest.mark.peer("SIPp", "UDP", "the caller speaks over the greeting: it stops, and the provider is told where")
def test_the_agent_stops_when_it_is_spoken_over_and_tells_what_was_heard(start: RunGateway, tmp_path: Path) -> None:
    require("sipp", "tcpdump")
    gateway = start({"greeting": {"tone": {"hz": GREETING_HZ, "ms": 8000}}, "turns": [{"echo": True}]})
    caller = np.concatenate([speech.silence(1.5), PHRASE, speech.silence(3.5)])
    to_caller, from_caller = converse(gateway, tmp_path, "PCMU", caller)

    heard = to_caller.samples(start_ns=from_caller.packets[0].arrival_ns)
    greeting = expect_tone(heard, GREETING_HZ, at_least_s=1.0)
    assert greeting.end_ms < 2200, "the greeting goes on while the caller speaks"
    assert expect_recording(heard, PHRASE, likeness=0.97) > 3.5

    session = gateway.only_session()
    (truncation,) = session.truncations
    assert truncation.refused is None
    assert truncation.audio_end_ms is not None
    assert abs(truncation.audio_end_ms - greeting.duration_ms) <= 60
    assert session.responses[0].status == "cancelled" or session.responses[0].audio_ms > truncation.audio_end_ms


@pytest.mark.peer("SIPp", "UDP", "six calls at once, each hears its own agent")
def test_several_calls_at_once_hear_their_own_agent(start: RunGateway, tmp_path: Path) -> None:
    require("sipp", "tcpdump")
    gateway = start(SCENARIO)
    address, calls = loopback_address(), 6
    caller = np.concatenate([speech.silence(2.2), PHRASE, speech.silence(3.3)])
    with Capture(tmp_path, gateway.address, address) as capture:
        phones = Sipp(
            "conversation_pcmu",
            tmp_path / "sipp",
            address=address,
            target=gateway.sip,
            calls=calls,
            calls_per_second=20,
            audio={"voice": g711.encode(caller)},
            options=["-d", "7500"],
        )
        try:
            phones.expect_success()
        finally:
            phones.stop()
    to_caller = [flow for flow in rtp_flows(capture.datagrams()) if flow.destination[0] == address]
    assert len(to_caller) == calls
    assert len({flow.ssrc for flow in to_caller}) == calls
    for flow in to_caller:
        heard = flow.samples()
        expect_tone(heard, GREETING_HZ, at_least_s=1.0)
        expect_recording(heard, PHRASE, likeness=0.95)
    gateway.emulator.wait_until(lambda: all(not session.is_open for session in gateway.sessions))
    assert len(gateway.sessions) == calls
    for session in gateway.sessions:
        assert best_match(session.caller_samples(), PHRASE).likeness > 0.95, spells(session.caller_samples())
