"""baresip, an independent telephone, calls the agent and is called: it plays a file and records what it hears."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from gateway.measure import g711, speech
from tests.interop.conftest import RunGateway
from tests.support.audio import expect_quiet, expect_recording, expect_tone
from tests.support.baresip import USER, Account, Baresip
from tests.support.capture import Capture
from tests.support.certificates import Authority
from tests.support.network import loopback_address
from tests.support.pcap import rtp_flows
from tests.support.peers import require

pytestmark = pytest.mark.interop

PHRASE = speech.synthesise(2.0, seed=41)
VOICE = np.concatenate([speech.silence(2.5), PHRASE, speech.silence(40)])
"""baresip ends a call whose file is over: this one is longer than any call here."""

StartPhone = Callable[..., Baresip]


@pytest.fixture
def phone(tmp_path: Path, authority: Authority) -> Iterator[StartPhone]:
    """Starts a baresip that speaks one codec; it is stopped after the test."""
    require("baresip")
    with ExitStack() as stack:

        def begin(codec: str, account: Account | None = None, voice: g711.Samples = VOICE) -> Baresip:
            telephone = Baresip(
                tmp_path / "phone",
                address=loopback_address(),
                codec=codec,
                voice=voice,
                account=account,
                authority=authority,
            )
            stack.callback(telephone.stop)
            return telephone

        yield begin


@pytest.mark.peer("baresip", "{transport}", "calls in {law}, talks, hangs up")
@pytest.mark.parametrize(("law", "transport"), [("PCMU", "UDP"), ("PCMA", "UDP"), ("PCMU", "TCP"), ("PCMU", "TLS")])
def test_a_conversation_that_the_phone_ends(
    start: RunGateway, phone: StartPhone, authority: Authority, law: g711.Law, transport: str
) -> None:
    gateway = start({"greeting": {"tone": {"hz": 440, "ms": 1500}}, "turns": [{"echo": True}]}, authority=authority)
    telephone = phone(law)
    telephone.dial(gateway.uri_over(transport))
    telephone.wait_for_event("CALL_ESTABLISHED")
    gateway.emulator.wait_until(lambda: len(gateway.sessions[0].responses) == 2, timeout_s=15)
    answer = gateway.sessions[0].responses[1]
    gateway.emulator.wait_until(lambda: answer.finished_at is not None, timeout_s=15)
    # Speech is produced faster than it sounds, and nothing tells what the phone has recorded: the line needs the time
    # that the answer lasts, and the phone half a second for its buffers.
    assert answer.first_audio_at is not None
    heard_by = answer.first_audio_at + answer.audio_ms / 1000 + 0.5
    gateway.emulator.wait_until(lambda: time.monotonic() > heard_by, timeout_s=30)
    telephone.hang_up()
    session = gateway.only_session()
    telephone.stop()

    heard = telephone.heard()
    greeting = expect_tone(heard, 440, at_least_s=1.3)
    assert greeting.start_ms < 1000
    expect_quiet(heard, greeting.end_ms / 1000 + 0.2, 4.3)
    assert expect_recording(heard, PHRASE, likeness=0.95) > 4.3
    expect_recording(session.caller_samples(), PHRASE, likeness=0.97)
    assert session.session["audio"]["input"]["format"]["type"] == ("audio/pcmu" if law == "PCMU" else "audio/pcma")


@pytest.mark.peer("baresip", "{transport}", "calls, talks, the agent hangs up")
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_a_conversation_that_the_agent_ends(
    start: RunGateway, phone: StartPhone, authority: Authority, transport: str
) -> None:
    goodbye = {"tool": {"name": "hang_up"}, "after_tool": {"tone": {"hz": 1000, "ms": 900}}}
    gateway = start({"greeting": {"tone": {"hz": 440, "ms": 600}}, "turns": [goodbye]}, authority=authority)
    telephone = phone("PCMU")
    telephone.dial(gateway.uri_over(transport))
    telephone.wait_for_event("CALL_ESTABLISHED")
    telephone.wait_for_event("CALL_CLOSED", timeout_s=25)
    session = gateway.only_session()
    telephone.stop()
    expect_tone(telephone.heard(), 1000, at_least_s=0.8)
    expect_recording(session.caller_samples(), PHRASE, likeness=0.97)


@pytest.mark.peer("baresip", "{transport}", "holds, resumes: the agent is silent meanwhile and goes on")
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_the_phone_holds_and_resumes(
    start: RunGateway, phone: StartPhone, authority: Authority, tmp_path: Path, transport: str
) -> None:
    require("tcpdump")
    scenario = {"greeting": {"tone": {"hz": 440, "ms": 20_000}}, "other_texts": {"tone": {"hz": 1000, "ms": 20_000}}}
    gateway = start(scenario, authority=authority)
    telephone = phone("PCMU", voice=speech.silence(40))
    with Capture(tmp_path, gateway.address) as capture:
        telephone.dial(gateway.uri_over(transport))
        telephone.wait_for_event("CALL_ESTABLISHED")
        gateway.wait_for_log("call.answered")
        time.sleep(1.2)
        telephone.hold()
        gateway.wait_for_log("call.held")
        time.sleep(1.0)
        telephone.resume()
        gateway.wait_for_log("call.resumed")
        time.sleep(1.5)
        telephone.hang_up()
        assert gateway.only_session().close_code == 1000
    telephone.stop()
    expect_tone(telephone.heard(), 440, at_least_s=0.8)  # its recording ends when it holds
    # The first packets go where its SDP says, the rest where its own come from.
    to_phone, *_ = [flow for flow in rtp_flows(capture.datagrams()) if flow.source[0] == gateway.address]
    sent = to_phone.samples()
    greeting, afterwards = expect_tone(sent, 440, at_least_s=0.8), expect_tone(sent, 1000, at_least_s=0.8)
    assert afterwards.start_ms - greeting.end_ms > 900
    expect_quiet(sent, greeting.end_ms / 1000 + 0.1, afterwards.start_ms / 1000 - 0.1)


@pytest.mark.peer(
    "baresip", "{transport}", "registers here with digest, calls an agent as its account, is called by its number"
)
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_a_registered_phone_calls_and_is_called(
    start: RunGateway, phone: StartPhone, authority: Authority, transport: str
) -> None:
    gateway = start(
        {"greeting": {"tone": {"hz": 440, "ms": 1500}}, "turns": [{"echo": True}]},
        authority=authority,
        further={
            "trunks": {"elsewhere": {"accept_from": ["192.0.2.0/24"]}},
            "accounts": {"1001": {"password": "secret-of-1001"}},
            "routes": [{"account": "1001", "agent": "bench"}],
        },
    )
    telephone = phone("PCMU", Account("1001", "secret-of-1001", gateway.at(transport), transport))
    gateway.wait_for_log("account.registered")
    telephone.dial(gateway.uri_over(transport))
    telephone.wait_for_event("CALL_ESTABLISHED")
    time.sleep(1)
    telephone.hang_up()
    gateway.emulator.wait_until(lambda: len(gateway.sessions) == 1 and not gateway.sessions[0].is_open)

    telephone.events.clear()
    call = gateway.rest.call("1001")
    telephone.wait_for_event("CALL_ESTABLISHED")
    gateway.rest.wait_for(call, "talking")
    gateway.emulator.wait_until(lambda: len(gateway.sessions[1].responses) == 2, timeout_s=15)
    gateway.rest.hang_up(call)
    telephone.wait_for_event("CALL_CLOSED")
    telephone.stop()
    for heard in telephone.all_heard():
        expect_tone(heard, 440, at_least_s=0.7)
    expect_recording(gateway.sessions[1].caller_samples(), PHRASE, likeness=0.97)


@pytest.mark.peer("baresip", "{transport}", "is called (REST), hears the agent, talks, hangs up")
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_the_phone_is_called(start: RunGateway, phone: StartPhone, authority: Authority, transport: str) -> None:
    telephone = phone("PCMU")
    trunk = {"targets": [telephone.at(transport)], "allow_destinations": [USER], "tls": {"ca": str(authority.ca)}}
    trunk["accept_from"] = ["127.0.0.1/32"]  # where the connections that baresip opens come from
    gateway = start(
        {"greeting": {"tone": {"hz": 440, "ms": 1500}}, "turns": [{"echo": True}]},
        authority=authority,
        further={"trunks": {"desk": trunk}},
    )
    call = gateway.rest.call(USER, trunk="desk")
    telephone.wait_for_event("CALL_ESTABLISHED")
    gateway.rest.wait_for(call, "talking")
    gateway.emulator.wait_until(lambda: len(gateway.sessions[0].responses) == 2, timeout_s=15)
    time.sleep(1)
    telephone.hang_up()
    session = gateway.only_session()
    assert gateway.rest.wait_for(call, "ended")["end_reason"] == "caller_hung_up"
    telephone.stop()
    expect_tone(telephone.heard(), 440, at_least_s=1.3)
    expect_recording(session.caller_samples(), PHRASE, likeness=0.97)
