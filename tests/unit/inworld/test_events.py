"""Frames to events and back: every type both ways, and nothing that can be received raises."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inworld import client_events, items, server_events
from gateway.inworld.events import (
    CLIENT_EVENTS,
    SERVER_EVENTS,
    Strangeness,
    UnknownEvent,
    append_message,
    decode_audio,
    decode_client_event,
    decode_server_event,
    encode,
    encode_audio,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("name", sorted(SERVER_EVENTS))
def test_every_server_event_comes_back_from_the_wire(name: str) -> None:
    event = SERVER_EVENTS[name](event_id="e1")
    assert json.loads(encode(event)) == {"type": name, "event_id": "e1"}
    assert decode_server_event(encode(event)) == event


@pytest.mark.parametrize("name", sorted(CLIENT_EVENTS))
def test_every_client_event_comes_back_from_the_wire(name: str) -> None:
    event = CLIENT_EVENTS[name](event_id="e1")
    decoded = decode_client_event(encode(event))
    assert decoded == event
    assert type(decoded) is type(event)


def test_there_are_the_eleven_client_events_of_the_service() -> None:
    assert sorted(CLIENT_EVENTS) == [
        "conversation.item.create",
        "conversation.item.delete",
        "conversation.item.retrieve",
        "conversation.item.truncate",
        "input_audio_buffer.append",
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "output_audio_buffer.clear",
        "response.cancel",
        "response.create",
        "session.update",
    ]


def test_a_beta_name_is_an_event_of_its_ga_type() -> None:
    event = decode_server_event(b'{"type":"response.audio.delta","response_id":"r","delta":"AAA="}')
    assert isinstance(event, server_events.ResponseOutputAudioDelta)
    assert event.delta == "AAA="


def test_an_unknown_event_type_is_kept() -> None:
    raw = b'{"type":"response.dance","steps":3}'
    assert decode_server_event(raw) == UnknownEvent(
        "response.dance", raw, Strangeness.UNKNOWN_TYPE, {"type": "response.dance", "steps": 3}
    )


def test_a_frame_without_type_is_kept_with_its_fields() -> None:
    event = decode_server_event(b'{"errorType":"SESSION_RESOURCES_EXHAUSTED"}')
    assert isinstance(event, UnknownEvent)
    assert event.strangeness is Strangeness.UNTYPED
    assert event.fields["errorType"] == "SESSION_RESOURCES_EXHAUSTED"


@pytest.mark.parametrize(
    "frame",
    [b"", b"hello", b"[1,2]", b'"text"', b"\xff\xfe", b"{", b"[" * 100_000, b'{"a":' * 20_000, b'{"type":"\\ud800"}'],
    ids=["empty", "words", "list", "string", "not utf-8", "cut", "deep list", "deep object", "lone surrogate"],
)
def test_what_is_no_json_object_is_told_apart(frame: bytes) -> None:
    event = decode_server_event(frame)
    assert isinstance(event, UnknownEvent)
    assert event.strangeness is Strangeness.NOT_AN_OBJECT
    assert event.raw == frame


def test_null_missing_and_extra_fields_do_no_harm() -> None:
    event = decode_server_event(
        b'{"type":"conversation.item.added","previous_item_id":null,"new_field":{"x":1},"item":{"id":"i","content":null}}'
    )
    assert isinstance(event, server_events.ConversationItemAdded)
    assert event.item == items.ConversationItem(id="i")
    assert event.previous_item_id is None


def test_a_field_of_the_wrong_type_is_left_out_and_the_rest_stays() -> None:
    event = decode_server_event(b'{"type":"response.output_audio.delta","response_id":7,"item_id":"i","delta":"AAA="}')
    assert event == server_events.ResponseOutputAudioDelta(item_id="i", delta="AAA=")


def test_a_wrong_type_deep_inside_costs_only_that_field() -> None:
    event = decode_server_event(
        b'{"type":"response.done","response":{"id":"r","status":"completed",'
        b'"output":[{"type":"function_call","call_id":"c","name":5},"junk"],"usage":"much"}}'
    )
    assert isinstance(event, server_events.ResponseDone)
    assert event.response == items.Response(
        id="r", status="completed", output=[items.ConversationItem(type="function_call", call_id="c")]
    )


def test_an_error_may_be_a_text() -> None:
    event = decode_server_event(b'{"type":"error","error":"boom"}')
    assert event == server_events.ErrorReported(error="boom")


def test_null_is_sent_where_null_is_meant() -> None:
    event = server_events.ErrorReported(
        error=items.ErrorDetail(type="server_error", code=None, message="m", param=None)
    )
    assert json.loads(encode(event))["error"] == {"type": "server_error", "code": None, "message": "m", "param": None}


def test_an_empty_transcript_and_a_zero_are_sent() -> None:
    event = server_events.InputAudioTranscriptionCompleted(item_id="i", content_index=0, transcript="")
    assert json.loads(encode(event))["transcript"] == ""
    assert json.loads(encode(event))["content_index"] == 0


def test_an_append_is_what_the_encoder_would_have_written() -> None:
    audio = bytes(range(256)) * 2
    expected = client_events.InputAudioBufferAppend(audio=encode_audio(audio))
    assert json.loads(append_message(audio)) == json.loads(encode(expected))
    decoded = decode_client_event(append_message(audio))
    assert isinstance(decoded, client_events.InputAudioBufferAppend)
    assert decode_audio(decoded.audio or "") == audio


@pytest.mark.parametrize("text", ["!!!!", "AAA", "é", "AA=A", "AAAA AAAA"])
def test_garbage_is_not_base64(text: str) -> None:
    assert decode_audio(text) is None


@given(st.binary(max_size=400))
def test_audio_survives_the_round_trip(audio: bytes) -> None:
    assert decode_audio(encode_audio(audio)) == audio


@given(st.binary(max_size=300))
def test_no_bytes_make_decoding_raise(frame: bytes) -> None:
    assert decode_server_event(frame) is not None
    assert decode_client_event(frame) is not None


@given(st.sampled_from(sorted(SERVER_EVENTS)), st.dictionaries(st.text(max_size=10), json_values, max_size=5))
def test_known_types_decode_whatever_their_fields_hold(name: str, fields: dict[str, object]) -> None:
    event = decode_server_event(json.dumps({**fields, "type": name}).encode())
    assert isinstance(event, SERVER_EVENTS[name])


@given(st.sampled_from(sorted(SERVER_EVENTS)), st.data())
def test_known_fields_of_any_type_decode(name: str, data: st.DataObject) -> None:
    known = SERVER_EVENTS[name].__struct_encode_fields__
    fields = {field: data.draw(json_values) for field in known}
    event = decode_server_event(json.dumps({**fields, "type": name}).encode())
    assert isinstance(event, SERVER_EVENTS[name])
