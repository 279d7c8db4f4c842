"""What is asked of the service, and how its echo is read."""

from __future__ import annotations

import types
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import SettingsError
from gateway.inworld.session import (
    OUTPUT_FORMAT,
    AudioFormat,
    Difference,
    build_session,
    effective_format,
    expiry_of,
    find_differences,
    merge,
    parse_format,
    turn_settings,
)


def built(agent: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return build_session(agent or {}, **{"audio_format": "audio/pcmu", "call_id": "call-1", **options})


def test_the_first_session_is_complete_without_any_settings() -> None:
    assert built(user_id="hash") == {
        "type": "realtime",
        "model": "google-ai-studio/gemini-2.5-flash",
        "output_modalities": ["audio", "text"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "inworld/inworld-stt-1"},
                "turn_detection": {
                    "type": "semantic_vad",
                    "eagerness": "medium",
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": {"type": "audio/pcmu"}, "model": "inworld-tts-2", "voice": "Sarah", "speed": 1.0},
        },
        "tools": [],
        "tool_choice": "auto",
        "providerData": {
            "auto_tool_response": False,
            "tts": {"segmenter_strategy": "fast_start"},
            "user_id": "hash",
            "metadata": {"call_id": "call-1"},
        },
    }


def test_the_agents_settings_win() -> None:
    session = built(
        {
            "model": "openai/gpt-4.1-mini",
            "instructions": "Be brief.",
            "temperature": 0.4,
            "audio": {"input": {"transcription": {"language": "de"}}, "output": {"voice": "Clive"}},
            "providerData": {"memory": {"enabled": True}, "metadata": {"tenant": "x"}},
        }
    )
    assert session["model"] == "openai/gpt-4.1-mini"
    assert session["temperature"] == 0.4
    assert session["audio"]["input"]["transcription"] == {"model": "inworld/inworld-stt-1", "language": "de"}
    assert session["audio"]["output"]["voice"] == "Clive"
    assert session["providerData"]["memory"] == {"enabled": True}
    assert session["providerData"]["metadata"] == {"tenant": "x", "call_id": "call-1"}


def test_formats_and_auto_tool_response_are_not_the_agents_to_choose() -> None:
    session = built(
        {
            "audio": {"input": {"format": "pcm16"}, "output": {"format": {"type": "audio/pcm", "rate": 24000}}},
            "providerData": {"auto_tool_response": True},
        },
        audio_format="audio/pcma",
    )
    assert session["audio"]["input"]["format"] == {"type": "audio/pcma"}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcma"}
    assert session["providerData"]["auto_tool_response"] is False


def test_server_vad_does_not_inherit_eagerness() -> None:
    session = built({"audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}}})
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "create_response": True,
        "interrupt_response": False,
    }


def test_manual_turns_are_asked_for_with_an_explicit_null() -> None:
    session = built({"audio": {"input": {"turn_detection": None}}})
    assert session["audio"]["input"]["turn_detection"] is None
    assert b'"turn_detection":null' in msgspec.json.encode(session)


@pytest.mark.parametrize(("asked", "sent"), [(0.1, 0.5), (1.2, 1.2), (9, 1.5), (None, 1.0)])
def test_speed_is_clamped_to_what_speech_synthesis_can(asked: float | None, sent: float) -> None:
    assert built({"audio": {"output": {"speed": asked}}})["audio"]["output"]["speed"] == sent


def test_the_gateways_tools_replace_the_agents_of_the_same_name() -> None:
    agents = [{"type": "function", "name": "hang_up", "description": "theirs"}, {"type": "web_search"}]
    session = built({"tools": agents}, tools=[{"type": "function", "name": "hang_up", "description": "ours"}])
    assert session["tools"] == [
        {"type": "web_search"},
        {"type": "function", "name": "hang_up", "description": "ours"},
    ]


def test_frozen_settings_become_plain_json() -> None:
    frozen = types.MappingProxyType({"output_modalities": ("audio",), "audio": types.MappingProxyType({})})
    session = built(frozen)  # type: ignore[arg-type]
    assert session["output_modalities"] == ["audio"]
    assert msgspec.json.decode(msgspec.json.encode(session)) == session


def test_every_section_that_is_no_mapping_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        built({"audio": {"input": "pcmu"}, "providerData": ["x"]})
    assert [fault.split(" ")[0] for fault in raised.value.faults] == ["session.audio.input", "session.providerData"]


def test_building_leaves_the_settings_alone() -> None:
    agent = {"audio": {"output": {"voice": "Clive"}}}
    built(agent)["audio"]["output"]["voice"] = "changed"
    assert agent == {"audio": {"output": {"voice": "Clive"}}}


trees = st.recursive(
    st.none() | st.integers(), lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c"]), inner), max_leaves=10
)
mappings = st.dictionaries(st.sampled_from(["a", "b", "c"]), trees)


@given(mappings, mappings)
def test_merging_twice_is_merging_once(base: dict[str, Any], changes: dict[str, Any]) -> None:
    once = merge(base, changes)
    assert merge(once, changes) == once
    assert merge(base, {}) == base


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "audio/pcmu"}, AudioFormat("audio/pcmu", 8000)),
        ({"type": "audio/pcma", "rate": 8000}, AudioFormat("audio/pcma", 8000)),
        ("g711_ulaw", AudioFormat("audio/pcmu", 8000)),
        ("g711_alaw", AudioFormat("audio/pcma", 8000)),
        ("pcm16", AudioFormat("audio/pcm", 24000)),
        ({"type": "audio/pcm", "rate": 16000}, AudioFormat("audio/pcm", 16000)),
        ({"type": "audio/pcm", "rate": "fast"}, AudioFormat("audio/pcm", 24000)),
        ({"rate": 8000}, None),
        (None, None),
    ],
)
def test_formats_in_all_their_spellings(value: object, expected: AudioFormat | None) -> None:
    assert parse_format(value) == expected


