"""One update at a time, the rest merged behind it."""

from __future__ import annotations

from typing import Any

from gateway.inworld.session import build_session
from gateway.inworld.session_updates import SessionUpdates


def made() -> SessionUpdates:
    return SessionUpdates(build_session({}, audio_format="audio/pcmu", call_id="c"))


def acknowledged() -> SessionUpdates:
    updates = made()
    updates.first()
    assert updates.acknowledge() is None
    return updates


def detection(**flags: Any) -> dict[str, Any]:
    return {"audio": {"input": {"turn_detection": flags}}}


def test_the_first_update_is_the_whole_session() -> None:
    updates = made()
    first = updates.first()
    assert first.event_id == "cfg-1"
    assert first.session == updates.acknowledged
    assert updates.is_in_flight


def test_changes_before_the_first_update_go_with_it() -> None:
    updates = made()
    assert updates.change({"instructions": "early"}) is None
    assert updates.first().session["instructions"] == "early"


def test_at_most_one_update_is_unacknowledged_and_later_ones_are_merged() -> None:
    updates = acknowledged()
    first = updates.change({"instructions": "one"})
    assert first is not None
    assert updates.change({"instructions": "two"}) is None
    assert updates.change({"temperature": 0.5}) is None
    following = updates.acknowledge()
    assert following is not None
    assert following.session == {"instructions": "two", "temperature": 0.5}
    assert updates.acknowledge() is None


def test_a_nested_change_sends_its_whole_object_again() -> None:
    update = acknowledged().change(detection(interrupt_response=False))
    assert update is not None
    assert list(update.session) == ["audio"]
    assert update.session["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "medium",
        "create_response": True,
        "interrupt_response": False,
    }
    assert update.session["audio"]["output"]["voice"] == "Sarah"


def test_audio_formats_are_locked() -> None:
    update = acknowledged().change({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}})
    assert update is not None
    assert update.session["audio"]["input"]["format"] == {"type": "audio/pcmu"}


def test_a_rejected_update_applies_nothing() -> None:
    updates = acknowledged()
    before = updates.acknowledged
    updates.change({"model": "nonsense"})
    assert updates.reject() is None
    assert updates.acknowledged == before
    again = updates.change({"temperature": 1})
    assert again is not None
    assert again.session == {"temperature": 1}


def test_values_are_cleared_by_name() -> None:
    update = acknowledged().change({"instructions": "", "tools": [], "audio": {"input": {"turn_detection": None}}})
    assert update is not None
    assert update.session["instructions"] == ""
    assert update.session["tools"] == []
    assert update.session["audio"]["input"]["turn_detection"] is None


def test_an_error_is_the_updates_by_event_id_or_by_parameter() -> None:
    updates = acknowledged()
    assert not updates.owns("cfg-1", None)
    updates.change({"model": "x"})
    assert updates.owns("cfg-2", None)
    assert not updates.owns("cut-3", "session.model")
    assert updates.owns("", "session.model")
    assert not updates.owns(None, None)
