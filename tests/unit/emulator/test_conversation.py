from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.base.ids import IdSource
from gateway.emulator.conversation import CloseRequested, Conversation
from gateway.emulator.inspection import SessionRecord
from gateway.emulator.scenario import Scenario

Converse = Callable[..., Any]


def test_the_server_speaks_first_with_its_complete_default_session(converse: Converse) -> None:
    dialogue = converse(configured=False)
    (created,) = dialogue.events
    session = created["session"]
    assert created["type"] == "session.created"
    assert session["id"] == "key-1"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "medium",
        "create_response": True,
        "interrupt_response": True,
    }
    assert session["expires_at"] > 1_790_000_000


def test_every_event_id_is_a_uuid_of_its_own(converse: Converse, question: bytes, silence: Any) -> None:
    dialogue = converse()
    dialogue.hear(silence(500) + question + silence(1500))
    dialogue.pass_time(10)
    ids = [event["event_id"] for event in dialogue.events]
    assert len(ids) > 20
    assert len(set(ids)) == len(ids)
    assert all(uuid.UUID(event_id).version == 4 for event_id in ids)


def test_one_seed_one_conversation(converse: Converse, question: bytes, silence: Any) -> None:
    def events(seed: int) -> list[dict[str, Any]]:
        dialogue = converse(seed=seed)
        dialogue.hear(silence(500) + question + silence(1500))
        dialogue.pass_time(10)
        return dialogue.events

    assert events(5) == events(5)
    assert events(5) != events(6)


def test_an_update_is_answered_with_the_effective_session(converse: Converse) -> None:
    dialogue = converse(configured=False)
    dialogue.send("session.update", session={"instructions": "Be brief.", "nonsense": {"a": 1}})
    updated = dialogue.last("session.updated")["session"]
    assert updated["instructions"] == "Be brief."
    assert updated["audio"]["output"]["voice"] == "Sarah"


def test_a_refused_update_applies_nothing_and_names_its_cause(converse: Converse) -> None:
    dialogue = converse(configured=False)
    event_id = dialogue.send(
        "session.update",
        session={"instructions": "x", "audio": {"input": {"transcription": {"model": "no/such-stt"}}}},
    )
    (error,) = dialogue.of("error")
    assert error["error"] == {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "unsupported transcription model 'no/such-stt'",
        "param": "session.audio.input.transcription.model",
        "event_id": event_id,
    }
    assert dialogue.of("session.updated") == []
    dialogue.send("session.update", session={})
    assert dialogue.last("session.updated")["session"]["instructions"] != "x"


def test_a_stalled_update_is_answered_late(converse: Converse) -> None:
    dialogue = converse(configured=False, faults={"stall_session_updated_ms": 2500})
    dialogue.configure()
    dialogue.pass_time(2.4)
    assert dialogue.of("session.updated") == []
    dialogue.pass_time(0.2)
    assert len(dialogue.of("session.updated")) == 1


def test_credentials_may_be_refused_after_the_upgrade(converse: Converse) -> None:
    dialogue = converse(configured=False, faults={"refuse_after_upgrade": "invalid authorization credentials"})
    assert dialogue.types() == ["error"]
    assert dialogue.events[0]["error"]["message"] == "invalid authorization credentials"
    assert [close.code for close in dialogue.closes] == [1008]


@pytest.mark.parametrize(("close_code", "delay_ms"), [(None, 0), (1011, 300)])
def test_the_socket_drops_at_the_scripted_moment(converse: Converse, close_code: int | None, delay_ms: int) -> None:
    drop = {"after": "response.output_audio.delta", "count": 3, "close_code": close_code, "delay_ms": delay_ms}
    dialogue = converse(faults={"drop_socket": drop})
    dialogue.send("response.create")
    dialogue.pass_time(5)
    assert dialogue.closes == [CloseRequested(close_code, "scenario")]