@pytest.mark.parametrize(("kind", "rate", "bytes_per_ms"), [("audio/pcmu", 8000, 8), ("audio/pcm", 24000, 48)])
def test_how_long_a_byte_lasts(kind: str, rate: int, bytes_per_ms: float) -> None:
    assert AudioFormat(kind, rate).bytes_per_ms == bytes_per_ms


def test_an_echo_in_another_spelling_is_no_difference() -> None:
    echo = {"audio": {"input": {"format": "g711_ulaw"}, "output": {"format": {"type": "audio/pcmu", "rate": 8000}}}}
    assert find_differences(built(), echo) == ()


def test_an_echo_of_another_format_is_a_difference() -> None:
    echo = {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}}
    assert find_differences(built(), echo) == (
        Difference("audio.output.format", "audio/pcmu at 8000 Hz", "audio/pcm at 24000 Hz"),
    )
    asked, got = effective_format(built(), echo, OUTPUT_FORMAT)
    assert (asked.type, got.type) == ("audio/pcmu", "audio/pcm")


def test_a_setting_the_service_dropped_is_a_difference() -> None:
    echo = {"model": "other", "audio": {"output": {"voice": "Dennis", "speed": 1}}, "tools": [{"rewritten": True}]}
    assert find_differences(built(), echo) == (
        Difference("model", "google-ai-studio/gemini-2.5-flash", "other"),
        Difference("audio.output.voice", "Sarah", "Dennis"),
    )


@pytest.mark.parametrize(
    ("detection", "interrupts", "responds"),
    [
        ({"type": "semantic_vad"}, True, True),
        ({"type": "semantic_vad", "interrupt_response": False}, False, True),
        ({"type": "semantic_vad", "interrupt_response": None, "create_response": False}, False, False),
        (None, False, False),
    ],
)
def test_who_interrupts_and_who_answers(detection: object, interrupts: bool, responds: bool) -> None:
    session = {"audio": {"input": {"turn_detection": detection}}}
    for requested, echoed in ((session, {}), (built(), session)):
        turns = turn_settings(requested, echoed)
        assert (turns.server_interrupts, turns.server_responds) == (interrupts, responds)


@pytest.mark.parametrize(("value", "expected"), [(1790000000, 1790000000.0), (1.5, 1.5), ("soon", None), (True, None)])
def test_expiry(value: object, expected: float | None) -> None:
    assert expiry_of({"expires_at": value}) == expected
