from __future__ import annotations

from typing import Any

import pytest

from gateway.emulator.audio import AudioFormat
from gateway.emulator.scenario import Listening
from gateway.emulator.session_settings import Refused, SessionSettings, read_modalities


def settings(**patch: Any) -> SessionSettings:
    fresh = SessionSettings("key-1", 1_790_000_000, Listening())
    if patch:
        fresh.update(patch)
    return fresh


def turn_detection(value: Any) -> dict[str, Any]:
    return {"audio": {"input": {"turn_detection": value}}}


def test_an_update_merges_deeply_and_keeps_the_rest() -> None:
    session = settings(audio={"output": {"voice": "Clive"}}, tools=[{"type": "function", "name": "a"}])
    wire = session.as_wire()
    assert wire["audio"]["output"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "model": "inworld-tts-2",
        "voice": "Clive",
        "speed": 1.0,
    }
    assert wire["audio"]["input"]["transcription"] == {"model": "inworld/inworld-stt-1"}
    session.update({"tools": []})
    assert session.as_wire()["tools"] == []
    assert session.as_wire()["audio"]["output"]["voice"] == "Clive"


def test_formats_are_taken_as_objects_and_strings_and_shown_as_objects() -> None:
    session = settings(audio={"input": {"format": "g711_ulaw"}, "output": {"format": {"type": "audio/pcma"}}})
    assert session.input_format == AudioFormat("pcmu", 8000)
    assert session.output_format == AudioFormat("pcma", 8000)
    assert session.as_wire()["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    session.update({"audio": {"input": {"format": {"type": "audio/pcm"}}}})
    assert session.as_wire()["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


def test_unknown_keys_are_kept_or_ignored_but_never_refused() -> None:
    session = settings(audio={"ouput": {"voice": "x"}}, providerData={"stt": {"zzz": 1}}, colour="blue")
    assert session.as_wire()["providerData"] == {"stt": {"zzz": 1}}
    assert session.as_wire()["audio"]["output"]["voice"] == "Sarah"


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        ({"model": "invalid/model"}, "session.model"),
        ({"model": ""}, "session.model"),
        ({"model": None}, "session.model"),
        ({"audio": {"output": {"model": "tts-9"}}}, "session.audio.output.model"),
        ({"audio": {"output": {"model": ["inworld-tts-2"]}}}, "session.audio.output.model"),
        ({"audio": {"output": {"voice": "unknown"}}}, "session.audio.output.voice"),
        ({"audio": {"output": {"speed": 1.6}}}, "session.audio.output.speed"),
        ({"audio": {"output": {"speed": True}}}, "session.audio.output.speed"),
        ({"audio": {"output": {"format": "mp3"}}}, "session.audio.output.format.type"),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 7}}}}, "session.audio.input.format.rate"),
        ({"audio": {"input": {"format": None}}}, "session.audio.input.format"),
        ({"audio": {"input": {"transcription": {"model": "x"}}}}, "session.audio.input.transcription.model"),
        ({"audio": {"input": {"transcription": {"model": {}}}}}, "session.audio.input.transcription.model"),
        ({"audio": {"input": {"transcription": "x"}}}, "session.audio.input.transcription"),
        (turn_detection({"type": "magic"}), "session.audio.input.turn_detection.type"),
        (turn_detection("server_vad"), "session.audio.input.turn_detection"),
        (turn_detection({"eagerness": "extreme"}), "session.audio.input.turn_detection.eagerness"),
        (turn_detection({"type": "server_vad", "threshold": 2}), "session.audio.input.turn_detection.threshold"),
        (
            turn_detection({"type": "server_vad", "silence_duration_ms": "long"}),
            "session.audio.input.turn_detection.silence_duration_ms",
        ),
        ({"audio": None}, "session.audio"),
        ({"audio": {"input": 5}}, "session.audio.input"),
        ({"output_modalities": ["video"]}, "session.output_modalities"),
        ({"output_modalities": "audio"}, "session.output_modalities"),
        ({"tools": {}}, "session.tools"),
    ],
)
def test_a_refused_value_changes_nothing(patch: dict[str, Any], param: str) -> None:
    session = settings()
    before = session.as_wire()
    with pytest.raises(Refused) as refusal:
        session.update({"instructions": "changed", **patch})
    assert refusal.value.param == param
    assert session.as_wire() == before


@pytest.mark.parametrize("model", ["openai/gpt-4.1-mini", "inworld/models/x", "claude-sonnet-4-6"])
def test_language_models_are_an_open_set(model: str) -> None:
    assert settings(model=model).as_wire()["model"] == model


def test_turn_detection_has_the_fields_of_its_kind_only() -> None:
    session = settings(**turn_detection({"type": "server_vad", "silence_duration_ms": 300}))
    assert session.as_wire()["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 300,
        "create_response": True,
        "interrupt_response": True,
    }
    assert session.sensitivity.silence_ms == 300
    session.update(turn_detection({"type": "semantic_vad", "eagerness": "low"}))
    assert "threshold" not in session.as_wire()["audio"]["input"]["turn_detection"]
    assert session.sensitivity.silence_ms == 1200


def test_null_switches_turn_detection_off_and_an_object_on_again() -> None:
    session = settings(**turn_detection(None))
    assert not session.detects_turns
    assert not session.creates_responses
    assert not session.interrupts_responses
    session.update(turn_detection({"type": "semantic_vad", "interrupt_response": False}))
    assert session.detects_turns
    assert session.creates_responses
    assert not session.interrupts_responses


def test_tools_are_answered_automatically_unless_switched_off() -> None:
    assert settings().answers_tools
    assert not settings(providerData={"auto_tool_response": False}).answers_tools


def test_fields_locked_at_session_open_keep_their_first_value() -> None:
    session = settings(providerData={"tts": {"conversational": True, "language": "en"}})
    session.update({"providerData": {"tts": {"conversational": False, "user_turn_mode": "both", "language": "de"}}})
    assert session.as_wire()["providerData"]["tts"] == {"conversational": True, "language": "de"}


def test_read_only_fields_stay() -> None:
    session = settings(id="other", object="x", expires_at=1, type="transcription")
    wire = session.as_wire()
    assert (wire["id"], wire["object"], wire["expires_at"], wire["type"]) == (
        "key-1",
        "realtime.session",
        1_790_000_000,
        "realtime",
    )


def test_what_is_shown_is_a_copy() -> None:
    session = settings()
    session.as_wire()["audio"]["output"]["voice"] = "changed"
    assert session.as_wire()["audio"]["output"]["voice"] == "Sarah"


def test_modalities_and_instructions_can_be_read() -> None:
    session = settings(output_modalities=["text"], instructions=None)
    assert session.modalities == ("text",)
    assert session.instructions == ""
    assert not settings(audio={"input": {"transcription": None}}).transcribes
    assert read_modalities(["text", "audio"], "p") == ("text", "audio")
