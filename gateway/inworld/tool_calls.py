"""Function calls of the agent, from the first scrap of one to its one answer.

The name comes with the item, the arguments come apart from it, and either may be missing from the other. Every
call_id must be answered before the model can speak again, executed or not: an open one wedges the conversation.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import msgspec

_CALLS_KEPT = 64
"""Answered calls remembered, so that a repeated item does not run a tool twice."""


class CallState(enum.Enum):
    """A call's way: heard of, handed to the call, answered."""

    COLLECTING = enum.auto()
    RUNNING = enum.auto()
    ANSWERED = enum.auto()


@dataclass(slots=True)
class FunctionCall:
    """One call as it is pieced together."""

    response_id: str
    item_id: str = ""
    call_id: str = ""
    name: str = ""
    pieces: str = ""
    """Arguments from deltas: used only when nothing gives them whole."""
    whole: str = ""
    state: CallState = CallState.COLLECTING

    @property
    def raw_arguments(self) -> str:
        """The arguments' JSON text, empty for a call without arguments."""
        return self.whole or self.pieces

    def add(self, call_id: str | None, name: str | None, arguments: str | None) -> None:
        """Takes whatever an event knows; what is known already stays unless the event is fuller."""
        self.call_id = self.call_id or call_id or ""
        self.name = self.name or name or ""
        if arguments and len(arguments) >= len(self.whole):
            self.whole = arguments


def parse_arguments(raw: str) -> dict[str, Any] | None:
    """Nothing at all means no arguments; None when it is not a JSON object."""
    if not raw.strip():
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def failure_output(error: str) -> str:
    """The output that answers a call which did not run."""
    return msgspec.json.encode({"ok": False, "error": error}).decode()


class ToolCalls:
    """The calls of one conversation, each in its state."""

    def __init__(self) -> None:
        self._calls: list[FunctionCall] = []

    @property
    def has_open(self) -> bool:
        """Whether a call still waits for its answer."""
        return any(call.state is not CallState.ANSWERED for call in self._calls)

    def note(
        self,
        response_id: str,
        item_id: str | None,
        call_id: str | None,
        name: str | None = None,
        arguments: str | None = None,
    ) -> FunctionCall:
        """Something about a call: found by its call_id, else by its item, else new."""
        call = self._find(item_id, call_id)
        if call is None:
            call = FunctionCall(response_id, item_id or "")
            self._remember(call)
        call.item_id = call.item_id or item_id or ""
        call.response_id = call.response_id or response_id
        call.add(call_id, name, arguments)
        return call

    def unsettled(self, response_id: str) -> list[FunctionCall]:
        """The calls of a response that nobody was told of yet, and those that no event put into any response."""
        collecting = (call for call in self._calls if call.state is CallState.COLLECTING)
        return [call for call in collecting if call.response_id in (response_id, "")]

    def running(self) -> list[FunctionCall]:
        """The calls whose tools are being executed."""
        return [call for call in self._calls if call.state is CallState.RUNNING]

    def answer(self, call_id: str) -> bool:
        """Marks a call as answered; False when it is unknown or has its answer."""
        for call in self._calls:
            if call.call_id == call_id and call.state is not CallState.ANSWERED:
                call.state = CallState.ANSWERED
                return True
        return False

    def _find(self, item_id: str | None, call_id: str | None) -> FunctionCall | None:
        for call in reversed(self._calls):
            if call_id and call.call_id:
                if call.call_id == call_id:
                    return call
            elif item_id and call.item_id == item_id and call.state is CallState.COLLECTING:
                return call
        return None

    def _remember(self, call: FunctionCall) -> None:
        self._calls.append(call)
        if len(self._calls) > _CALLS_KEPT:
            answered = next((old for old in self._calls if old.state is CallState.ANSWERED), None)
            if answered is not None:
                self._calls.remove(answered)
