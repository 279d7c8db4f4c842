"""A client of the emulator's core on virtual time."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.base.ids import IdSource
from gateway.emulator.audio import AudioFormat
from gateway.emulator.conversation import CloseRequested, Conversation
from gateway.emulator.inspection import SessionRecord
from gateway.emulator.recordings import rendered
from gateway.emulator.scenario import Scenario

CALLER_VOICES = Path(__file__).parents[3] / "gateway" / "demo" / "voices"
PCMU = AudioFormat("pcmu", 8000)
START_S = 1000.0
G711_SESSION = {
    "audio": {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}},
    "providerData": {"auto_tool_response": False},
}


class Dialogue:
    """Feeds one conversation and keeps what it answers: ``events`` as plain dicts, each with its time as ``_at``."""

    def __init__(self, scenario: Scenario) -> None:
        self.now = START_S
        self.record = SessionRecord("key-1", self.now)
        ids = IdSource(scenario.seed)
        self.conversation = Conversation(scenario, ids, self.record, now=self.now, wall_clock_s=1_790_000_000)
        self.events: list[dict[str, Any]] = []
        self.closes: list[CloseRequested] = []
        self._event_ids = 0
        self.conversation.connected(self.now)
        self._collect()

    def send(self, event_type: str, **fields: Any) -> str:
        """One client event; answers its event_id."""
        self._event_ids += 1
        event_id = f"evt-{self._event_ids}"
        self.send_raw(json.dumps({"type": event_type, "event_id": event_id, **fields}).encode())
        return event_id

    def send_raw(self, frame: bytes) -> None:
        self.conversation.receive_message(frame, self.now)
        self._collect()

    def configure(self, **session: Any) -> None:
        """G.711 both ways, no automatic tool response, and whatever else is given."""
        self.send("session.update", session={**G711_SESSION, **session})

    def append(self, audio: bytes) -> None:
        self.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    def hear(self, audio: bytes, *, chunk_ms: int = 60) -> None:
        """G.711 audio in real time: each chunk arrives when it has sounded."""
        chunk = chunk_ms * 8
        for start in range(0, len(audio), chunk):
            piece = audio[start : start + chunk]
            self.pass_time(len(piece) / 8000)
            self.append(piece)

    def pass_time(self, seconds: float) -> None:
        """Let every deadline on the way fall due exactly when it is due."""
        until = self.now + seconds
        while (due := self.conversation.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.conversation.handle_timeout(self.now)
            self._collect()
        self.now = until

    def text(self, text: str, role: str = "user") -> None:
        item = {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}
        self.send("conversation.item.create", item=item)

    def answer_call(self, call_id: str, output: str = "{}") -> None:
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        self.send("conversation.item.create", item=item)

    def types(self, *prefixes: str) -> list[str]:
        """The types of what came, or of those that start with one of the prefixes."""
        every = [event.get("type", "") for event in self.events]
        return [name for name in every if not prefixes or name.startswith(prefixes)]

    def of(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("type") == event_type]

    def last(self, event_type: str) -> dict[str, Any]:
        return self.of(event_type)[-1]

    def forget(self) -> None:
        """Only what comes from now on is of interest."""
        self.events.clear()

    def audio_of(self, response_id: str) -> bytes:
        deltas = [event for event in self.of("response.output_audio.delta") if event["response_id"] == response_id]
        return b"".join(base64.b64decode(event["delta"]) for event in deltas)

    def _collect(self) -> None:
        for frame in self.conversation.take_outgoing():
            self.events.append({**json.loads(frame), "_at": self.now})
        while (event := self.conversation.next_event()) is not None:
            self.closes.append(event)


@pytest.fixture
def converse() -> Callable[..., Dialogue]:
    """Opens a session with a scenario given as keywords, configured for G.711 unless told otherwise."""

    def start(*, configured: bool = True, **scenario: Any) -> Dialogue:
        dialogue = Dialogue(Scenario.model_validate(scenario))
        if configured:
            dialogue.configure()
        return dialogue

    return start


@pytest.fixture
def question() -> bytes:
    """Two seconds of recorded speech, mu-law."""
    return rendered(CALLER_VOICES / "question.wav", PCMU)


@pytest.fixture
def silence() -> Callable[[int], bytes]:
    """Mu-law silence of so many milliseconds."""
    return lambda duration_ms: b"\xff" * (8 * duration_ms)
