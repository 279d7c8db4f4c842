"""Every call is answered exactly once, by the call or for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.inworld.items import ConversationItem
from gateway.inworld.outlet import Outlet
from gateway.inworld.protocol_events import ToolAbandoned, ToolCalled
from gateway.inworld.responses import ResponseRecord, Responses
from gateway.inworld.tool_desk import ToolDesk


class Desk:
    def __init__(self) -> None:
        self.outlet = Outlet()
        self.outlet.open()
        self.responses = Responses()
        self.desk = ToolDesk(self.outlet, self.responses)
        record = self.responses.start("r1")
        assert record is not None
        self.record: ResponseRecord = record

    def call(self, call_id: str | None = "c1", name: str = "lookup", arguments: str | None = "{}") -> None:
        item = ConversationItem(id="f1", type="function_call", call_id=call_id, name=name, arguments=arguments)
        self.desk.note_item("r1", item)

    def settle(self, status: str) -> list[Any]:
        self.responses.finish(self.record)
        self.desk.settle(self.record, status)
        return list(self.outlet.events)

    def outputs(self) -> list[dict[str, Any]]:
        return [json.loads(frame)["item"] for frame in self.outlet.frames]


def output(error: str, call_id: str = "c1") -> dict[str, str]:
    return {"type": "function_call_output", "call_id": call_id, "output": f'{{"ok":false,"error":"{error}"}}'}


def test_a_completed_responses_call_is_told_and_waits_for_its_answer() -> None:
    desk = Desk()
    desk.call(arguments='{"q":1}')
    assert desk.settle("completed") == [ToolCalled("c1", "lookup", {"q": 1}, '{"q":1}', response_had_audio=False)]
    assert desk.desk.has_open
    assert desk.desk.answer("c1", '{"ok":true}')
    assert desk.outputs() == [{"type": "function_call_output", "call_id": "c1", "output": '{"ok":true}'}]
    assert not desk.desk.answer("c1", "again")
    assert not desk.desk.has_open


def test_other_items_are_not_calls() -> None:
    desk = Desk()
    desk.desk.note_item("r1", ConversationItem(id="m", type="message"))
    desk.desk.note_item("r1", None)
    assert not desk.desk.has_open


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("cancelled", "interrupted"),
        ("failed", "response_failed"),
        ("incomplete", "response_incomplete"),
        ("", "response_unfinished"),
    ],
)
def test_a_response_that_did_not_complete_runs_nothing_and_leaves_nothing_open(status: str, error: str) -> None:
    desk = Desk()
    desk.call()
    assert desk.settle(status) == []
    assert desk.outputs() == [output(error)]
    assert not desk.desk.has_open


def test_a_fenced_response_runs_nothing_even_if_it_completed() -> None:
    desk = Desk()
    desk.call()
    desk.responses.fence(desk.record)
    assert desk.settle("completed") == []
    assert desk.outputs() == [output("interrupted")]


def test_a_call_that_shows_up_after_its_response_is_answered_at_once() -> None:
    desk = Desk()
    desk.settle("completed")
    desk.call()
    assert desk.outputs() == [output("interrupted")]


def test_an_interruption_answers_for_the_tools_that_run() -> None:
    desk = Desk()
    desk.call()
    desk.settle("completed")
    assert desk.desk.abandon_running()
    assert desk.outlet.events[-1] == ToolAbandoned("c1", "lookup")
    assert desk.outputs() == [output("interrupted")]
    assert not desk.desk.abandon_running()


def test_a_call_without_call_id_cannot_be_answered_and_blocks_nothing() -> None:
    desk = Desk()
    desk.call(call_id=None)
    assert desk.settle("completed") == []
    assert desk.outlet.stats.calls_unanswerable == 1
    assert not desk.desk.has_open
