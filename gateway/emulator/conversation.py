"""One Realtime session without sockets or a clock: client events and ``now`` in; server events and deadlines out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

import gateway.inworld.client_events as client
import gateway.inworld.server_events as wire
from gateway.base.clock import Deadlines, earliest
from gateway.base.ids import IdSource
from gateway.emulator.director import Director
from gateway.emulator.inspection import SessionRecord, Truncation
from gateway.emulator.items import Item, Items, item_of_client
from gateway.emulator.listener import Listener
from gateway.emulator.outbox import Outbox
from gateway.emulator.responder import Responder
from gateway.emulator.scenario import Scenario
from gateway.emulator.session_settings import Refused, SessionSettings
from gateway.inworld.events import Strangeness, UnknownEvent, decode_audio, decode_client_event

EXHAUSTED_NOTICE_EVERY_S = 1.0
REFUSED_CLOSE_CODE = 1008
SESSION_LIFE_S = 3600

_HANDLERS: dict[type[Any], Callable[[Conversation, Any], None]] = {}


@dataclass(frozen=True, slots=True)
class CloseRequested:
    """The edge closes the socket with this code, or resets it without a closing handshake when there is none."""

    code: int | None
    reason: str = ""


class Conversation:
    """The core of one session, with the five verbs of every core here."""

    def __init__(
        self, scenario: Scenario, ids: IdSource, record: SessionRecord, *, now: float, wall_clock_s: int
    ) -> None:
        self._scenario = scenario
        self._record = record
        self._outbox = Outbox(ids, record, now)
        self._items = Items()
        self._settings = SessionSettings(record.key, wall_clock_s + SESSION_LIFE_S, scenario.listening)
        self._director = Director(scenario)
        self._responder = Responder(scenario, self._settings, self._items, self._director, self._outbox)
        self._listener = Listener(self._settings, self._items, self._director, self._responder, self._outbox)
        self._deadlines: Deadlines[str] = Deadlines()
        self._stalled: deque[tuple[float, dict[str, Any]]] = deque()
        self._events: deque[CloseRequested] = deque()
        self._last_notice_at: float | None = None
        self._drop_is_armed = scenario.faults.drop_socket is not None

    # --- the five verbs ----------------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        """The socket is open: the server speaks first."""
        self._outbox.now = now
        refusal = self._scenario.faults.refuse_after_upgrade
        if refusal is not None:
            self._outbox.send_error(refusal, error_type="authentication_error")
            self._events.append(CloseRequested(REFUSED_CLOSE_CODE, "refused"))
            return
        self._record.session = self._settings.as_wire()
        self._outbox.send(wire.SessionCreated, session=self._settings.as_wire())
        self._watch_for_drop()

    def receive_message(self, data: bytes, now: float) -> None:
        """One text frame of the client."""
        self._outbox.now = now
        event = decode_client_event(data)
        self._note(event, now)
        if isinstance(event, UnknownEvent):
            self._refuse_unknown(event)
        else:
            try:
                _HANDLERS[type(event)](self, event)
            except Refused as refused:
                self._refuse(event, refused)
            except RecursionError:
                self._refuse(event, Refused(None, "the event is nested too deeply"))
        self._watch_for_drop()

    def receive_binary(self, now: float) -> None:
        """A binary frame: this protocol has none."""
        self._outbox.now = now
        self._outbox.send_error("events are JSON in text frames; this was a binary frame", code="invalid_json")

    def refuse_message(self, now: float) -> None:
        """A message above the account's budget is dropped; the platform says so once in a second, without a type."""
        self._record.messages_refused += 1
        if self._last_notice_at is None or now - self._last_notice_at >= EXHAUSTED_NOTICE_EVERY_S:
            self._last_notice_at = now
            self._outbox.send_untyped({"errorType": "SESSION_RESOURCES_EXHAUSTED", "message": "too many messages"})

    def handle_timeout(self, now: float) -> None:
        """Send what is due."""
        self._outbox.now = now
        self._responder.advance(now)
        while self._stalled and self._stalled[0][0] <= now:
            self._outbox.send(wire.SessionUpdated, session=self._stalled.popleft()[1])
        if "drop" in self._deadlines.pop_due(now):
            drop = self._scenario.faults.drop_socket
            self._events.append(CloseRequested(drop.close_code if drop else None, "scenario"))
        self._watch_for_drop()

    def next_deadline(self) -> float | None:
        """When :meth:`handle_timeout` has something to do."""
        stalled = self._stalled[0][0] if self._stalled else None
        return earliest(self._responder.next_deadline(), self._deadlines.next_deadline(), stalled)

    @property
    def backlog(self) -> int:
        """Text frames not taken yet."""
        return len(self._outbox)

    def take_outgoing(self) -> list[bytes]:
        """Text frames to send, in order."""
        return self._outbox.take()

    def next_event(self) -> CloseRequested | None:
        """What the edge has to do besides sending."""
        return self._events.popleft() if self._events else None

    def summary(self) -> dict[str, int]:
        """Figures for the log at the end."""
        counts = self._outbox.counts
        return {
            "turns": counts["input_audio_buffer.committed"],
            "responses": counts["response.created"],
            "errors": counts["error"],
        }

    # --- client events -----------------------------------------------------------------------------------------

    def _update_session(self, event: client.SessionUpdate) -> None:
        self._settings.update(event.session)
        self._listener.apply_settings()
        self._record.session = self._settings.as_wire()
        stall_ms = self._scenario.faults.stall_session_updated_ms
        if stall_ms:
            self._stalled.append((self._outbox.now + stall_ms / 1000, self._settings.as_wire()))
        else:
            self._outbox.send(wire.SessionUpdated, session=self._settings.as_wire())

    def _append_audio(self, event: client.InputAudioBufferAppend) -> None:
        audio = decode_audio(event.audio) if event.audio is not None else None
        if audio is None:
            raise Refused("audio", "audio must be base64")
        self._listener.append(audio)

    def _create_item(self, event: client.ConversationItemCreate) -> None:
        if event.item is None:
            raise Refused("item", "an item is needed", code="missing_required_parameter")
        fields: dict[str, Any] = msgspec.to_builtins(event.item)
        item = item_of_client(fields, fields.get("id") or self._outbox.new_id("item"), self._items)
        previous = self._items.add(item, after=event.previous_item_id or None)
        self._outbox.send(wire.ConversationItemAdded, item=item.as_wire(), previous_item_id=previous)
        self._outbox.send(wire.ConversationItemDone, item=item.as_wire(), previous_item_id=previous)
        self._record.note_item(item.type, item.call_id, item.text)
        self._stimulate(item)

    def _stimulate(self, item: Item) -> None:
        if item.type == "function_call_output":
            self._responder.take_tool_output()
        elif item.type == "message" and item.role in ("user", "system"):
            self._director.read_text(item.text)

    def _truncate_item(self, event: client.ConversationItemTruncate) -> None:
        produced_ms = next((item.audio_ms for item in self._items if item.id == event.item_id), None)
        refused: Refused | None = None
        try:
            self._truncate(event)
        except Refused as error:
            refused = error
        note = Truncation(
            self._outbox.now, event.item_id, event.audio_end_ms, produced_ms, refused.message if refused else None
        )
        self._record.note_truncation(note)
        if refused is not None:
            raise refused

    def _truncate(self, event: client.ConversationItemTruncate) -> None:
        for name in ("item_id", "content_index", "audio_end_ms"):
            if getattr(event, name) is None:
                raise Refused(name, f"{name} is needed", code="missing_required_parameter")
        if event.content_index != 0:
            raise Refused("content_index", "content_index is always 0")
        audio_end_ms = event.audio_end_ms or 0
        if audio_end_ms < 0:
            raise Refused("audio_end_ms", "audio_end_ms cannot be negative")
        self._items.truncate(event.item_id, audio_end_ms)
        self._outbox.send(
            wire.ConversationItemTruncated, item_id=event.item_id, content_index=0, audio_end_ms=audio_end_ms
        )

    def _delete_item(self, event: client.ConversationItemDelete) -> None:
        self._items.delete(event.item_id)
        self._outbox.send(wire.ConversationItemDeleted, item_id=event.item_id)

    def _retrieve_item(self, event: client.ConversationItemRetrieve) -> None:
        item = self._items.find(event.item_id)
        self._outbox.send(wire.ConversationItemRetrieved, item=item.as_wire())

    def _clear_output(self, event: client.OutputAudioBufferClear) -> None:
        # Generation goes on: the buffer that matters over a WebSocket is the client's.
        self._outbox.send(wire.OutputAudioBufferCleared)

    # --- refusals, notes and faults ----------------------------------------------------------------------------

    def _refuse(self, event: Any, refused: Refused) -> None:
        self._outbox.send_error(refused.message, code=refused.code, param=refused.param, event_id=event.event_id)

    def _refuse_unknown(self, event: UnknownEvent) -> None:
        event_id = event.fields.get("event_id")
        known_id = event_id if isinstance(event_id, str) else None
        if event.strangeness is Strangeness.NOT_AN_OBJECT:
            self._outbox.send_error("the frame is not a JSON object", code="invalid_json")
        elif event.strangeness is Strangeness.UNTYPED:
            self._outbox.send_error(
                "type is needed", code="missing_required_parameter", param="type", event_id=known_id
            )
        else:
            message = f"{event.type[:80]!r} is not a client event"
            self._outbox.send_error(message, code="invalid_value", param="type", event_id=known_id)

    def _note(self, event: Any, now: float) -> None:
        if not self._record.is_full:
            self._record.messages_received += 1
        elif isinstance(event, UnknownEvent):
            self._record.note_received(now, event.type, event.fields)
        else:
            fields: dict[str, Any] = msgspec.to_builtins(event)
            if isinstance(event, client.InputAudioBufferAppend):
                fields["audio"] = f"<{len(event.audio or '') * 3 // 4} bytes>"
            self._record.note_received(now, str(fields["type"]), fields)

    def _watch_for_drop(self) -> None:
        drop = self._scenario.faults.drop_socket
        if drop and self._drop_is_armed and self._outbox.counts[drop.after] >= drop.count:
            self._drop_is_armed = False
            self._deadlines.set("drop", self._outbox.now + drop.delay_ms / 1000)


_HANDLERS.update(
    {
        client.SessionUpdate: Conversation._update_session,
        client.InputAudioBufferAppend: Conversation._append_audio,
        client.InputAudioBufferCommit: lambda self, event: self._listener.commit(event.event_id),
        client.InputAudioBufferClear: lambda self, event: self._listener.clear(),
        client.OutputAudioBufferClear: Conversation._clear_output,
        client.ConversationItemCreate: Conversation._create_item,
        client.ConversationItemTruncate: Conversation._truncate_item,
        client.ConversationItemDelete: Conversation._delete_item,
        client.ConversationItemRetrieve: Conversation._retrieve_item,
        client.ResponseCreate: lambda self, event: self._responder.create(event.response or {}, event.event_id),
        client.ResponseCancel: lambda self, event: self._responder.cancel(event.response_id, event.event_id),
    }
)
