"""When responses start and stop: at most one is active, none while a function call waits for its output."""

from __future__ import annotations

import enum
from collections import deque
from typing import Any

from gateway.base.clock import earliest
from gateway.emulator.director import Director
from gateway.emulator.items import Items, count_tokens
from gateway.emulator.outbox import Outbox
from gateway.emulator.response import Plan, RunningResponse
from gateway.emulator.scenario import Scenario
from gateway.emulator.session_settings import Refused, SessionSettings, read_modalities
from gateway.emulator.speech import cut, render

TURN_DETECTED = "turn_detected"
CLIENT_CANCELLED = "client_cancelled"
MOST_OWED = 8


class _Cause(enum.Enum):
    TURN = "turn"
    CLIENT = "client"
    TOOL_OUTPUTS = "tool_outputs"


class Responder:
    """Starts, advances and cancels the responses of one conversation."""

    def __init__(
        self,
        scenario: Scenario,
        settings: SessionSettings,
        items: Items,
        director: Director,
        outbox: Outbox,
    ) -> None:
        self._scenario = scenario
        self._settings = settings
        self._items = items
        self._director = director
        self._outbox = outbox
        self._active: RunningResponse | None = None
        self._active_cause = _Cause.CLIENT
        self._cancelled: list[RunningResponse] = []
        self._owed: deque[tuple[_Cause, dict[str, Any]]] = deque(maxlen=MOST_OWED)

    def next_deadline(self) -> float | None:
        """When a response has its next event to send."""
        active = self._active.next_deadline() if self._active else None
        return earliest(active, *(response.next_deadline() for response in self._cancelled))

    def advance(self, now: float) -> None:
        """Send everything that is due, and start what was owed to the end of the active response."""
        for response in self._cancelled:
            response.advance(now)
        self._cancelled = [response for response in self._cancelled if response.next_deadline() is not None]
        if self._active is not None:
            self._active.advance(now)
            if self._active.is_done:
                self._active = None
        while self._owed and self._active is None:
            cause, overrides = self._owed.popleft()
            if cause is _Cause.TOOL_OUTPUTS and self._items.open_calls():
                continue  # the response went on to call more tools: their outputs will start the reply
            self._start(cause, overrides, None)

    def answer_turn(self) -> None:
        """The caller finished a turn and create_response is on."""
        if self._refuse_while_active(None):
            return
        self._start(_Cause.TURN, {}, None)

    def create(self, overrides: dict[str, Any], event_id: str | None) -> None:
        """response.create. A reply the server began by itself after a tool's output does not refuse it: the agent
        then speaks twice, which is what a client gets that leaves auto_tool_response on."""
        if self._active is not None and self._active_cause is _Cause.TOOL_OUTPUTS:
            self._owed.append((_Cause.CLIENT, overrides))
            return
        if self._refuse_while_active(event_id):
            return
        self._start(_Cause.CLIENT, overrides, event_id)

    def take_tool_output(self) -> None:
        """A function call was answered; with auto_tool_response the server replies when all are."""
        self._director.take_tool_output()
        if not self._settings.answers_tools or self._items.open_calls():
            return
        if self._active is not None:
            self._owed.append((_Cause.TOOL_OUTPUTS, {}))
        else:
            self._start(_Cause.TOOL_OUTPUTS, {}, None)

    def interrupt(self) -> None:
        """The caller speaks and interrupt_response is on."""
        if self._active is not None:
            self._cancel(TURN_DETECTED)

    def cancel(self, response_id: str | None, event_id: str | None) -> None:
        """response.cancel."""
        if self._active is None or response_id not in (None, self._active.id):
            self._outbox.send_error(
                "there is no active response to cancel", code="response_cancel_not_active", event_id=event_id
            )
            return
        self._cancel(CLIENT_CANCELLED)

    def _cancel(self, reason: str) -> None:
        assert self._active is not None
        self._active.cancel(reason)
        self._cancelled.append(self._active)
        self._active = None
        self._owed.clear()

    def _refuse_while_active(self, event_id: str | None) -> bool:
        if self._active is None:
            return False
        message = f"the conversation already has an active response: {self._active.id}"
        self._outbox.send_error(message, code="conversation_already_has_active_response", event_id=event_id)
        return True

    def _start(self, cause: _Cause, overrides: dict[str, Any], event_id: str | None) -> None:
        open_calls = self._items.open_calls()
        if open_calls:
            waiting = ", ".join(str(call.call_id) for call in open_calls)
            self._outbox.send_error(
                f"every tool_call needs its output first; without one: {waiting}", event_id=event_id
            )
            return
        try:
            plan = self._plan(overrides)
        except Refused as refused:
            self._outbox.send_error(refused.message, code=refused.code, param=refused.param, event_id=event_id)
            return
        self._active_cause = cause
        self._active = RunningResponse(plan, self._outbox, self._items)
        self._active.advance(self._outbox.now)

    def _plan(self, overrides: dict[str, Any]) -> Plan:
        modalities = self._settings.modalities
        for key in ("output_modalities", "modalities"):  # the second is the beta name, still sent by some
            if overrides.get(key) is not None:
                modalities = read_modalities(overrides[key], f"response.{key}")
        instructions = overrides.get("instructions")
        reaction = self._director.choose(instructions if isinstance(instructions, str) else "")
        target = self._settings.output_format
        speech = render(reaction, target, self._director.last_turn, self._director.last_text)
        pace = self._scenario.pace
        if reaction.speed is not None:
            pace = pace.model_copy(update={"speed": reaction.speed})
        latency_ms = pace.latency_ms if reaction.latency_ms is None else reaction.latency_ms
        return Plan(
            speech=speech,
            deltas=cut(len(speech.audio), target, pace, self._outbox.ids) if speech else [],
            format=target,
            modalities=modalities,
            tools=reaction.tool,
            latency_s=latency_ms / 1000,
            late_deltas=self._scenario.faults.late_deltas,
            prompt_tokens=self._items.count_tokens() + count_tokens(self._settings.instructions),
        )
