from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.emulator.audio import AudioFormat
from gateway.emulator.inspection import HeardTurn, SessionRecord, SpokenResponse, Truncation
from gateway.emulator.recordings import read_wav
from gateway.inworld import server_events as wire
from gateway.inworld.items import ErrorDetail

PCMU = AudioFormat("pcmu", 8000)


def full_record() -> SessionRecord:
    record = SessionRecord("k", 1.0)
    record.note_caller_audio(PCMU, b"\x80" * 800)
    record.note_caller_audio(AudioFormat("pcm", 16000), b"\x00\x10" * 1600)
    response = SpokenResponse("r", 2.0, PCMU)
    record.note_response(response)
    record.note_audio_sent(response, 2.5, b"\x80" * 160)
    record.note_audio_sent(response, 2.6, b"\x80" * 160)
    return record


def test_the_callers_audio_is_one_timeline_whatever_its_formats() -> None:
    record = full_record()
    assert record.caller_ms == 200
    assert record.caller_rate_hz == 16000
    assert len(record.caller_samples()) == 3200


def test_what_was_heard_and_said_can_be_listened_to(tmp_path: Path) -> None:
    record = full_record()
    record.write_caller_wav(tmp_path / "caller.wav")
    record.write_agent_wav(tmp_path / "agent.wav")
    caller, caller_hz = read_wav(tmp_path / "caller.wav")
    agent, agent_hz = read_wav(tmp_path / "agent.wav")
    assert (len(caller), caller_hz) == (3200, 16000)
    assert (len(agent), agent_hz) == (320, 8000)
    assert agent.tolist() == PCMU.decode(b"\x80" * 320).tolist()


def test_an_empty_session_writes_empty_files(tmp_path: Path) -> None:
    record = SessionRecord("k", 1.0)
    record.write_caller_wav(tmp_path / "caller.wav")
    record.write_agent_wav(str(tmp_path / "agent.wav"))
    assert len(read_wav(tmp_path / "caller.wav")[0]) == len(read_wav(tmp_path / "agent.wav")[0]) == 0
    assert record.caller_samples().dtype == np.int16


def test_a_response_knows_its_voice_and_when_it_began() -> None:
    (response,) = full_record().responses
    assert response.audio_ms == 40
    assert response.first_audio_at == 2.5
    assert len(response.samples) == 320
    assert response.status == "in_progress"


def test_events_are_found_by_type_and_audio_is_not_kept_twice() -> None:
    record = SessionRecord("k", 1.0)
    record.note_received(1.0, "session.update", {"type": "session.update"})
    record.note_received(1.1, "input_audio_buffer.append", {"audio": "<1 bytes>"})
    record.note_sent(1.2, "response.output_audio.delta", wire.ResponseOutputAudioDelta(delta="AAAA"))
    record.note_sent(1.3, "error", wire.ErrorReported(error=ErrorDetail(message="m")))
    assert record.received_types() == ["session.update"]
    assert record.sent_types() == ["response.output_audio.delta", "error"]
    assert record.sent_types(without=("error",)) == ["response.output_audio.delta"]
    assert record.sent_of("response.output_audio.delta")[0].event["delta"] == "<3 bytes>"
    assert record.received_of("input_audio_buffer.append")[0].at == 1.1
    assert record.errors == [{"message": "m"}]


def test_items_turns_and_truncations_are_noted() -> None:
    record = SessionRecord("k", 1.0)
    record.note_item("message", None, "hello")
    record.note_item("function_call_output", "call_1", "{}")
    record.note_turn(HeardTurn("item_1", 100, 2.0))
    record.note_truncation(Truncation(3.0, "item_2", 40, 50.0, None))
    assert (record.texts, record.tool_outputs) == (["hello"], {"call_1": "{}"})
    assert record.speech_started_at == [2.0]
    assert record.truncations[0].audio_end_ms == 40


@pytest.mark.parametrize("closed_at", [None, 5.0])
def test_a_record_knows_whether_its_socket_is_open(closed_at: float | None) -> None:
    record = SessionRecord("k", 1.0, closed_at=closed_at)
    assert record.is_open == (closed_at is None)


def test_without_recording_only_counters_grow() -> None:
    record = SessionRecord("k", 1.0, is_full=False)
    record.note_received(1.0, "session.update", {})
    record.note_sent(1.0, "error", wire.ErrorReported(message="m"))
    record.note_caller_audio(PCMU, b"\xff" * 8)
    record.note_item("message", None, "hello")
    record.note_turn(HeardTurn("item_1", 100, 2.0))
    record.note_truncation(Truncation(3.0, "item_2", 40, 50.0, None))
    response = SpokenResponse("r", 2.0, PCMU)
    record.note_response(response)
    record.note_audio_sent(response, 2.5, b"\x80")
    kept = (record.received, record.sent, record.texts, record.turns, record.truncations, record.responses)
    assert kept == ([], [], [], [], [], [])
    assert len(response.audio) == 0
    assert record.caller_ms == 0
    assert (record.messages_received, record.messages_sent) == (1, 1)
