from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.emulator.items import Item, Items, arguments_text, count_tokens, first_words, item_of_client
from gateway.emulator.session_settings import Refused


def message(item_id: str, role: str = "user", **fields: Any) -> Item:
    return Item(item_id, "message", role=role, content=[{"type": "input_text", "text": "hi"}], **fields)


def test_items_keep_their_order_and_name_their_predecessor() -> None:
    items = Items()
    assert items.last_id is None
    assert items.add(message("a")) is None
    assert items.add(message("c")) == "a"
    assert items.add(message("b"), after="a") == "a"
    assert items.add(message("head"), after="root") is None
    assert [item.id for item in items] == ["head", "a", "b", "c"]
    assert items.last_id == "c"
    assert items.before(items.find("b")) == "a"
    assert items.before(items.find("head")) is None


def test_an_id_is_used_once_and_must_exist_to_be_named() -> None:
    items = Items()
    items.add(message("a"))
    with pytest.raises(Refused):
        items.add(message("a"))
    with pytest.raises(Refused) as refusal:
        items.add(message("b"), after="nowhere")
    assert refusal.value.param == "previous_item_id"
    items.delete("a")
    assert len(items) == 0
    assert items.before(message("a")) is None
    with pytest.raises(Refused):
        items.delete("a")


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_truncation_never_exceeds_the_audio_produced(produced_ms: int, audio_end_ms: int) -> None:
    items = Items()
    items.add(
        Item(
            "a",
            "message",
            role="assistant",
            content=[{"type": "audio", "transcript": "one two three"}],
            audio_ms=float(produced_ms),
        )
    )
    if audio_end_ms > produced_ms:
        with pytest.raises(Refused) as refusal:
            items.truncate("a", audio_end_ms)
        assert (refusal.value.code, refusal.value.param) == ("invalid_value", "audio_end_ms")
        assert items.find("a").text == "one two three"
    else:
        item = items.truncate("a", audio_end_ms)
        assert item.audio_ms == audio_end_ms
        assert item.text == first_words("one two three", audio_end_ms / produced_ms if produced_ms else 0)


@pytest.mark.parametrize("item", [message("a"), message("a", role="system"), Item("a", "function_call", call_id="c")])
def test_only_an_assistants_message_can_be_truncated(item: Item) -> None:
    items = Items()
    items.add(item)
    with pytest.raises(Refused) as refusal:
        items.truncate("a", 0)
    assert refusal.value.param == "item_id"


def test_calls_are_open_until_answered() -> None:
    items = Items()
    items.add(Item("f1", "function_call", call_id="c1", name="a", arguments="{}"))
    items.add(Item("f2", "function_call", call_id="c2", name="b", arguments="{}", status="incomplete"))
    assert [call.call_id for call in items.open_calls()] == ["c1"]
    assert [call.call_id for call in items.unanswered_calls()] == ["c1", "c2"]
    items.add(item_of_client({"type": "function_call_output", "call_id": "c1", "output": "{}"}, "o1", items))
    assert items.open_calls() == []


def test_items_look_like_the_wire() -> None:
    assert message("a").as_wire() == {
        "id": "a",
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "hi"}],
    }
    call = Item("f", "function_call", call_id="c", name="n", arguments="")
    assert "content" not in call.as_wire()
    assert call.as_wire()["arguments"] == ""


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "item.type"),
        ({"type": "poem"}, "item.type"),
        ({"type": "message"}, "item.role"),
        ({"type": "message", "role": "robot", "content": []}, "item.role"),
        ({"type": "message", "role": "user"}, "item.content"),
        ({"type": "message", "role": "user", "content": []}, "item.content"),
        ({"type": "message", "role": "user", "content": [{"type": "output_text"}]}, "item.content[0].type"),
        ({"type": "message", "role": "system", "content": [{"type": "input_audio"}]}, "item.content[0].type"),
        ({"type": "function_call_output", "output": "{}"}, "item.call_id"),
        ({"type": "function_call_output", "call_id": "never", "output": "{}"}, "item.call_id"),
        ({"type": "function_call", "call_id": "c"}, "item.name"),
    ],
)
def test_items_that_make_no_sense_are_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as refusal:
        item_of_client(fields, "id", Items())
    assert refusal.value.param == param


@pytest.mark.parametrize("kind", ["text", "output_text", "audio", "output_audio"])
def test_an_assistants_history_may_be_seeded_with_either_name_of_a_part(kind: str) -> None:
    fields = {"type": "message", "role": "assistant", "content": [{"type": kind, "text": "said before"}]}
    assert item_of_client(fields, "id", Items()).text == "said before"


def test_recorded_audio_is_not_kept() -> None:
    part = {"type": "input_audio", "audio": "AAAA", "transcript": "hello"}
    item = item_of_client({"type": "message", "role": "user", "content": [part]}, "id", Items())
    assert item.content == [{"type": "input_audio", "transcript": "hello"}]


def test_words_and_tokens_are_counted() -> None:
    assert first_words("a b c d", 0.5) == "a b"
    assert first_words("a b c d", 1.0) == "a b c d"
    assert first_words("", 1.0) == ""
    assert count_tokens("one two three") == 4
    assert count_tokens("") == 0
    items = Items()
    items.add(message("a"))
    assert items.count_tokens() == 4 + 2


def test_arguments_become_json_once() -> None:
    assert arguments_text({"to": "Zoë"}) == '{"to": "Zoë"}'
    assert arguments_text("{broken") == "{broken"
