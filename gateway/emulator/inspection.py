"""What a session of the emulator received and sent, for tests, the demo and whoever wants to listen.

All times are monotonic seconds, as ``time.monotonic()`` gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gateway.emulator.audio import AudioFormat, Samples, resample
from gateway.emulator.recordings import write_wav
from gateway.inworld.server_events import ErrorReported, ResponseOutputAudioDelta, ServerEvent


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event with the time it passed. Audio is replaced by ``<N bytes>``."""

    at: float
    type: str
    event: dict[str, Any]


@dataclass(slots=True)
class HeardTurn:
    """One spoken turn as the turn detector saw it; ``stopped_at`` is None while it lasts."""

    item_id: str
    audio_start_ms: int
    started_at: float
    stopped_at: float | None = None
    audio_end_ms: int | None = None
    speech_ms: int | None = None
    transcript: str | None = None


@dataclass(frozen=True, slots=True)
class Truncation:
    """A conversation.item.truncate: ``produced_ms`` is what the item had, ``refused`` why nothing was cut."""

    at: float
    item_id: str | None
    audio_end_ms: int | None
    produced_ms: float | None
    refused: str | None


@dataclass(slots=True)
class SpokenResponse:
    """One response: its voice so far, in ``format``, and how it ended."""

    id: str
    started_at: float
    format: AudioFormat
    audio: bytearray = field(default_factory=bytearray)
    first_audio_at: float | None = None
    finished_at: float | None = None
    status: str = "in_progress"
    reason: str | None = None
    text: str = ""

    @property
    def audio_ms(self) -> float:
        """How long the voice sent for it sounds."""
        return self.format.duration_ms(len(self.audio))

    @property
    def samples(self) -> Samples:
        """Its voice at the format's rate."""
        return self.format.decode(self.audio)


@dataclass(slots=True)
class SessionRecord:
    """Everything about one session. With ``is_full`` false only the plain counters are kept."""

    key: str
    opened_at: float
    is_full: bool = True
    authorization_scheme: str = ""
    closed_at: float | None = None
    close_code: int | None = None
    session: dict[str, Any] = field(default_factory=dict)
    received: list[LoggedEvent] = field(default_factory=list)
    sent: list[LoggedEvent] = field(default_factory=list)
    turns: list[HeardTurn] = field(default_factory=list)
    responses: list[SpokenResponse] = field(default_factory=list)
    truncations: list[Truncation] = field(default_factory=list)
    tool_outputs: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    messages_received: int = 0
    messages_sent: int = 0
    messages_refused: int = 0
    _caller: list[tuple[AudioFormat, bytearray]] = field(default_factory=list)

    # --- questions ---------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """The socket is still there."""
        return self.closed_at is None

    @property
    def speech_started_at(self) -> list[float]:
        """When each input_audio_buffer.speech_started left."""
        return [turn.started_at for turn in self.turns]

    @property
    def caller_rate_hz(self) -> int:
        """The rate of :meth:`caller_samples`."""
        return self._caller[-1][0].rate if self._caller else 8000

    def caller_samples(self) -> Samples:
        """The caller's audio as received, decoded; sample 0 is audio time 0 of the session."""
        rate_hz = self.caller_rate_hz
        pieces = [resample(form.decode(wire), form.rate, rate_hz) for form, wire in self._caller]
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)

    @property
    def caller_ms(self) -> float:
        """How long the audio received sounds."""
        return sum(form.duration_ms(len(wire)) for form, wire in self._caller)

    def write_caller_wav(self, path: Path | str) -> None:
        """What the caller was heard to say."""
        write_wav(Path(path), self.caller_samples(), self.caller_rate_hz)

    def write_agent_wav(self, path: Path | str) -> None:
        """The voices of all responses, one after the other."""
        rate_hz = self.responses[-1].format.rate if self.responses else 8000
        pieces = [resample(response.samples, response.format.rate, rate_hz) for response in self.responses]
        write_wav(Path(path), np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16), rate_hz)

    def sent_types(self, *, without: tuple[str, ...] = ()) -> list[str]:
        """The types of the events sent, in order."""
        return [logged.type for logged in self.sent if logged.type not in without]

    def received_types(self, *, without: tuple[str, ...] = ("input_audio_buffer.append",)) -> list[str]:
        """The types of the events received, in order."""
        return [logged.type for logged in self.received if logged.type not in without]

    def sent_of(self, event_type: str) -> list[LoggedEvent]:
        """Every event of one type that was sent."""
        return [logged for logged in self.sent if logged.type == event_type]

    def received_of(self, event_type: str) -> list[LoggedEvent]:
        """Every event of one type that was received."""
        return [logged for logged in self.received if logged.type == event_type]

    # --- notes taken by the conversation -----------------------------------------------------------------------

    def note_received(self, at: float, event_type: str, fields: dict[str, Any]) -> None:
        """A client event, audio already left out."""
        self.messages_received += 1
        if self.is_full:
            self.received.append(LoggedEvent(at, event_type, fields))

    def note_sent(self, at: float, event_type: str, event: ServerEvent) -> None:
        """A server event."""
        self.messages_sent += 1
        if not self.is_full:
            return
        fields: dict[str, Any] = msgspec.to_builtins(event)
        if isinstance(event, ResponseOutputAudioDelta):
            fields["delta"] = f"<{len(event.delta or '') * 3 // 4} bytes>"
        if isinstance(event, ErrorReported):
            self.errors.append(fields["error"])
        self.sent.append(LoggedEvent(at, event_type, fields))

    def note_caller_audio(self, audio_format: AudioFormat, wire: bytes) -> None:
        """Audio as it came."""
        if not self.is_full:
            return
        if not self._caller or self._caller[-1][0] != audio_format:
            self._caller.append((audio_format, bytearray()))
        self._caller[-1][1].extend(wire)

    def note_turn(self, turn: HeardTurn) -> None:
        """A turn has begun; what becomes of it is written into the same object."""
        if self.is_full:
            self.turns.append(turn)

    def note_response(self, response: SpokenResponse) -> None:
        """A response has begun; what becomes of it is written into the same object."""
        if self.is_full:
            self.responses.append(response)

    def note_audio_sent(self, response: SpokenResponse, at: float, wire: bytes) -> None:
        """More of a response's voice has left."""
        if response.first_audio_at is None:
            response.first_audio_at = at
        if self.is_full:
            response.audio.extend(wire)

    def note_truncation(self, truncation: Truncation) -> None:
        """The client cut an item, or tried to."""
        if self.is_full:
            self.truncations.append(truncation)

    def note_item(self, item_type: str, call_id: str | None, text: str) -> None:
        """The client created a text or answered a function call."""
        if not self.is_full:
            return
        if item_type == "function_call_output":
            self.tool_outputs[call_id or ""] = text
        else:
            self.texts.append(text)
