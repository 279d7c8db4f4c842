"""The conversation inside an agreed session: responses, words, tools and interruptions.

It hears the service's response.*, item and transcription events, already decoded, and turns them into facts for the
call. Only here are response.create, response.cancel, truncation and tool outputs sent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gateway.inworld import server_events as wire
from gateway.inworld.arbiter import ResponseArbiter, ResponseRequest
from gateway.inworld.client_events import (
    ConversationItemTruncate,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
)
from gateway.inworld.events import decode_audio
from gateway.inworld.faults import TRUNCATE_PREFIX
from gateway.inworld.items import ConversationItem, Response, StatusDetails, Usage
from gateway.inworld.outlet import Outlet, Timer
from gateway.inworld.protocol_events import (
    AudioFinished,
    AudioReceived,
    HeardItem,
    ResponseFinished,
    ResponseStarted,
    TokenUsage,
    TranscriptReceived,
)
from gateway.inworld.responses import ResponseRecord, Responses, TextSource
from gateway.inworld.session import TurnSettings
from gateway.inworld.tool_desk import ToolDesk
from gateway.inworld.transcripts import AgentText, CallerTranscripts, Words

RESPONSE_WAIT_S = 10.0
"""For the answer to a response.create."""
CANCEL_WAIT_S = 5.0
"""For the end of an interrupted response."""
HELD_WAIT_S = 10.0
"""For the caller's utterance to end, and ``HELD_AFTER_SPEECH_S`` from then on for the service's own answer."""
HELD_AFTER_SPEECH_S = 3.0


class Conversation:
    """Everything between session.updated and the close that is not the session itself."""

    def __init__(self, outlet: Outlet) -> None:
        self.turns = TurnSettings(server_interrupts=True, server_responds=True)
        self.output_bytes_per_ms = 8.0
        self.arbiter = ResponseArbiter()
        self._outlet = outlet
        self._responses = Responses()
        self._tools = ToolDesk(outlet, self._responses)
        self._caller = CallerTranscripts()

    # --- what the call asks for -----------------------------------------------------------------------------------

    def request_response(self, request: ResponseRequest, now: float) -> None:
        """A response as soon as one may be asked for."""
        self.arbiter.request(request)
        self.advance(now)

    def answer_tool(self, call_id: str, output: str, now: float, *, wants_response: bool) -> bool:
        """Answers a call, and asks for the response to it, if one is wanted, once all calls are answered."""
        if not self._tools.answer(call_id, output):
            return False
        if wants_response:
            self.request_response(ResponseRequest(), now)
        else:
            self.advance(now)
        return True

    def interrupt(self, heard: Sequence[HeardItem], now: float, *, is_client_initiated: bool) -> None:
        """Fences what is being said, cuts it in the history where the caller stopped hearing it, frees the tools."""
        active = self._responses.active
        if active is not None:
            self._fence(active, now)
        if is_client_initiated or not self.turns.server_interrupts:
            self._stop_service(active, has_more=bool(heard))
        for item in heard:
            self._truncate(item)
        self._abandon_waiting(now, is_client_initiated=is_client_initiated)

    def speech_stopped(self, now: float) -> None:
        """The caller finished: the service's own answer is due soon."""
        if self.arbiter.is_held:
            self._outlet.deadlines.set(Timer.HELD_REQUEST, now + HELD_AFTER_SPEECH_S)

    def advance(self, now: float) -> None:
        """Sends the next response.create if nothing stands against it."""
        if not self._outlet.is_open or self._responses.active is not None or self._tools.has_open:
            return
        request = self.arbiter.take_next()
        if request is None:
            return
        overrides = None if request.instructions is None else {"instructions": request.instructions}
        self._outlet.send(ResponseCreate(event_id=self._outlet.event_id("say"), response=overrides))
        self._outlet.deadlines.set(Timer.RESPONSE_CREATED, now + RESPONSE_WAIT_S)

    def _fence(self, record: ResponseRecord, now: float) -> None:
        if not record.is_fenced:
            self._responses.fence(record)
            self._outlet.deadlines.set(Timer.RESPONSE_CANCELLED, now + CANCEL_WAIT_S)

    def _stop_service(self, active: ResponseRecord | None, *, has_more: bool) -> None:
        """Cancel first: clearing the output buffer is not known to stop generation."""
        if active is not None and not self.arbiter.is_cancelling:
            self._cancel(active)
        elif active is None:
            self.arbiter.doom()
        if active is not None or has_more:
            self._outlet.send(OutputAudioBufferClear())

    def _cancel(self, record: ResponseRecord) -> None:
        self.arbiter.is_cancelling = True
        self._outlet.send(ResponseCancel(event_id=self._outlet.event_id("stop"), response_id=record.id))

    def _truncate(self, heard: HeardItem) -> None:
        """Only assistant audio that we know of, that was not heard to its end, and only once."""
        record = self._responses.get(heard.response_id)
        if record is None or not heard.item_id or heard.item_id in record.truncated_items:
            return
        produced_bytes = record.produced_bytes.get(heard.item_id)
        if produced_bytes is None:
            return
        produced_ms = min(heard.produced_ms, produced_bytes / self.output_bytes_per_ms)
        if heard.sent_ms >= produced_ms and (record.is_finished or heard.item_id in record.finished_items):
            return
        record.truncated_items.add(heard.item_id)
        self._outlet.send(
            ConversationItemTruncate(
                event_id=self._outlet.event_id(TRUNCATE_PREFIX),
                item_id=heard.item_id,
                content_index=0,
                audio_end_ms=max(0, math.floor(min(heard.sent_ms, produced_ms))),
            )
        )

    def _abandon_waiting(self, now: float, *, is_client_initiated: bool) -> None:
        """Running tools are answered, or the caller's next turn would meet an open call.

        Requests that waited are stale. Where the service answers the caller by itself, one request is kept back in
        case it does not: a cough must not leave the agent silent about a tool's result.
        """
        had_running = self._tools.abandon_running()
        was_wanted = self.arbiter.withdraw() or had_running
        if was_wanted and not is_client_initiated and self.turns.server_responds:
            self.arbiter.is_held = True
            self.arbiter.request(ResponseRequest())
            self._outlet.deadlines.set(Timer.HELD_REQUEST, now + HELD_WAIT_S)

    # --- responses ------------------------------------------------------------------------------------------------

    def on_response_created(self, event: wire.ResponseCreated, now: float) -> None:
        """The one sure beginning of a response."""
        response_id = event.response.id if event.response is not None else None
        if response_id:
            self._start(response_id, now)

    def on_response_done(self, event: wire.ResponseDone, now: float) -> None:
        """The one end of a response. Its tools run now, if it completed and was not interrupted."""
        response = event.response or Response()
        record = self._ending(event, response, now)
        if record is None:
            return
        for left_behind in self._responses.left_behind(record):
            self._finish(left_behind, "cancelled", "superseded", None)
        status = response.status or ("cancelled" if isinstance(event, wire.ResponseCancelled) else "")
        for item in response.output or ():
            self._tools.note_item(record.id, item)
            self._say_unstreamed(record, item)
        self._finish(record, status, _reason(response.status_details), _usage(response.usage or event.usage))
        self.advance(now)

    def on_create_refused(self, now: float, *, is_ours: bool) -> None:
        """The service has a response going, known to us or not: ask again after its end, or after a while."""
        self.arbiter.refused_while_active(is_ours=is_ours)
        self._outlet.deadlines.set(Timer.RESPONSE_CREATED, now + RESPONSE_WAIT_S)

    def on_create_failed(self, now: float) -> None:
        """The response.create in flight was refused for good."""
        self._outlet.deadlines.clear(Timer.RESPONSE_CREATED)
        self.arbiter.give_up()
        self.advance(now)

    def on_cancel_refused(self, now: float) -> None:
        """There was nothing to cancel: what we interrupted is over."""
        self.give_up_active(now)

    def on_create_overdue(self, now: float) -> bool:
        """No answer to response.create, or no end of what blocked it. True when one was lost."""
        was_lost = self.arbiter.is_create_in_flight
        self.arbiter.give_up()
        self.arbiter.is_blocked = False
        self.advance(now)
        return was_lost

    def on_hold_over(self, now: float) -> None:
        """The service did not answer the caller by itself."""
        self.arbiter.is_held = False
        self.advance(now)

    def give_up_active(self, now: float) -> None:
        """An interrupted response was never reported as over."""
        active = self._responses.active
        if active is not None and active.is_fenced:
            self._finish(active, "cancelled", "unconfirmed", None)
        self.arbiter.is_cancelling = False
        self.advance(now)

    def _ending(self, event: wire.ResponseDone, response: Response, now: float) -> ResponseRecord | None:
        response_id = response.id or (event.response_id if isinstance(event, wire.ResponseCancelled) else None)
        if not response_id:
            return self._responses.active
        record = self._responses.get(response_id) or self._start(response_id, now)
        return None if record is None or record.is_finished else record

    def _start(self, response_id: str, now: float) -> ResponseRecord | None:
        record = self._responses.start(response_id)
        if record is None:
            return None
        self._outlet.deadlines.clear(Timer.RESPONSE_CREATED)
        self._outlet.deadlines.clear(Timer.HELD_REQUEST)
        if self.arbiter.started():
            self._fence(record, now)
            self._cancel(record)
        else:
            self._outlet.emit(ResponseStarted(response_id))
        return record

    def _finish(self, record: ResponseRecord, status: str, reason: str, usage: TokenUsage | None) -> None:
        if not record.is_fenced:
            self._finish_audio(record, record.unfinished_items())
        self._responses.finish(record)
        self.arbiter.finished()
        self._outlet.deadlines.clear(Timer.RESPONSE_CANCELLED)
        self._outlet.emit(ResponseFinished(record.id, status, reason, usage))
        self._tools.settle(record, status)

    def _speaking(self, response_id: str | None) -> ResponseRecord | None:
        """The response an event belongs to; None when its events do not count. Without an id it is the active one."""
        return self._responses.speaking.get(response_id or self._active_id())

    def _speaking_or_new(self, response_id: str | None, now: float) -> ResponseRecord | None:
        """The same; a response we never heard of begins with this very event, as some services announce none."""
        record = self._speaking(response_id)
        if record is not None or not response_id or self._responses.get(response_id) is not None:
            return record
        record = self._start(response_id, now)
        return None if record is None or record.is_fenced else record

    # --- the agent's voice and words ------------------------------------------------------------------------------

    def on_audio(self, event: wire.ResponseOutputAudioDelta, now: float) -> None:
        """The hot path: fifty times a second for every agent that speaks."""
        record = self._responses.speaking.get(event.response_id or "") or self._speaking_or_new(event.response_id, now)
        if record is None:
            self._outlet.stats.deltas_fenced += 1
            return
        audio = decode_audio(event.delta or event.data or "")
        if not audio:
            self._outlet.stats.deltas_undecodable += audio is None
            return
        item_id = event.item_id or ""
        record.produced_bytes[item_id] = record.produced_bytes.get(item_id, 0) + len(audio)
        self._outlet.events.append(AudioReceived(record.id, item_id, audio))

    def on_audio_done(self, event: wire.ResponseOutputAudioDone, now: float) -> None:
        """No more audio for one item, or for all of them where it names none."""
        record = self._speaking(event.response_id)
        if record is not None:
            unfinished = record.unfinished_items()
            named = [event.item_id] if event.item_id in unfinished else []
            self._finish_audio(record, named if event.item_id else unfinished)

    def on_transcript_delta(self, event: wire.ResponseOutputAudioTranscriptDelta, now: float) -> None:
        """Words of the audio."""
        self._add_words(
            self._speaking_or_new(event.response_id, now), event.item_id, TextSource.TRANSCRIPT, event.delta
        )

    def on_text_delta(self, event: wire.ResponseOutputTextDelta, now: float) -> None:
        """Words of the text modality: the same ones, where both are on."""
        self._add_words(self._speaking_or_new(event.response_id, now), event.item_id, TextSource.TEXT, event.delta)

    def on_transcript_done(self, event: wire.ResponseOutputAudioTranscriptDone, now: float) -> None:
        """A sentence, or the item, in full."""
        self._finish_words(self._speaking(event.response_id), event.item_id, TextSource.TRANSCRIPT, event.transcript)

    def on_text_done(self, event: wire.ResponseOutputTextDone, now: float) -> None:
        """A sentence, or the item, in full."""
        self._finish_words(self._speaking(event.response_id), event.item_id, TextSource.TEXT, event.text)

    def _finish_audio(self, record: ResponseRecord, item_ids: Iterable[str | None]) -> None:
        for item_id in item_ids:
            record.finished_items.add(item_id or "")
            self._outlet.emit(AudioFinished(record.id, item_id or ""))

    def _add_words(
        self, record: ResponseRecord | None, item_id: str | None, source: TextSource, delta: str | None
    ) -> None:
        if record is not None and record.takes_text_from(source):
            self._tell_words(record, item_id, _text_of(record, item_id).add_delta(delta or ""))

    def _finish_words(
        self, record: ResponseRecord | None, item_id: str | None, source: TextSource, text: str | None
    ) -> None:
        if record is not None and record.takes_text_from(source):
            self._tell_words(record, item_id, _text_of(record, item_id).finish(text))

    def _say_unstreamed(self, record: ResponseRecord, item: ConversationItem) -> None:
        """Words that came in no stream are taken from the finished response."""
        if record.is_fenced or record.text_source is not None or item.role != "assistant":
            return
        text = " ".join(part.transcript or part.text or "" for part in item.content or ()).strip()
        if text:
            self._tell_words(record, item.id, Words(text, is_final=True))

    def _tell_words(self, record: ResponseRecord, item_id: str | None, words: Words | None) -> None:
        if words is not None and words.text:
            self._outlet.emit(TranscriptReceived("assistant", item_id or "", words.text, words.is_final, record.id))

    # --- the caller's words ---------------------------------------------------------------------------------------

    def on_caller_delta(self, event: wire.InputAudioTranscriptionDelta, now: float) -> None:
        """A partial text."""
        self._tell_caller(event.item_id, self._caller.add_delta(event.item_id or "", event.delta or ""))

    def on_caller_snapshot(self, event: wire.InputAudioTranscriptionUpdated, now: float) -> None:
        """A partial text that replaces the former."""
        self._tell_caller(event.item_id, self._caller.replace(event.item_id or "", event.transcript or ""))

    def on_caller_completed(self, event: wire.InputAudioTranscriptionCompleted, now: float) -> None:
        """The final text, possibly empty, possibly again."""
        self._tell_caller(event.item_id, self._caller.complete(event.item_id or "", event.transcript or ""))

    def _tell_caller(self, item_id: str | None, words: Words | None) -> None:
        if words is not None:
            self._outlet.emit(TranscriptReceived("user", item_id or "", words.text, words.is_final))

    # --- tools ----------------------------------------------------------------------------------------------------

    def on_output_item(self, event: wire.ResponseOutputItemAdded | wire.ResponseOutputItemDone, now: float) -> None:
        """An item of a response: it may be a function call, with name and call_id."""
        self._tools.note_item(self._response_id(event.response_id, now), event.item)
        self.advance(now)

    def on_item(self, event: wire.ConversationItemAdded | wire.ConversationItemDone, now: float) -> None:
        """An item of the conversation: another place where a function call may show up first."""
        self._tools.note_item(self._active_id(), event.item)

    def on_arguments_delta(self, event: wire.ResponseFunctionCallArgumentsDelta, now: float) -> None:
        """A piece of the arguments."""
        self._tools.add_piece(
            self._response_id(event.response_id, now), event.item_id, event.call_id, event.delta or ""
        )

    def on_arguments_done(self, event: wire.ResponseFunctionCallArgumentsDone, now: float) -> None:
        """The arguments in full, mostly without the name."""
        response_id = self._response_id(event.response_id, now)
        self._tools.note(response_id, event.item_id, event.call_id, event.name, event.arguments)
        self.advance(now)

    def _response_id(self, response_id: str | None, now: float) -> str:
        if response_id and self._responses.get(response_id) is None:
            self._start(response_id, now)
        return response_id or self._active_id()

    def _active_id(self) -> str:
        return self._responses.active.id if self._responses.active is not None else ""


def _text_of(record: ResponseRecord, item_id: str | None) -> AgentText:
    return record.texts.setdefault(item_id or "", AgentText())


def _reason(details: StatusDetails | None) -> str:
    if details is None:
        return ""
    error = details.error
    return details.reason or (error and (error.code or error.type or error.message)) or ""


def _usage(usage: Usage | None) -> TokenUsage | None:
    if usage is None:
        return None
    return TokenUsage(usage.input_tokens or 0, usage.output_tokens or 0, usage.total_tokens or 0)
