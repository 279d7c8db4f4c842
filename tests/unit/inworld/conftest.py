"""A service written by hand: feeds a protocol core with JSON and reads what it sends and tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.base.ids import IdSource
from gateway.inworld.events import encode_audio
from gateway.inworld.protocol import ProtocolLimits, RealtimeProtocol
from gateway.inworld.protocol_events import RealtimeEvent
from gateway.inworld.session import build_session


class HandService:
    """Virtual time, literal frames."""

    def __init__(self, agent_session: dict[str, Any] | None = None, limits: ProtocolLimits | None = None) -> None:
        session = build_session(agent_session or {}, audio_format="audio/pcmu", call_id="call-1")
        self.now = 100.0
        self.protocol = RealtimeProtocol(session, IdSource(1), limits=limits)

    def say(self, kind: str, **fields: Any) -> list[RealtimeEvent]:
        """One event of the service; what the call is told."""
        return self.raw(json.dumps({"type": kind, **fields}).encode())

    def raw(self, frame: bytes) -> list[RealtimeEvent]:
        self.protocol.receive_message(frame, self.now)
        return self.told()

    def told(self) -> list[RealtimeEvent]:
        events = []
        while (event := self.protocol.next_event()) is not None:
            events.append(event)
        return events

    def sent(self) -> list[dict[str, Any]]:
        """What the client sent since the last look."""
        return [json.loads(frame) for frame in self.protocol.take_outgoing()]

    def sent_types(self) -> list[str]:
        return [frame["type"] for frame in self.sent()]

    def wait(self, seconds: float) -> list[RealtimeEvent]:
        """Lets time pass, with every deadline on its way."""
        until = self.now + seconds
        while (deadline := self.protocol.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.protocol.handle_timeout(self.now)
        self.now = until
        return self.told()

    def make_ready(self) -> HandService:
        self.protocol.connected(self.now)
        self.say("session.created", session={"id": "s1"})
        self.say("session.updated", session={"id": "s1"})
        self.sent()
        return self

    # --- a response, piece by piece ---

    def start(self, response_id: str = "r1") -> list[RealtimeEvent]:
        return self.say("response.created", response={"id": response_id, "status": "in_progress"})

    def audio(self, response_id: str | None = "r1", item_id: str = "i1", ms: int = 100) -> list[RealtimeEvent]:
        ids = {} if response_id is None else {"response_id": response_id}
        delta = encode_audio(b"\x7f" * (8 * ms))
        return self.say("response.output_audio.delta", item_id=item_id, delta=delta, **ids)

    def done(self, response_id: str = "r1", status: str = "completed", **response: Any) -> list[RealtimeEvent]:
        return self.say("response.done", response={"id": response_id, "status": status, **response})

    def call_tool(
        self, call_id: str = "c1", name: str = "lookup", arguments: str = "{}", response_id: str = "r1"
    ) -> None:
        item = {"id": f"f-{call_id}", "type": "function_call", "call_id": call_id, "name": name}
        self.say("response.output_item.added", response_id=response_id, item=item)
        self.say(
            "response.function_call_arguments.done",
            response_id=response_id,
            item_id=item["id"],
            call_id=call_id,
            arguments=arguments,
        )


@pytest.fixture
def service() -> HandService:
    """A session that is ready."""
    return HandService().make_ready()


@pytest.fixture(scope="session")
def make_service() -> type[HandService]:
    """For sessions with settings of their own, and for the time before they are ready."""
    return HandService
