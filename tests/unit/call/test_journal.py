from __future__ import annotations

from gateway.call.journal import CallEvent, EventName, Journal


def test_events_are_numbered_and_dated_from_the_calls_beginning() -> None:
    seen: list[CallEvent] = []
    also_seen: list[CallEvent] = []
    journal = Journal("c-1", began=100.0, sinks=[seen.append, also_seen.append])
    journal.record(EventName.CALL_OFFERED, 100.0, caller="+15550100")
    journal.record(EventName.CALL_ANSWERED, 100.25)
    assert [(event.sequence, event.name.value, event.offset_s) for event in seen] == [
        (1, "call.offered", 0.0),
        (2, "call.answered", 0.25),
    ]
    assert seen[0].details == {"caller": "+15550100"}
    assert seen[0].at.tzinfo is not None
    assert also_seen == seen
