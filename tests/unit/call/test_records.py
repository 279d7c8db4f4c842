from __future__ import annotations

import datetime

from gateway.call.identity import CallDirection, CallIdentity
from gateway.call.journal import CallEvent, EventName
from gateway.call.records import MAX_EVENTS, CallRecords

NOW = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)


def identity(call_id: str) -> CallIdentity:
    return CallIdentity(call_id, "+15550100", "+15550111", "carrier", "desk", "order", CallDirection.OUTBOUND)


def event(call_id: str, name: EventName, sequence: int = 1, **details: object) -> CallEvent:
    return CallEvent(name, call_id, sequence, NOW + datetime.timedelta(seconds=sequence), float(sequence), details)


def end(call_id: str, sequence: int = 9, **details: object) -> CallEvent:
    return event(
        call_id, EventName.CALL_ENDED, sequence, **({"reason": "busy", "duration_s": 0.0, "media": {}} | details)
    )


def test_a_record_follows_its_call_from_the_order_to_the_refusal() -> None:
    records = CallRecords()
    record = records.open(identity("c-1"), NOW)
    records(event("c-1", EventName.CALL_QUEUED, 1))
    records(event("c-1", EventName.CALL_DIALING, 2, sip_call_id="abc"))
    records(event("c-1", EventName.CALL_RINGING, 3, sip_status=180, sip_reason="Ringing"))
    records(event("c-1", EventName.CALL_RINGING, 4, sip_status=183, sip_reason=""))
    records(end("c-1", sip_status=486, sip_reason="Busy Here", q850_cause=17))
    assert record.end_reason == "busy"
    assert record.sip_call_id == "abc"
    assert list(record.times) == ["queued", "dialing", "ringing", "ended"]
    assert record.times["ringing"].second == 3, "the first time counts"
    assert [reply.get("status") for reply in record.replies] == [180, 183, 486]
    assert record.replies[-1] == {"status": 486, "reason": "Busy Here", "q850_cause": 17}
    assert [item.sequence for item in record.events_after(3)] == [4, 9]


def test_an_answered_call_has_its_figures() -> None:
    records = CallRecords()
    record = records.open(identity("c-1"), NOW)
    records(event("c-1", EventName.CALL_ANSWERED, 2, codec="PCMU", setup_s=1.5))
    records(end("c-1", reason="api", duration_s=3.0, media={"packets_sent": 150}))
    assert (record.codec, record.setup_s, record.duration_s) == ("PCMU", 1.5, 3.0)
    assert record.media == {"packets_sent": 150}


def test_old_ended_calls_are_forgotten_and_live_ones_never() -> None:
    records = CallRecords(max_calls=3)
    for number in range(3):
        records.open(identity(f"c-{number}"), NOW)
    records(end("c-1"))
    records.open(identity("c-3"), NOW)
    assert [record.identity.call_id for record in records.newest_first()] == ["c-3", "c-2", "c-0"]
    records.open(identity("c-4"), NOW)
    assert len(records) == 4, "all of them live: none is forgotten"


def test_events_are_bounded_for_a_live_call_and_let_go_long_after_the_end() -> None:
    records = CallRecords()
    record = records.open(identity("c-0"), NOW)
    for number in range(MAX_EVENTS + 50):
        records(event("c-0", EventName.DIGIT_RECEIVED, number + 1, digit="1"))
    assert len(record.events) == MAX_EVENTS
    records(end("c-0", 10_000))
    for number in range(1, 102):
        records.open(identity(f"c-{number}"), NOW)
        records(end(f"c-{number}"))
    assert not record.events
    assert record.is_ended


def test_listeners_are_told_and_strangers_events_ignored() -> None:
    records = CallRecords()
    told: list[int] = []
    record = records.open(identity("c-1"), NOW)
    record.listeners.add(lambda: told.append(len(record.events)))
    records(event("c-1", EventName.CALL_QUEUED))
    records(event("c-unknown", EventName.CALL_QUEUED))
    assert told == [1]
    assert records.get("c-unknown") is None


def test_a_call_that_has_moved_is_shown_with_its_new_far_end() -> None:
    records = CallRecords()
    record = records.open(identity("c-1"), NOW)
    there = {"caller": "+15550100", "callee": "+15550122", "sip_call_id": "other"}
    records(event("c-1", EventName.CALL_MOVED, 1, to=there, by="refer"))
    assert record.identity.parties()["callee"] == "+15550122"
    assert (record.sip_call_id, record.identity.agent) == ("other", "desk")