def test_text_items_are_added_and_done_in_their_place(converse: Converse) -> None:
    dialogue = converse()
    dialogue.send(
        "conversation.item.create",
        item={"id": "a1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    )
    dialogue.send(
        "conversation.item.create",
        previous_item_id="root",
        item={"id": "a0", "type": "message", "role": "system", "content": [{"type": "input_text", "text": "so"}]},
    )
    added = dialogue.of("conversation.item.added")
    assert [(event["item"]["id"], event["previous_item_id"]) for event in added] == [("a1", None), ("a0", None)]
    dialogue.text("third")
    assert dialogue.last("conversation.item.added")["previous_item_id"] == "a1"
    assert dialogue.types("conversation.item.")[:2] == ["conversation.item.added", "conversation.item.done"]


@pytest.mark.parametrize("role", ["user", "system"])
def test_texts_of_the_user_and_of_the_system_are_reacted_to(converse: Converse, role: str) -> None:
    dialogue = converse(texts=[{"contains": "pressed", "tool": {"name": "hang_up"}}])
    dialogue.text("The caller pressed 1", role)
    dialogue.send("response.create")
    dialogue.pass_time(1)
    assert dialogue.last("response.done")["response"]["output"][0]["name"] == "hang_up"


def test_items_can_be_retrieved_and_deleted_once(converse: Converse) -> None:
    dialogue = converse()
    dialogue.send(
        "conversation.item.create",
        item={"id": "a1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    )
    dialogue.send("conversation.item.retrieve", item_id="a1")
    assert dialogue.last("conversation.item.retrieved")["item"]["content"][0]["text"] == "hi"
    dialogue.send("conversation.item.delete", item_id="a1")
    assert dialogue.last("conversation.item.deleted")["item_id"] == "a1"
    dialogue.send("conversation.item.delete", item_id="a1")
    assert dialogue.last("error")["error"]["code"] == "invalid_value"


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"item_id": "missing", "content_index": 0, "audio_end_ms": 0}, "item_id", "invalid_value"),
        ({"item_id": "u1", "content_index": 0, "audio_end_ms": 0}, "item_id", "invalid_value"),
        ({"item_id": "u1", "content_index": 1, "audio_end_ms": 0}, "content_index", "invalid_value"),
        ({"item_id": "u1", "content_index": 0, "audio_end_ms": -1}, "audio_end_ms", "invalid_value"),
        ({"item_id": "u1", "content_index": 0}, "audio_end_ms", "missing_required_parameter"),
        ({"content_index": 0, "audio_end_ms": 0}, "item_id", "missing_required_parameter"),
        ({"item_id": "u1", "audio_end_ms": 0}, "content_index", "missing_required_parameter"),
    ],
)
def test_impossible_truncations_are_refused(converse: Converse, fields: dict[str, Any], param: str, code: str) -> None:
    dialogue = converse()
    dialogue.send(
        "conversation.item.create",
        item={"id": "u1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    )
    dialogue.send("conversation.item.truncate", **fields)
    error = dialogue.last("error")["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert dialogue.of("conversation.item.truncated") == []
    assert dialogue.record.truncations[0].refused


def test_truncation_knows_how_much_audio_was_produced(converse: Converse) -> None:
    dialogue = converse(greeting={"tone": {"hz": 440, "ms": 2000}, "text": "one two three four"})
    dialogue.send("response.create")
    dialogue.pass_time(2)
    item_id = dialogue.last("response.output_item.done")["item"]["id"]
    dialogue.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=2001)
    assert dialogue.last("error")["error"]["param"] == "audio_end_ms"
    dialogue.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1000)
    truncated = dialogue.last("conversation.item.truncated")
    assert (truncated["item_id"], truncated["content_index"], truncated["audio_end_ms"]) == (item_id, 0, 1000)
    dialogue.send("conversation.item.retrieve", item_id=item_id)
    assert dialogue.last("conversation.item.retrieved")["item"]["content"][0]["transcript"] == "one two"
    # What was cut is gone: the item is one second long now.
    dialogue.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1001)
    assert [bool(truncation.refused) for truncation in dialogue.record.truncations] == [True, False, True]
    assert [truncation.produced_ms for truncation in dialogue.record.truncations] == [2000, 2000, 1000]


def test_clearing_the_output_buffer_stops_nothing(converse: Converse) -> None:
    dialogue = converse(greeting={"tone": {"hz": 440, "ms": 2000}})
    dialogue.send("response.create")
    dialogue.pass_time(0.3)
    dialogue.send("output_audio_buffer.clear")
    assert dialogue.types("output_audio_buffer") == ["output_audio_buffer.cleared"]
    dialogue.pass_time(3)
    assert dialogue.last("response.done")["response"]["status"] == "completed"


def test_frames_that_are_no_client_events_are_refused(converse: Converse) -> None:
    dialogue = converse()
    dialogue.send_raw(b"not json")
    dialogue.send_raw(b"[1]")
    dialogue.send_raw(b'{"event_id":"e9"}')
    event_id = dialogue.send("response.invent")
    errors = [event["error"] for event in dialogue.of("error")]
    assert [(error["code"], error["param"], error["event_id"]) for error in errors] == [
        ("invalid_json", None, None),
        ("invalid_json", None, None),
        ("missing_required_parameter", "type", "e9"),
        ("invalid_value", "type", event_id),
    ]


