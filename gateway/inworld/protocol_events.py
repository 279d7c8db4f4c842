"""What the Realtime protocol core tells the call: past facts, each ending in what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from gateway.inworld.session import AudioFormat, Difference


@dataclass(frozen=True, slots=True)
class HeardItem:
    """What the playout knows of one item: audio that left towards the caller, and audio it was given, in ms."""

    response_id: str
    item_id: str
    sent_ms: float
    produced_ms: float


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one response, 0 where the service told nothing."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class SessionReady:
    """The first session.updated: audio flows from now on."""

    session_id: str
    expires_at: float | None
    input_format: AudioFormat
    output_format: AudioFormat
    differences: tuple[Difference, ...]
    is_format_as_asked: bool


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """A later session.update was acknowledged, or the service refreshed the session by itself."""

    expires_at: float | None
    was_asked: bool


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The service heard the caller begin to speak: the moment to stop the agent's voice."""

    item_id: str
    audio_start_ms: int | None


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The service heard the caller finish."""

    item_id: str
    audio_end_ms: int | None


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """The agent begins to answer."""

    response_id: str


class AudioReceived(msgspec.Struct, frozen=True, gc=False):
    """A piece of the agent's voice in the output format, of any length, faster than real time.

    A struct and no dataclass because it is made so often: 0.1 µs instead of 0.6.
    """

    response_id: str
    item_id: str
    audio: bytes


@dataclass(frozen=True, slots=True)
class AudioFinished:
    """No more audio comes for this item. Not sent for an interrupted response."""

    response_id: str
    item_id: str


@dataclass(frozen=True, slots=True)
class TranscriptReceived:
    """Everything known so far of what was said in one item: it replaces any earlier text of the same item.

    ``is_final`` may come more than once for an item, with growing text; the last one holds.
    ``response_id`` is empty for the caller's words.
    """

    role: Literal["user", "assistant"]
    item_id: str
    text: str
    is_final: bool
    response_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The agent asks for a tool, once per call_id; answer it with ``answer_tool`` in every case.

    ``arguments`` is None when ``raw`` is not a JSON object: answer that with an error.
    """

    call_id: str
    name: str
    arguments: dict[str, Any] | None
    raw: str
    response_had_audio: bool


@dataclass(frozen=True, slots=True)
class ToolAbandoned:
    """The caller interrupted while the tool ran; it was answered for you, and a later answer is ignored."""

    call_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ResponseFinished:
    """The agent's answer is over: completed, cancelled, failed or incomplete, with the service's reason."""

    response_id: str
    status: str
    reason: str = ""
    usage: TokenUsage | None = None


@dataclass(frozen=True, slots=True)
class ProviderFault:
    """The service reported an error, or kept us waiting. After a fatal one the session closes.

    ``is_benign``: a race that this protocol brings with it and has dealt with; worth a debug line.
    """

    code: str
    message: str
    is_fatal: bool
    param: str = ""
    is_benign: bool = False


@dataclass(frozen=True, slots=True)
class UnknownReceived:
    """A frame whose type nobody told us of, as it came. ``type`` is empty where the frame had none."""

    type: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """The socket is gone, and with it the session: it cannot be resumed. Always the last event."""

    code: int
    reason: str
    was_asked: bool


RealtimeEvent = (
    SessionReady
    | SessionChanged
    | SpeechStarted
    | SpeechStopped
    | ResponseStarted
    | AudioReceived
    | AudioFinished
    | TranscriptReceived
    | ToolCalled
    | ToolAbandoned
    | ResponseFinished
    | ProviderFault
    | UnknownReceived
    | SessionClosed
)
