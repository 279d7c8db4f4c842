"""Where function calls are told to the call and answered to the service, each exactly once."""

from __future__ import annotations

from gateway.inworld.client_events import ConversationItemCreate
from gateway.inworld.items import ConversationItem
from gateway.inworld.outlet import Outlet
from gateway.inworld.protocol_events import ToolAbandoned, ToolCalled
from gateway.inworld.responses import ResponseRecord, Responses
from gateway.inworld.tool_calls import CallState, FunctionCall, ToolCalls, failure_output, parse_arguments


class ToolDesk:
    """Tells of a call when its response has completed; answers those that must not run, without asking anybody."""

    def __init__(self, outlet: Outlet, responses: Responses) -> None:
        self._outlet = outlet
        self._responses = responses
        self._calls = ToolCalls()

    @property
    def has_open(self) -> bool:
        """Whether a call still waits for its answer."""
        return self._calls.has_open

    def note_item(self, response_id: str, item: ConversationItem | None) -> None:
        """An item was introduced or completed."""
        if item is not None and item.type == "function_call":
            self.note(response_id, item.id, item.call_id, item.name, item.arguments)

    def note(
        self, response_id: str, item_id: str | None, call_id: str | None, name: str | None, arguments: str | None
    ) -> None:
        """Something about a call. One that shows up after its response is over must not stay open."""
        call = self._calls.note(response_id, item_id, call_id, name, arguments)
        record = self._responses.get(call.response_id)
        if record is not None and record.is_finished and call.call_id and call.state is CallState.COLLECTING:
            self._refuse(call, "interrupted")

    def add_piece(self, response_id: str, item_id: str | None, call_id: str | None, piece: str) -> None:
        """A piece of a call's arguments."""
        self._calls.note(response_id, item_id, call_id).pieces += piece

    def answer(self, call_id: str, output: str) -> bool:
        """Sends a call's output; False when the call is unknown or has been answered."""
        if not self._calls.answer(call_id):
            return False
        item = ConversationItem(type="function_call_output", call_id=call_id, output=output)
        self._outlet.send(ConversationItemCreate(event_id=self._outlet.event_id("tool"), item=item))
        return True

    def settle(self, record: ResponseRecord, status: str) -> None:
        """A response is over: its calls run if it completed and nobody interrupted it, else they are refused."""
        for call in self._calls.unsettled(record.id):
            if not call.call_id:
                call.state = CallState.ANSWERED
                self._outlet.stats.calls_unanswerable += 1
            elif record.is_fenced or status == "cancelled":
                self._refuse(call, "interrupted")
            elif status != "completed":
                self._refuse(call, f"response_{status or 'unfinished'}")
            else:
                self._tell(call, record)

    def abandon_running(self) -> bool:
        """The caller interrupts: answers for every tool that runs. True when one did."""
        running = self._calls.running()
        for call in running:
            self._refuse(call, "interrupted")
            self._outlet.emit(ToolAbandoned(call.call_id, call.name))
        return bool(running)

    def _tell(self, call: FunctionCall, record: ResponseRecord) -> None:
        call.state = CallState.RUNNING
        arguments = parse_arguments(call.raw_arguments)
        self._outlet.emit(ToolCalled(call.call_id, call.name, arguments, call.raw_arguments, record.had_audio))

    def _refuse(self, call: FunctionCall, error: str) -> None:
        self.answer(call.call_id, failure_output(error))