def test_binary_frames_and_broken_base64_are_refused(converse: Converse) -> None:
    dialogue = converse()
    dialogue.conversation.receive_binary(dialogue.now)
    dialogue.send("input_audio_buffer.append", audio="***")
    dialogue.send("input_audio_buffer.append")
    codes = [event["error"]["code"] for event in dialogue.of("error")]
    assert codes == ["invalid_json", "invalid_value", "invalid_value"]


def test_messages_above_the_budget_are_dropped_with_one_notice_each_second(converse: Converse) -> None:
    dialogue = converse()
    dialogue.forget()
    for _ in range(5):
        dialogue.conversation.refuse_message(dialogue.now)
    dialogue.pass_time(1.0)
    dialogue.conversation.refuse_message(dialogue.now)
    dialogue.send("session.update", session={})
    notices = [event for event in dialogue.events if "type" not in event]
    assert [notice["errorType"] for notice in notices] == ["SESSION_RESOURCES_EXHAUSTED"] * 2
    assert dialogue.record.messages_refused == 6


def test_the_record_keeps_events_without_their_audio(converse: Converse) -> None:
    dialogue = converse()
    dialogue.append(b"\xff" * 480)
    appended = dialogue.record.received_of("input_audio_buffer.append")[0]
    assert appended.event["audio"] == "<480 bytes>"
    assert dialogue.record.received_types() == ["session.update"]
    assert dialogue.record.sent_types() == ["session.created", "session.updated"]
    assert dialogue.record.messages_received == 2
    assert dialogue.conversation.summary() == {"turns": 0, "responses": 0, "errors": 0}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CLIENT_TYPES = st.sampled_from(
    [
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "output_audio_buffer.clear",
        "conversation.item.create",
        "conversation.item.truncate",
        "conversation.item.delete",
        "conversation.item.retrieve",
        "response.create",
        "response.cancel",
    ]
)


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with any of these fields, or nonsense in its place."""
    return JSON | st.fixed_dictionaries({}, optional=fields)


SESSION = some_of(
    model=JSON,
    tools=JSON,
    output_modalities=JSON | st.lists(st.sampled_from(["audio", "text"])),
    providerData=some_of(auto_tool_response=JSON, tts=some_of(conversational=JSON, user_turn_mode=JSON)),
    instructions=JSON,
    audio=some_of(
        input=some_of(
            format=some_of(type=JSON, rate=JSON),
            transcription=some_of(model=JSON),
            turn_detection=some_of(
                type=st.sampled_from(["semantic_vad", "server_vad"]) | JSON,
                eagerness=JSON,
                threshold=JSON,
                silence_duration_ms=JSON,
                prefix_padding_ms=JSON,
                create_response=JSON,
            ),
        ),
        output=some_of(format=some_of(type=JSON, rate=JSON), model=JSON, voice=JSON, speed=JSON),
    ),
)
ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "function_call_output"])},
    optional={
        "role": st.sampled_from(["user", "assistant", "system", "tool"]) | JSON,
        "content": st.lists(some_of(type=st.sampled_from(["input_text", "text"]) | JSON, text=JSON), max_size=2) | JSON,
        **dict.fromkeys(("call_id", "id", "name", "arguments", "output"), JSON),
    },
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "session": SESSION,
        "item": ITEM | JSON,
        "response": some_of(output_modalities=JSON, modalities=JSON, instructions=JSON, voice=JSON),
        **dict.fromkeys(("audio", "item_id", "audio_end_ms", "content_index", "previous_item_id", "event_id"), JSON),
    },
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(CLIENT_TYPES, FIELDS), max_size=4))
def test_nothing_a_client_sends_raises(messages: list[tuple[str, dict[str, Any]]]) -> None:
    conversation = Conversation(Scenario(), IdSource(1), SessionRecord("k", 0.0), now=0.0, wall_clock_s=0)
    conversation.connected(0.0)
    for number, (event_type, fields) in enumerate(messages):
        conversation.receive_message(json.dumps({"type": event_type, **fields}).encode(), float(number))
        conversation.handle_timeout(number + 0.5)
    conversation.take_outgoing()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_raise(frame: bytes) -> None:
    conversation = Conversation(Scenario(), IdSource(1), SessionRecord("k", 0.0), now=0.0, wall_clock_s=0)
    conversation.receive_message(frame, 0.0)
    assert conversation.take_outgoing()


def test_endless_nesting_is_refused(converse: Converse) -> None:
    dialogue = converse()
    deep = '{"a":' * 900 + "1" + "}" * 900
    dialogue.send_raw(b'{"type":"session.update","session":{"tools":[],"x":%b}}' % deep.encode())
    assert len(dialogue.of("error")) + len(dialogue.of("session.updated")) == 2
