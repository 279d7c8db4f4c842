from __future__ import annotations

import json

from gateway.base.ids import IdSource
from gateway.emulator.inspection import SessionRecord
from gateway.emulator.outbox import Outbox
from gateway.inworld import server_events as wire


def test_events_are_encoded_counted_and_recorded_in_order() -> None:
    record = SessionRecord("k", 0.0)
    outbox = Outbox(IdSource(1), record, 3.0)
    outbox.send(wire.InputAudioBufferCleared)
    outbox.send(wire.ConversationItemAdded, item={"id": "a"}, previous_item_id=None)
    assert len(outbox) == 2
    first, second = (json.loads(frame) for frame in outbox.take())
    assert first["type"] == "input_audio_buffer.cleared"
    assert second["previous_item_id"] is None
    assert second["item"] == {"id": "a"}
    assert outbox.take() == []
    assert outbox.counts["conversation.item.added"] == 1
    assert [(event.at, event.type) for event in record.sent] == [
        (3.0, "input_audio_buffer.cleared"),
        (3.0, "conversation.item.added"),
    ]


def test_errors_have_every_field_even_when_null() -> None:
    record = SessionRecord("k", 0.0)
    outbox = Outbox(IdSource(1), record, 0.0)
    outbox.send_error("no", code="invalid_value")
    (frame,) = outbox.take()
    assert json.loads(frame)["error"] == {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "no",
        "param": None,
        "event_id": None,
    }
    assert record.errors[0]["message"] == "no"


def test_untyped_frames_have_no_type() -> None:
    outbox = Outbox(IdSource(1), SessionRecord("k", 0.0), 0.0)
    outbox.send_untyped({"errorType": "X"})
    assert json.loads(outbox.take()[0]) == {"errorType": "X"}
