"""Pipecat's InworldRealtimeLLMService, unchanged and in an environment of its own, talks to the emulator.

Pipecat was written against the real service, so that it understands the emulator (and the emulator it) is evidence
that the emulator speaks the protocol and not merely what our own client says.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.emulator import Emulator, SessionRecord, packaged_scenario
from gateway.emulator.audio import Samples, resample
from gateway.emulator.recordings import VOICES
from gateway.emulator.recordings import read_wav as read_any_wav
from gateway.measure.wav import read_wav
from tests.support.audio import expect_recording

ROOT = Path(__file__).parents[2]
CALLER = ROOT / "gateway" / "demo" / "voices"
QUESTIONS = ("question", "second_question", "interruption")
CLIENT = Path(__file__).parent / "pipecat_client.py"
INDEX_UNREACHABLE = 69

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Conversation:
    """``summary`` is what Pipecat printed, ``heard`` each response as it came out of its pipeline at 8 kHz."""

    summary: dict[str, Any]
    heard: list[Samples]
    record: SessionRecord

    @property
    def responses(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.summary["responses"]
        return found


@pytest.fixture(scope="module")
def pipecat_python() -> Path:
    made = subprocess.run([ROOT / "tests" / "pipecat_env.sh"], capture_output=True, text=True, check=False)
    if made.returncode == INDEX_UNREACHABLE and os.environ.get("CI") != "true":
        pytest.skip("tests/pipecat_env.sh could not install Pipecat: " + made.stderr.strip()[-200:])
    assert made.returncode == 0, made.stdout + made.stderr
    return ROOT / ".venv-pipecat" / "bin" / "python"


@pytest.fixture(scope="module")
def conversation(pipecat_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Conversation:
    return asyncio.run(hold_conversation(pipecat_python, tmp_path_factory.mktemp("pipecat")))


async def hold_conversation(python: Path, output: Path) -> Conversation:
    async with Emulator(packaged_scenario("demo"), record=True) as emulator:
        client = await asyncio.create_subprocess_exec(
            *(str(python), str(CLIENT), emulator.url),
            *(str(CALLER / f"{name}.wav") for name in QUESTIONS),
            str(output),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(90):
                printed, complaints = await client.communicate()
        finally:
            if client.returncode is None:
                client.kill()
                await client.wait()
        assert client.returncode == 0, complaints.decode()
        heard = [at_8_khz(output / f"response-{number}.wav") for number in range(1, 5)]
        return Conversation(json.loads(printed.splitlines()[-1]), heard, emulator.sessions[0])


def at_8_khz(path: Path) -> Samples:
    samples, rate_hz = read_any_wav(path)
    return resample(samples, rate_hz, 8000)


def voice(name: str) -> Samples:
    return at_8_khz(VOICES / f"{name}.wav")


def expect_voice(heard: Samples, name: str) -> None:
    """All of a recorded voice, but for 10 ms at each end, where the two resamplings differ."""
    expect_recording(heard, voice(name)[80:-80], likeness=0.98)


def test_pipecat_configures_the_session_and_meets_no_error(conversation: Conversation) -> None:
    assert conversation.summary["errors"] == []
    assert conversation.record.errors == []
    session = conversation.record.session
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 8000}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["input"]["turn_detection"]["eagerness"] == "low"


@pytest.mark.peer("Pipecat", "WebSocket", "to the emulator: a spoken turn and its answer")
def test_a_spoken_turn_is_heard_by_the_emulator_and_answered(conversation: Conversation) -> None:
    first = conversation.record.turns[0]
    question = read_wav(CALLER / "question.wav")
    caller = conversation.record.caller_samples()
    at_s = expect_recording(caller, question, likeness=0.98)
    assert first.audio_start_ms == pytest.approx(at_s * 1000 - 300, abs=100)
    assert conversation.summary["user_texts"][0] == "Hello. When are you open today?"
    expect_voice(conversation.heard[1], "demo_answer")
    assert conversation.responses[1]["text"].strip() == "We are open from nine in the morning until six in the evening."


def test_pipecat_hears_every_response_as_it_was_spoken(conversation: Conversation) -> None:
    expect_voice(conversation.heard[0], "demo_greeting")
    expect_voice(conversation.heard[1], "demo_answer")
    expect_voice(conversation.heard[3], "demo_short_answer")
    statuses = [response.status for response in conversation.record.responses]
    assert statuses == ["completed", "completed", "cancelled", "completed"]


@pytest.mark.peer("Pipecat", "WebSocket", "to the emulator: an interruption cuts the response on both sides")
def test_an_interruption_cuts_the_response_on_both_sides(conversation: Conversation) -> None:
    cut, whole = conversation.heard[2], voice("demo_long_answer")
    interrupted = conversation.record.responses[2]
    assert (interrupted.status, interrupted.reason) == ("cancelled", "turn_detected")
    # Pipecat interrupts itself at every beginning of speech; the third is the one into the long answer.
    into = conversation.summary["interruptions"][2]
    assert into["response"] == 3
    assert len(cut) / 8 - 1000 < into["heard_ms"] <= len(cut) / 8 + 1
    assert 2000 < len(cut) / 8 < 0.8 * len(whole) / 8
    assert len(cut) / 8 == pytest.approx(interrupted.audio_ms, abs=5)
    # What did arrive is the beginning of the recording, and the caller's interruption reached the emulator.
    overlap = min(len(cut), len(whole)) - 80
    likeness = np.corrcoef(cut[:overlap].astype(float), whole[:overlap].astype(float))[0, 1]
    assert likeness > 0.98
    expect_recording(conversation.record.caller_samples(), read_wav(CALLER / "interruption.wav"), likeness=0.98)
    spoken_over_at = conversation.record.turns[2].started_at
    assert interrupted.finished_at is not None
    assert interrupted.finished_at == spoken_over_at, "the response ends with the event that announces the speech"


def test_the_interruption_is_a_turn_of_its_own(conversation: Conversation) -> None:
    assert len(conversation.record.turns) == 3
    assert conversation.summary["user_texts"][2] == "Wait, stop, that is enough."
    assert conversation.responses[3]["text"].strip() == "Of course. What else can I do?"
