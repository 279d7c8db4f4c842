"""baresip, an independent telephone, calls the agent, plays a file to it and records what it hears."""

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
from tests.support.baresip import Baresip
from tests.support.network import loopback_address
from tests.support.peers import require

pytestmark = pytest.mark.interop

PHRASE = speech.synthesise(2.0, seed=41)
VOICE = np.concatenate([speech.silence(2.5), PHRASE, speech.silence(40)])
"""baresip ends a call whose file is over: this one is longer than any call here."""

StartPhone = Callable[[str], Baresip]


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[StartPhone]:
    """Starts a baresip that speaks one codec; it is stopped after the test."""
    require("baresip")
    with ExitStack() as stack:

        def begin(codec: str) -> Baresip:
            telephone = Baresip(tmp_path / "phone", address=loopback_address(), codec=codec, voice=VOICE)
            stack.callback(telephone.stop)
            return telephone

        yield begin


@pytest.mark.peer("baresip", "UDP", "calls in {law}, talks, hangs up")
@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_a_conversation_that_the_phone_ends(start: RunGateway, phone: StartPhone, law: g711.Law) -> None:
    gateway = start({"greeting": {"tone": {"hz": 440, "ms": 1500}}, "turns": [{"echo": True}]})
    telephone = phone(law)
    telephone.dial(gateway.uri)
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


@pytest.mark.peer("baresip", "UDP", "calls, talks, the agent hangs up")
def test_a_conversation_that_the_agent_ends(start: RunGateway, phone: StartPhone) -> None:
    goodbye = {"tool": {"name": "hang_up"}, "after_tool": {"tone": {"hz": 1000, "ms": 900}}}
    gateway = start({"greeting": {"tone": {"hz": 440, "ms": 600}}, "turns": [goodbye]})
    telephone = phone("PCMU")
    telephone.dial(gateway.uri)
    telephone.wait_for_event("CALL_ESTABLISHED")
    telephone.wait_for_event("CALL_CLOSED", timeout_s=25)
    session = gateway.only_session()
    telephone.stop()
    expect_tone(telephone.heard(), 1000, at_least_s=0.8)
    expect_recording(session.caller_samples(), PHRASE, likeness=0.97)
