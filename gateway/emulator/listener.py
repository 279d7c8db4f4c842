"""The caller's side of a conversation: turn detection, committing turns to items, and their transcripts."""

from __future__ import annotations

import gateway.inworld.server_events as wire
from gateway.emulator.caller_audio import CallerAudio
from gateway.emulator.director import Director
from gateway.emulator.inspection import HeardTurn
from gateway.emulator.items import Content, Item, Items
from gateway.emulator.outbox import Outbox
from gateway.emulator.responder import Responder
from gateway.emulator.session_settings import SessionSettings
from gateway.emulator.speech import CallerTurn
from gateway.emulator.turn_detector import SpeechStarted, SpeechStopped

WORD_MS = 280
"""A partial transcript gains a word this often."""


class Listener:
    """Feeds the turn detector and answers with input_audio_buffer and transcription events."""

    def __init__(
        self,
        settings: SessionSettings,
        items: Items,
        director: Director,
        responder: Responder,
        outbox: Outbox,
    ) -> None:
        self._settings = settings
        self._items = items
        self._director = director
        self._responder = responder
        self._outbox = outbox
        self._audio = CallerAudio(settings.input_format, settings.sensitivity)
        self._detects = settings.detects_turns
        self._turn: HeardTurn | None = None
        self._words_shown = 0

    def apply_settings(self) -> None:
        """The session's settings have changed."""
        if self._settings.input_format != self._audio.format:
            position_ms = self._audio.position_ms
            self._audio = CallerAudio(self._settings.input_format, self._settings.sensitivity, position_ms=position_ms)
            self._turn = None
        if self._detects != self._settings.detects_turns:
            self._detects = self._settings.detects_turns
            self._audio.end_turn()
            self._turn = None
        self._audio.set_sensitivity(self._settings.sensitivity)

    def append(self, audio: bytes) -> None:
        """input_audio_buffer.append."""
        self._outbox.record.note_caller_audio(self._audio.format, audio)
        for found in self._audio.append(audio, detect=self._detects):
            if isinstance(found, SpeechStarted):
                self._begin_turn(found)
            else:
                self._end_turn(found)
        if self._turn is not None:
            self._show_words(self._turn)

    def commit(self, event_id: str | None) -> None:
        """input_audio_buffer.commit: the buffer becomes a user item, and no response starts by itself."""
        if not self._audio.buffered_ms:
            self._outbox.send_error(
                "the input audio buffer is empty", code="input_audio_buffer_commit_empty", event_id=event_id
            )
            return
        start_ms = round(self._audio.position_ms - self._audio.buffered_ms)
        turn = self._turn or self._new_turn(start_ms)
        turn.audio_end_ms = round(self._audio.position_ms)
        turn.speech_ms = turn.audio_end_ms - turn.audio_start_ms
        self._turn = None
        self._commit(turn, self._audio.take_all())

    def clear(self) -> None:
        """input_audio_buffer.clear: uncommitted audio and an open turn are gone."""
        self._audio.take_all()
        self._turn = None
        self._outbox.send(wire.InputAudioBufferCleared)

    def _begin_turn(self, started: SpeechStarted) -> None:
        self._turn = self._new_turn(started.audio_start_ms)
        self._outbox.send(
            wire.InputAudioBufferSpeechStarted,
            item_id=self._turn.item_id,
            audio_start_ms=started.audio_start_ms,
        )
        if self._settings.interrupts_responses:
            self._responder.interrupt()

    def _end_turn(self, stopped: SpeechStopped) -> None:
        audio = self._audio.take_turn(stopped)
        turn, self._turn = self._turn, None
        if turn is None:
            return
        turn.audio_end_ms = stopped.audio_end_ms
        turn.speech_ms = stopped.speech_end_ms - stopped.audio_start_ms
        self._outbox.send(wire.InputAudioBufferSpeechStopped, item_id=turn.item_id, audio_end_ms=stopped.audio_end_ms)
        self._commit(turn, audio)
        if self._settings.creates_responses:
            self._responder.answer_turn()

    def _new_turn(self, audio_start_ms: int) -> HeardTurn:
        turn = HeardTurn(self._outbox.new_id("item"), audio_start_ms, self._outbox.now)
        self._words_shown = 0
        self._outbox.record.note_turn(turn)
        return turn

    def _show_words(self, turn: HeardTurn) -> None:
        """Partial transcripts while the caller speaks; each delta is the whole text so far, as the service sends it."""
        words = (self._director.next_transcript() or "").split()
        count = min(int(self._audio.speech_ms / WORD_MS), len(words) - 1)
        if count > self._words_shown and self._settings.transcribes:
            self._words_shown = count
            self._outbox.send(
                wire.InputAudioTranscriptionDelta, item_id=turn.item_id, content_index=0, delta=" ".join(words[:count])
            )

    def _commit(self, turn: HeardTurn, audio: bytes) -> None:
        turn.stopped_at = self._outbox.now
        scripted = self._director.next_transcript()
        turn.transcript = f"({turn.speech_ms} ms of speech)" if scripted is None else scripted
        part: Content = {"type": "input_audio", "transcript": None}
        item = Item(turn.item_id, "message", role="user", content=[part])
        previous = self._items.add(item)
        self._outbox.send(wire.InputAudioBufferCommitted, item_id=item.id, previous_item_id=previous)
        self._outbox.send(wire.ConversationItemAdded, item=item.as_wire(), previous_item_id=previous)
        if self._settings.transcribes:
            part["transcript"] = turn.transcript
            self._outbox.send(
                wire.InputAudioTranscriptionCompleted, item_id=item.id, content_index=0, transcript=turn.transcript
            )
        self._outbox.send(wire.ConversationItemDone, item=item.as_wire(), previous_item_id=previous)
        self._director.hear_turn(CallerTurn(audio, self._audio.format, turn.transcript))
