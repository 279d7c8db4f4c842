"""Which response speaks, and which must not any more."""

from __future__ import annotations

from gateway.inworld.responses import ResponseRecord, Responses, TextSource


def started(responses: Responses, response_id: str) -> ResponseRecord:
    record = responses.start(response_id)
    assert record is not None
    return record


def test_a_response_begins_once() -> None:
    responses = Responses()
    record = started(responses, "r1")
    assert responses.active is record
    assert responses.start("r1") is None


def test_a_fenced_response_is_active_still_but_does_not_speak() -> None:
    responses = Responses()
    record = started(responses, "r1")
    responses.fence(record)
    assert responses.active is record
    assert responses.speaking == {}
    assert responses.start("r1") is None


def test_the_end_of_an_older_response_leaves_the_newer_active() -> None:
    responses = Responses()
    older, newer = started(responses, "r1"), started(responses, "r2")
    responses.finish(older)
    assert responses.active is newer
    responses.finish(newer)
    assert responses.active is None


def test_responses_left_behind_are_those_that_began_earlier_and_never_ended() -> None:
    responses = Responses()
    first, second, third = (started(responses, name) for name in ("r1", "r2", "r3"))
    responses.finish(first)
    assert responses.left_behind(third) == [second]
    assert responses.left_behind(second) == []


def test_the_first_text_stream_of_a_response_is_the_one() -> None:
    record = ResponseRecord("r1")
    assert record.takes_text_from(TextSource.TEXT)
    assert not record.takes_text_from(TextSource.TRANSCRIPT)
    assert record.takes_text_from(TextSource.TEXT)


def test_items_with_audio_are_unfinished_until_told() -> None:
    record = ResponseRecord("r1", produced_bytes={"i1": 8, "i2": 8}, finished_items={"i1"})
    assert record.had_audio
    assert record.unfinished_items() == ["i2"]


def test_the_table_is_bounded() -> None:
    responses = Responses()
    for number in range(200):
        started(responses, f"r{number}")
    assert responses.get("r0") is None
    assert len(responses.speaking) == 64
    assert responses.active is responses.get("r199")
