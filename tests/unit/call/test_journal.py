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


def test_a_sink_that_fails_keeps_neither_the_others_nor_the_call_from_going_on() -> None:
    seen: list[CallEvent] = []

    def fail(_: CallEvent) -> None:
        raise OSError("no space left on device")

    journal = Journal("c-1", 0.0, [fail, seen.append])
    journal.record(EventName.CALL_OFFERED, 0.0)
    assert len(seen) == 1
    assert journal.failed_sinks == 1


def test_nothing_happens_to_a_call_after_its_end() -> None:
    seen: list[CallEvent] = []
    journal = Journal("c-1", 0.0, [seen.append])
    journal.record(EventName.CALL_ENDED, 1.0)
    journal.record(EventName.AGENT_STOPPED, 1.0)
    assert [event.name for event in seen] == [EventName.CALL_ENDED]
