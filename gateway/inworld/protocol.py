"""The Realtime protocol core: one session from the opened socket to the last event, without socket and clock.

It is fed text frames and ``now`` and answers with frames, events and its next deadline. Nothing the service sends
makes it raise: what it does not understand is counted, kept as an event where it has a type, and otherwise ignored.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.base.ids import IdSource
from gateway.inworld import server_events as wire
from gateway.inworld.arbiter import ResponseRequest
from gateway.inworld.client_events import ConversationItemCreate
from gateway.inworld.conversation import Conversation
from gateway.inworld.dispatch import CONVERSATION_HANDLERS
from gateway.inworld.events import Strangeness, UnknownEvent, append_message, decode_server_event
from gateway.inworld.faults import ErrorKind, ReportedError, classify, read_error
from gateway.inworld.items import ContentPart, ConversationItem
from gateway.inworld.outlet import Outlet, ProtocolStats, Timer
from gateway.inworld.protocol_events import (
    HeardItem,
    ProviderFault,
    RealtimeEvent,
    SessionChanged,
    SessionClosed,
    SessionReady,
    SpeechStarted,
    SpeechStopped,
    UnknownReceived,
)
from gateway.inworld.session import (
    INPUT_FORMAT,
    OUTPUT_FORMAT,
    effective_format,
    expiry_of,
    find_differences,
    turn_settings,
)
from gateway.inworld.session_updates import SessionUpdates


class State(enum.Enum):
    """A session's way. It cannot be resumed, so closed is the end."""

    CONNECTING = enum.auto()
    CONFIGURING = enum.auto()
    READY = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


_LISTENING = (State.READY, State.CONFIGURING)


@dataclass(frozen=True, slots=True)
class ProtocolLimits:
    """How long the service may take, and how much caller audio is kept until it is ready."""

    session_created_s: float = 2.0
    session_updated_s: float = 10.0
    preroll_bytes: int = 40_000
    """5 s of G.711."""


