"""The frames of the reference, byte for byte where order is ours."""

from __future__ import annotations

from gateway.inworld.client_events import (
    ConversationItemCreate,
    ConversationItemTruncate,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from gateway.inworld.events import decode_client_event, encode
from gateway.inworld.items import ContentPart, ConversationItem


def test_a_parameterless_event_is_its_type_alone() -> None:
    assert encode(OutputAudioBufferClear()) == b'{"type":"output_audio_buffer.clear"}'


def test_a_truncation_at_zero_names_its_zero() -> None:
    frame = encode(ConversationItemTruncate(item_id="i", content_index=0, audio_end_ms=0))
    assert frame == b'{"type":"conversation.item.truncate","item_id":"i","content_index":0,"audio_end_ms":0}'


def test_a_user_message() -> None:
    item = ConversationItem(type="message", role="user", content=[ContentPart(type="input_text", text="hi")])
    assert encode(ConversationItemCreate(item=item)) == (
        b'{"type":"conversation.item.create","item":{"type":"message","role":"user",'
        b'"content":[{"type":"input_text","text":"hi"}]}}'
    )


def test_a_response_may_have_overrides_or_none() -> None:
    assert encode(ResponseCreate()) == b'{"type":"response.create"}'
    assert encode(ResponseCreate(response={"instructions": "x"})).endswith(b'"response":{"instructions":"x"}}')
    assert encode(ResponseCancel(response_id="r")) == b'{"type":"response.cancel","response_id":"r"}'


def test_a_session_keeps_explicit_nulls() -> None:
    update = decode_client_event(b'{"type":"session.update","session":{"audio":{"input":{"turn_detection":null}}}}')
    assert update == SessionUpdate(session={"audio": {"input": {"turn_detection": None}}})
