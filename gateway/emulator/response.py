"""One response from response.created to response.done: its events in order, each at its time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import gateway.inworld.server_events as wire
from gateway.emulator.audio import AudioFormat
from gateway.emulator.inspection import SpokenResponse
from gateway.emulator.items import Content, Item, Items, arguments_text, count_tokens
from gateway.emulator.outbox import Outbox
from gateway.emulator.scenario import ToolCall
from gateway.emulator.speech import Delta, Speech
from gateway.inworld.events import encode_audio

TOOL_GAP_S = 0.02
"""Between two function calls, and between what is said and the first of them."""
LATE_DELTA_GAP_S = 0.02
WORDS_GAP_S = 0.03
"""Between two text deltas of a response without audio."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a response will consist of. ``deltas`` cut ``speech.audio``, which is in ``format``."""

    speech: Speech | None
    deltas: list[Delta]
    format: AudioFormat
    modalities: tuple[str, ...]
    tools: tuple[ToolCall, ...]
    latency_s: float
    late_deltas: int
    prompt_tokens: int


class RunningResponse:
    """Advances through its plan; a cancelled one may still have late deltas to send."""

    def __init__(self, plan: Plan, outbox: Outbox, items: Items) -> None:
        self.id = outbox.new_id("resp")
        self.is_done = False
        self._plan = plan
        self._outbox = outbox
        self._items = items
        self._started_at = outbox.now
        self._spoken = SpokenResponse(self.id, outbox.now, plan.format)
        outbox.record.note_response(self._spoken)
        self._output: list[Item] = []
        self._open_message: Item | None = None
        self._unsent = list(plan.deltas)
        self._produced_bytes = 0
        self._words = plan.speech.text.split() if plan.speech else []
        self._words_sent = 0
        self._send_created()
        self._steps = self._script()
        self._next_at: float | None = outbox.now

    def next_deadline(self) -> float | None:
        """When the next event is due; None when nothing is left, late deltas included."""
        return self._next_at

    def advance(self, now: float) -> None:
        """Send what is due."""
        while self._next_at is not None and self._next_at <= now:
            offset_s = next(self._steps, None)
            self._next_at = None if offset_s is None else self._started_at + offset_s

    def cancel(self, reason: str) -> None:
        """Stop now: the open message ends incomplete, and some deltas that were under way arrive late."""
        late = self._unsent[: self._plan.late_deltas] if self._open_message else []
        speaking = self._open_message
        if late and speaking:
            self._send_audio(speaking, late[0])  # already on the wire when the cancellation took effect
        for item in self._output:
            if item.status == "in_progress":
                item.status = "incomplete"
                self._finish_item(item)
        self._finish("cancelled", reason)
        self._steps = self._late_script(speaking, late[1:])
        self._next_at = self._outbox.now if late[1:] else None

    # --- the script: a generator that sends and then yields the offset of its next step ----------------------------

    def _script(self) -> Iterator[float]:
        yield self._plan.latency_s
        if self._plan.speech is not None and (self._plan.speech.audio or self._words):
            yield from self._speak()
        for index, call in enumerate(self._plan.tools):
            if index or self._output:
                yield self._elapsed_s() + TOOL_GAP_S
            self._call(call)
        self._finish("completed")

    def _speak(self) -> Iterator[float]:
        item = self._begin_message()
        if "audio" in self._plan.modalities and self._unsent:
            while self._unsent:
                delta = self._unsent[0]
                yield self._plan.latency_s + delta.after_s
                self._send_words(item, delta.end / self._plan.deltas[-1].end)
                self._send_audio(item, self._unsent.pop(0))
        else:
            for count in range(5, len(self._words), 5):
                self._send_words(item, count / len(self._words))
                yield self._elapsed_s() + WORDS_GAP_S
        self._send_words(item, 1.0)
        item.status = "completed"
        self._finish_item(item)

    def _late_script(self, item: Item | None, late: list[Delta]) -> Iterator[float]:
        for delta in late:
            yield self._elapsed_s() + LATE_DELTA_GAP_S
            if item is not None:
                self._send_audio(item, delta)

    def _elapsed_s(self) -> float:
        return self._outbox.now - self._started_at

    # --- messages --------------------------------------------------------------------------------------------------

    def _begin_message(self) -> Item:
        is_spoken = "audio" in self._plan.modalities
        part: Content = {"type": "audio", "transcript": ""} if is_spoken else {"type": "text", "text": ""}
        item = Item(self._outbox.new_id("item"), "message", role="assistant", status="in_progress")
        self._open_message = item
        self._introduce(item, previous=self._items.last_id)
        self._outbox.send(wire.ResponseContentPartAdded, **self._at(item), content_index=0, part=dict(part))
        item.content.append(part)
        return item

    def _send_words(self, item: Item, share: float) -> None:
        """Words up to ``share`` of the speech, in each text stream that the modalities ask for."""
        until = min(math.ceil(len(self._words) * share - 1e-9), len(self._words))
        if until <= self._words_sent:
            return
        fresh = ("" if self._words_sent == 0 else " ") + " ".join(self._words[self._words_sent : until])
        self._words_sent = until
        place = self._at(item)
        if "audio" in self._plan.modalities:
            self._outbox.send(wire.ResponseOutputAudioTranscriptDelta, **place, content_index=0, delta=fresh)
        if "text" in self._plan.modalities:
            self._outbox.send(wire.ResponseOutputTextDelta, **place, content_index=0, delta=fresh)
        self._spoken.text += fresh
        if not item.is_truncated:
            key = "transcript" if "audio" in self._plan.modalities else "text"
            item.content[0][key] += fresh

    def _send_audio(self, item: Item, delta: Delta) -> None:
        assert self._plan.speech is not None
        piece = self._plan.speech.audio[delta.start : delta.end]
        place = self._at(item)
        self._outbox.send(wire.ResponseOutputAudioDelta, **place, content_index=0, delta=encode_audio(piece))
        self._produced_bytes += len(piece)
        if not item.is_truncated:
            item.audio_ms = self._plan.format.duration_ms(self._produced_bytes)
        self._outbox.record.note_audio_sent(self._spoken, self._outbox.now, piece)

    # --- function calls --------------------------------------------------------------------------------------------

    def _call(self, call: ToolCall) -> None:
        arguments = arguments_text(call.arguments)
        call_id = self._outbox.new_id("call")
        item = Item(self._outbox.new_id("item"), "function_call", status="in_progress", call_id=call_id, name=call.name)
        item.arguments = ""
        # The service announces a function call with a null previous_item_id wherever it stands.
        self._introduce(item, previous=None)
        place = {**self._at(item), "call_id": call_id}
        middle = len(arguments) // 2
        for piece in filter(None, (arguments[:middle], arguments[middle:])):
            self._outbox.send(wire.ResponseFunctionCallArgumentsDelta, **place, delta=piece)
        item.arguments = arguments
        # Without the name, as the service leaves it out.
        self._outbox.send(wire.ResponseFunctionCallArgumentsDone, **place, arguments=arguments)
        item.status = "completed"
        self._finish_item(item)

    # --- what both have in common ----------------------------------------------------------------------------------

    def _at(self, item: Item) -> dict[str, str | int]:
        return {"response_id": self.id, "item_id": item.id, "output_index": self._output.index(item)}

    def _introduce(self, item: Item, previous: str | None) -> None:
        self._output.append(item)
        self._items.add(item)
        index = len(self._output) - 1
        self._outbox.send(wire.ResponseOutputItemAdded, response_id=self.id, output_index=index, item=item.as_wire())
        self._outbox.send(wire.ConversationItemAdded, item=item.as_wire(), previous_item_id=previous)

    def _finish_item(self, item: Item) -> None:
        previous = None
        if item.type == "message":
            self._finish_message(item)
            self._open_message = None
            previous = self._items.before(item)
        self._outbox.send(
            wire.ResponseOutputItemDone,
            response_id=self.id,
            output_index=self._output.index(item),
            item=item.as_wire(),
        )
        self._outbox.send(wire.ConversationItemDone, item=item.as_wire(), previous_item_id=previous)

    def _finish_message(self, item: Item) -> None:
        place = self._at(item)
        part = item.content[0]
        if "audio" in self._plan.modalities:
            if self._produced_bytes:
                self._outbox.send(wire.ResponseOutputAudioDone, **place, content_index=0)
            transcript = self._spoken.text
            self._outbox.send(wire.ResponseOutputAudioTranscriptDone, **place, content_index=0, transcript=transcript)
        if "text" in self._plan.modalities:
            self._outbox.send(wire.ResponseOutputTextDone, **place, content_index=0, text=self._spoken.text)
        self._outbox.send(wire.ResponseContentPartDone, **place, content_index=0, part=dict(part))

    def _send_created(self) -> None:
        response = {"id": self.id, "object": "realtime.response", "status": "in_progress", "output": []}
        self._outbox.send(wire.ResponseCreated, response=response)

    def _finish(self, status: str, reason: str | None = None) -> None:
        written = sum(count_tokens(item.text) for item in self._output)
        response = {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "output": [item.as_wire() for item in self._output],
            "usage": {
                "total_tokens": self._plan.prompt_tokens + written,
                "input_tokens": self._plan.prompt_tokens,
                "output_tokens": written,
            },
        }
        if reason is not None:
            response["status_details"] = {"type": status, "reason": reason}
        self.is_done = True
        self._spoken.status, self._spoken.reason, self._spoken.finished_at = status, reason, self._outbox.now
        self._outbox.send(wire.ResponseDone, response=response)