class RealtimeProtocol:
    """One Inworld Realtime session for one call.

    ``session`` is the complete session object (see ``build_session``). The edge calls ``connected`` when the socket
    is open, feeds every text frame to ``receive_message``, and after each call of any method sends
    ``take_outgoing()``, hands over ``next_event()`` until None and re-arms its timer at ``next_deadline()``.
    """

    def __init__(self, session: dict[str, Any], ids: IdSource, *, limits: ProtocolLimits | None = None) -> None:
        self.state = State.CONNECTING
        self.expires_at: float | None = None
        """When the session ends, in Unix seconds, as far as the service has told."""
        self._limits = limits or ProtocolLimits()
        self._ids = ids
        self._outlet = Outlet()
        self._updates = SessionUpdates(session)
        self._conversation = Conversation(self._outlet)
        self._preroll: deque[bytes] = deque()
        self._preroll_bytes = 0
        self._was_close_asked = False

    @property
    def stats(self) -> ProtocolStats:
        """Plain counts."""
        return self._outlet.stats

    @property
    def is_ready(self) -> bool:
        """Whether audio flows."""
        return self.state is State.READY

    @property
    def wants_close(self) -> bool:
        """Whether the edge should close the socket, with 1000, and cut it when the close is not answered."""
        return self.state is State.CLOSING

    # --- the five verbs -------------------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        """The socket is open. The server speaks first; if it does not, we do after a while."""
        if self.state is State.CONNECTING:
            self.state = State.CONFIGURING
            self._outlet.deadlines.set(Timer.SESSION_CREATED, now + self._limits.session_created_s)

    def receive_message(self, data: bytes, now: float) -> None:
        """One text frame, whole."""
        if self.state not in _LISTENING:
            return
        self._outlet.stats.frames_received += 1
        event = decode_server_event(data)
        handler = CONVERSATION_HANDLERS.get(type(event))
        if handler is not None:
            handler(self._conversation, event, now)
            return
        own = _HANDLERS.get(type(event))
        if own is not None:
            own(self, event, now)
        else:
            self._outlet.stats.frames_ignored += 1

    def connection_closed(self, code: int, reason: str, now: float) -> None:
        """The socket is gone, by whomever: 1006 where no close frame came."""
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self._end()
        self._outlet.emit(SessionClosed(code, reason, self._was_close_asked))

    def handle_timeout(self, now: float) -> None:
        """A deadline has passed."""
        for timer in self._outlet.deadlines.pop_due(now):
            _TIMEOUTS[timer](self, now)

    def next_deadline(self) -> float | None:
        """When to call handle_timeout."""
        return self._outlet.deadlines.next_deadline()

    def take_outgoing(self) -> list[bytes]:
        """The text frames to send, in order."""
        frames, self._outlet.frames = self._outlet.frames, []
        return frames

    def next_event(self) -> RealtimeEvent | None:
        """The next fact for the call, oldest first."""
        return self._outlet.events.popleft() if self._outlet.events else None

    # --- what the call asks for -----------------------------------------------------------------------------------

    def append_audio(self, chunk: bytes) -> None:
        """Caller audio in the input format. Until the session is ready the latest few seconds are kept."""
        if self.state is State.READY:
            self._append(chunk)
        elif self.state in (State.CLOSING, State.CLOSED):
            self._outlet.stats.appends_after_end += 1
        else:
            self._keep_for_later(chunk)

    def request_response(self, now: float, instructions: str | None = None) -> None:
        """A response now, or as soon as no other is active and every tool call is answered.

        ``instructions`` replace the session's for this one response.
        """
        self._conversation.request_response(ResponseRequest(instructions), now)

    def add_message(self, role: Literal["user", "system", "assistant"], text: str) -> None:
        """Puts a text into the conversation; it starts no response by itself."""
        part = ContentPart(type="text" if role == "assistant" else "input_text", text=text)
        item = ConversationItem(id=f"msg_{self._ids.token()}", type="message", role=role, content=[part])
        self._outlet.send(ConversationItemCreate(event_id=self._outlet.event_id("msg"), item=item))

    def answer_tool(self, call_id: str, output: str, now: float, *, wants_response: bool = True) -> bool:
        """A tool's output, JSON text encoded once. When all calls are answered a response is asked for, if wanted.

        False when the call has its answer already (the caller interrupted), or is unknown.
        """
        return self.state is State.READY and self._conversation.answer_tool(
            call_id, output, now, wants_response=wants_response
        )

    @property
    def is_expecting_response(self) -> bool:
        """Whether a response that was asked for has yet to begin."""
        return self._conversation.arbiter.is_expecting

    def interrupt(self, heard: Sequence[HeardItem], now: float, *, is_client_initiated: bool = False) -> None:
        """Stops the agent. ``heard`` tells, for every item the playout had not finished, how much went out.

        From here on the response is fenced: nothing it still sends becomes an event, except its ResponseFinished.
        The service is told to stop where it does not do so by itself: when its turn detection does not interrupt,
        or when a digit, an operator or anything but the caller's voice interrupts (``is_client_initiated``).
        """
        if self.state is State.READY:
            self._conversation.interrupt(heard, now, is_client_initiated=is_client_initiated)

    def update_session(self, changes: Mapping[str, Any], now: float) -> None:
        """Changes settings in mid-call; the audio formats stay. Answered by SessionChanged or a ProviderFault."""
        if self.state not in (State.CLOSING, State.CLOSED):
            self._send_update(self._updates.change(changes), now)

    def close(self, now: float) -> None:
        """Ends the session: nothing is sent any more, and the edge closes the socket."""
        if self.state not in (State.CLOSING, State.CLOSED):
            self._was_close_asked = True
            self._start_closing()

    # --- the session ----------------------------------------------------------------------------------------------

    def _on_session_created(self, event: wire.SessionCreated, now: float) -> None:
        self.expires_at = expiry_of(event.session or {}) or self.expires_at
        if Timer.SESSION_CREATED in self._outlet.deadlines:
            self._configure(now)

    def _configure(self, now: float) -> None:
        self._outlet.deadlines.clear(Timer.SESSION_CREATED)
        self._send_update(self._updates.first(), now)

    def _send_update(self, update: Any, now: float) -> None:
        if update is not None:
            self._outlet.send_now(update)
            self._outlet.deadlines.set(Timer.SESSION_UPDATED, now + self._limits.session_updated_s)

    def _on_session_updated(self, event: wire.SessionUpdated, now: float) -> None:
        echo = event.session or {}
        self.expires_at = expiry_of(echo) or self.expires_at
        was_asked = self._updates.is_in_flight
        if not was_asked and self.state is State.CONFIGURING:
            return  # a refresh before our own settings are even sent
        self._outlet.deadlines.clear(Timer.SESSION_UPDATED)
        following = self._updates.acknowledge()
        self._conversation.turns = turn_settings(self._updates.acknowledged, echo)
        if self.state is State.CONFIGURING:
            self._become_ready(echo, now)
        else:
            self._outlet.emit(SessionChanged(self.expires_at, was_asked))
        self._send_update(following, now)

    def _become_ready(self, echo: dict[str, Any], now: float) -> None:
        requested = self._updates.acknowledged
        asked_in, input_format = effective_format(requested, echo, INPUT_FORMAT)
        asked_out, output_format = effective_format(requested, echo, OUTPUT_FORMAT)
        self._conversation.output_bytes_per_ms = output_format.bytes_per_ms
        self.state = State.READY
        self._outlet.emit(
            SessionReady(
                session_id=str(echo.get("id") or ""),
                expires_at=self.expires_at,
                input_format=input_format,
                output_format=output_format,
                differences=find_differences(requested, echo),
                is_format_as_asked=(asked_in, asked_out) == (input_format, output_format),
            )
        )
        self._outlet.open()
        while self._preroll:
            self._append(self._preroll.popleft())
        self._conversation.advance(now)

    def _on_updated_overdue(self, now: float) -> None:
        waited = f"no session.updated within {self._limits.session_updated_s:g} s"
        if self.state is State.CONFIGURING:
            self._fail("session_not_updated", f"{waited}; check the service's state, then the session's settings")
        else:
            self._outlet.emit(ProviderFault("update_unacknowledged", waited, is_fatal=False))
            self._send_update(self._updates.reject(), now)

    # --- audio ----------------------------------------------------------------------------------------------------

    def _append(self, chunk: bytes) -> None:
        outlet = self._outlet
        outlet.stats.appends += 1
        outlet.stats.appended_bytes += len(chunk)
        outlet.frames.append(append_message(chunk))

    def _keep_for_later(self, chunk: bytes) -> None:
        self._preroll.append(chunk)
        self._preroll_bytes += len(chunk)
        while self._preroll_bytes > self._limits.preroll_bytes:
            dropped = len(self._preroll.popleft())
            self._preroll_bytes -= dropped
            self._outlet.stats.preroll_dropped_chunks += 1
            self._outlet.stats.preroll_dropped_bytes += dropped

    # --- turns ----------------------------------------------------------------------------------------------------

    def _on_speech_started(self, event: wire.InputAudioBufferSpeechStarted, now: float) -> None:
        self._outlet.emit(SpeechStarted(event.item_id or "", event.audio_start_ms))

    def _on_speech_stopped(self, event: wire.InputAudioBufferSpeechStopped, now: float) -> None:
        self._conversation.speech_stopped(now)
        self._outlet.emit(SpeechStopped(event.item_id or "", event.audio_end_ms))

    # --- errors and strangers -------------------------------------------------------------------------------------

    def _on_error(self, event: wire.ErrorReported, now: float) -> None:
        error = read_error(event)
        kind = classify(error)
        if kind is ErrorKind.FATAL or self.state is State.CONFIGURING:
            self._fail(error.code or error.type or "error", error.message, error.param)
            return
        is_benign = kind is not ErrorKind.OTHER
        self._outlet.stats.errors_benign += is_benign
        self._report(error, is_benign=is_benign)
        self._act_on(kind, error, now)

    def _act_on(self, kind: ErrorKind, error: ReportedError, now: float) -> None:
        if kind is ErrorKind.RESPONSE_ACTIVE:
            self._conversation.on_create_refused(now, is_ours=error.event_id.startswith("say-"))
        elif kind is ErrorKind.NOTHING_TO_CANCEL:
            self._conversation.on_cancel_refused(now)
        elif error.event_id.startswith("say-"):
            self._conversation.on_create_failed(now)
        elif self._updates.owns(error.event_id, error.param):
            self._outlet.deadlines.clear(Timer.SESSION_UPDATED)
            self._send_update(self._updates.reject(), now)

    def _report(self, error: ReportedError, *, is_benign: bool) -> None:
        code = error.code or error.type or "error"
        self._outlet.emit(ProviderFault(code, error.message, is_fatal=False, param=error.param, is_benign=is_benign))

    def _on_transcription_failed(self, event: wire.InputAudioTranscriptionFailed, now: float) -> None:
        message = event.error.message if event.error is not None else None
        self._outlet.emit(ProviderFault("transcription_failed", message or "", is_fatal=False))

    def _on_unknown(self, event: UnknownEvent, now: float) -> None:
        stats = self._outlet.stats
        if event.strangeness is Strangeness.NOT_AN_OBJECT:
            stats.frames_not_json += 1
            return
        stats.frames_unknown += event.strangeness is Strangeness.UNKNOWN_TYPE
        stats.frames_untyped += event.strangeness is Strangeness.UNTYPED
        notice = event.fields.get("errorType")
        if isinstance(notice, str) and not event.type:
            message = event.fields.get("message")
            text = message if isinstance(message, str) else "a notice of the platform; the session goes on"
            self._outlet.emit(ProviderFault(notice, text, is_fatal=False))
        else:
            self._outlet.emit(UnknownReceived(event.type, event.raw))

    def _fail(self, code: str, message: str, param: str = "") -> None:
        self._outlet.emit(ProviderFault(code, message, is_fatal=True, param=param))
        self._start_closing()

    # --- the end --------------------------------------------------------------------------------------------------

    def _start_closing(self) -> None:
        self.state = State.CLOSING
        self._end()

    def _end(self) -> None:
        self._outlet.shut()
        self._preroll.clear()
        self._preroll_bytes = 0

    def _on_create_overdue(self, now: float) -> None:
        if self._conversation.on_create_overdue(now):
            text = "no response.created after response.create; asking again when the call does"
            self._outlet.emit(ProviderFault("response_create_unanswered", text, is_fatal=False))


_HANDLERS: dict[type, Callable[[RealtimeProtocol, Any, float], None]] = {
    wire.SessionCreated: RealtimeProtocol._on_session_created,
    wire.SessionUpdated: RealtimeProtocol._on_session_updated,
    wire.ErrorReported: RealtimeProtocol._on_error,
    wire.InputAudioBufferSpeechStarted: RealtimeProtocol._on_speech_started,
    wire.InputAudioBufferSpeechStopped: RealtimeProtocol._on_speech_stopped,
    wire.InputAudioTranscriptionFailed: RealtimeProtocol._on_transcription_failed,
    UnknownEvent: RealtimeProtocol._on_unknown,
}

_TIMEOUTS: dict[Timer, Callable[[RealtimeProtocol, float], None]] = {
    Timer.SESSION_CREATED: RealtimeProtocol._configure,
    Timer.SESSION_UPDATED: RealtimeProtocol._on_updated_overdue,
    Timer.RESPONSE_CREATED: RealtimeProtocol._on_create_overdue,
    Timer.RESPONSE_CANCELLED: lambda protocol, now: protocol._conversation.give_up_active(now),
    Timer.HELD_REQUEST: lambda protocol, now: protocol._conversation.on_hold_over(now),
}
