"""The frames of the reference, read."""

from __future__ import annotations

import pytest

from gateway.inworld import server_events as wire
from gateway.inworld.events import SERVER_EVENTS, decode_server_event
from gateway.inworld.items import ConversationItem, Usage

ALIASES = {
    "response.audio.delta": wire.ResponseOutputAudioDelta,
    "response.audio.done": wire.ResponseOutputAudioDone,
    "response.audio_transcript.delta": wire.ResponseOutputAudioTranscriptDelta,
    "response.audio_transcript.done": wire.ResponseOutputAudioTranscriptDone,
    "response.text.delta": wire.ResponseOutputTextDelta,
    "response.text.done": wire.ResponseOutputTextDone,
    "response.cancelled": wire.ResponseDone,
    "conversation.item.created": wire.ConversationItemAdded,
}


@pytest.mark.parametrize("name", sorted(ALIASES))
def test_beta_names_are_subclasses(name: str) -> None:
    assert issubclass(SERVER_EVENTS[name], ALIASES[name])


def test_a_finished_response_with_usage() -> None:
    event = decode_server_event(
        b'{"type":"response.done","event_id":"e","response":{"id":"resp_1","object":"realtime.response",'
        b'"status":"cancelled","status_details":{"type":"cancelled","reason":"turn_detected"},'
        b'"output":[{"id":"item_9","type":"message","role":"assistant","status":"incomplete",'
        b'"content":[{"type":"audio","transcript":"Sure, the"}]}],'
        b'"usage":{"total_tokens":210,"input_tokens":190,"output_tokens":20}}}'
    )
    assert isinstance(event, wire.ResponseDone)
    assert event.response is not None
    assert event.response.status_details is not None
    assert event.response.status_details.reason == "turn_detected"
    assert event.response.usage == Usage(total_tokens=210, input_tokens=190, output_tokens=20)


def test_a_function_call_item() -> None:
    event = decode_server_event(
        b'{"type":"response.output_item.added","response_id":"r","output_index":0,'
        b'"item":{"id":"f","type":"function_call","name":"transfer","call_id":"call_1"}}'
    )
    assert isinstance(event, wire.ResponseOutputItemAdded)
    assert event.item == ConversationItem(id="f", type="function_call", name="transfer", call_id="call_1")


def test_the_voice_profile_travels_in_camel_case() -> None:
    event = decode_server_event(
        b'{"type":"conversation.item.input_audio_transcription.completed","item_id":"i",'
        b'"providerData":{"voiceProfile":{"age":[{"label":"adult","confidence":0.9}]}}}'
    )
    assert isinstance(event, wire.InputAudioTranscriptionCompleted)
    assert event.provider_data is not None
    assert "voiceProfile" in event.provider_data
