"""The events the service sends, by their wire names, and the beta names it may still use for some of them.

A beta name is a subclass with another tag: ``isinstance`` treats both alike. The file is long because it is one
declaration for each event and nothing else.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.inworld.items import (
    ContentPart,
    Conversation,
    ConversationItem,
    ErrorDetail,
    Event,
    RateLimit,
    Response,
    Usage,
)

# --- session and service -------------------------------------------------------------------------------------------


class SessionCreated(Event, frozen=True, kw_only=True, tag="session.created"):
    """The server speaks first: its default session."""

    session: dict[str, Any] | None = None


class SessionUpdated(Event, frozen=True, kw_only=True, tag="session.updated"):
    """The effective session, after each accepted update; unsolicited when the rolling memory changed."""

    session: dict[str, Any] | None = None


class ConversationCreated(Event, frozen=True, kw_only=True, tag="conversation.created"):
    """Optional; nothing depends on it."""

    conversation: Conversation | None = None


class ErrorReported(Event, frozen=True, kw_only=True, tag="error"):
    """Something failed; mostly not the session. Some builds put ``message`` beside ``error`` or ``error`` as text."""

    error: ErrorDetail | str | None = None
    message: str | None = None


class Ping(Event, frozen=True, kw_only=True, tag="ping"):
    """The server's own keep-alive, in milliseconds of its clock; no answer is defined."""

    timestamp: int | float | None = None


class RateLimitsUpdated(Event, frozen=True, kw_only=True, tag="rate_limits.updated"):
    """Budgets left, where the server tells."""

    rate_limits: list[RateLimit] | None = None


# --- input audio ---------------------------------------------------------------------------------------------------


class InputAudioBufferSpeechStarted(Event, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    """The caller began to speak: the barge-in signal."""

    item_id: str | None = None
    audio_start_ms: int | None = None


class InputAudioBufferSpeechStopped(Event, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    """The caller finished a turn."""

    item_id: str | None = None
    audio_end_ms: int | None = None


class InputAudioBufferCommitted(Event, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    """The buffered audio became a user item."""

    item_id: str | None = None
    previous_item_id: str | None = ""


class InputAudioBufferCleared(Event, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    """The answer to input_audio_buffer.clear."""


class InputAudioBufferTimeoutTriggered(Event, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"):
    """``idle_timeout_ms`` passed without speech (server_vad); a response follows."""

    item_id: str | None = None
    audio_start_ms: int | None = None
    audio_end_ms: int | None = None


class InputAudioBufferTurnSuggestion(Event, frozen=True, kw_only=True, tag="input_audio_buffer.turn_suggestion"):
    """A guess that the utterance may be complete; advisory."""

    item_id: str | None = None
    utterance_index: int | None = None
    probability: float | None = None
    trailing_silence_ms: float | None = None
    audio_duration_ms: float | None = None
    inference_ms: float | None = None


class InputAudioBufferTurnSuggestionRevoked(
    Event, frozen=True, kw_only=True, tag="input_audio_buffer.turn_suggestion_revoked"
):
    """The guess was withdrawn."""

    item_id: str | None = None
    utterance_index: int | None = None


# --- conversation items and transcription --------------------------------------------------------------------------


class ConversationItemAdded(Event, frozen=True, kw_only=True, tag="conversation.item.added"):
    """An item entered the conversation. A null previous_item_id on a function call means: at the tail."""

    item: ConversationItem | None = None
    previous_item_id: str | None = ""


class ConversationItemCreated(ConversationItemAdded, frozen=True, kw_only=True, tag="conversation.item.created"):
    """Beta name of conversation.item.added."""


class ConversationItemDone(Event, frozen=True, kw_only=True, tag="conversation.item.done"):
    """An item with its final content."""

    item: ConversationItem | None = None
    previous_item_id: str | None = ""


class ConversationItemDeleted(Event, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    """The answer to conversation.item.delete."""

    item_id: str | None = None


class ConversationItemRetrieved(Event, frozen=True, kw_only=True, tag="conversation.item.retrieved"):
    """The answer to conversation.item.retrieve."""

    item: ConversationItem | None = None


class ConversationItemTruncated(Event, frozen=True, kw_only=True, tag="conversation.item.truncated"):
    """The answer to conversation.item.truncate."""

    item_id: str | None = None
    content_index: int | None = None
    audio_end_ms: int | None = None


class InputAudioTranscriptionDelta(
    Event, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"
):
    """What the caller seems to be saying. Named a delta, but usually the whole partial text so far."""

    item_id: str | None = None
    content_index: int | None = None
    delta: str | None = None


class InputAudioTranscriptionUpdated(
    Event, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.updated"
):
    """A snapshot that replaces the partial text."""

    item_id: str | None = None
    transcript: str | None = None


class InputAudioTranscriptionCompleted(
    Event, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"
):
    """What the caller said; may repeat for one item with growing text, and may be empty."""

    item_id: str | None = None
    content_index: int | None = None
    transcript: str | None = None
    provider_data: dict[str, Any] | None = msgspec.field(default=None, name="providerData")


class InputAudioTranscriptionFailed(
    Event, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"
):
    """An utterance could not be transcribed; the session goes on."""

    item_id: str | None = None
    content_index: int | None = None
    error: ErrorDetail | None = None


# --- response lifecycle --------------------------------------------------------------------------------------------


class ResponseCreated(Event, frozen=True, kw_only=True, tag="response.created"):
    """The model begins to answer."""

    response: Response | None = None


class ResponseDone(Event, frozen=True, kw_only=True, tag="response.done"):
    """The one end of a response, whatever its status. ``usage`` may stand here instead of in the response."""

    response: Response | None = None
    usage: Usage | None = None


class ResponseCancelled(ResponseDone, frozen=True, kw_only=True, tag="response.cancelled"):
    """Seen by one client instead of a response.done; its response may lack a status, or be missing."""

    response_id: str | None = None


class ResponseOutputItemAdded(Event, frozen=True, kw_only=True, tag="response.output_item.added"):
    """An output item began. A function call carries its name and call_id here."""

    response_id: str | None = None
    output_index: int | None = None
    item: ConversationItem | None = None


class ResponseOutputItemDone(Event, frozen=True, kw_only=True, tag="response.output_item.done"):
    """An output item in full."""

    response_id: str | None = None
    output_index: int | None = None
    item: ConversationItem | None = None


class _PartEvent(Event, frozen=True, kw_only=True):
    response_id: str | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None


class ResponseContentPartAdded(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.added"):
    """A content part began."""

    part: ContentPart | None = None


class ResponseContentPartDone(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.done"):
    """A content part in full, with its transcript."""

    part: ContentPart | None = None


class ResponseOutputAudioDelta(_PartEvent, frozen=True, kw_only=True, gc=False, tag="response.output_audio.delta"):
    """A piece of the voice, base64 in the output format, of any length. Its payload is ``delta``, else ``data``."""

    delta: str | None = None
    data: str | None = None


class ResponseAudioDelta(ResponseOutputAudioDelta, frozen=True, kw_only=True, gc=False, tag="response.audio.delta"):
    """Beta name of response.output_audio.delta."""


class ResponseOutputAudioDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_audio.done"):
    """No more audio for this part."""


class ResponseAudioDone(ResponseOutputAudioDone, frozen=True, kw_only=True, tag="response.audio.done"):
    """Beta name of response.output_audio.done."""


class ResponseOutputAudioTranscriptDelta(
    _PartEvent, frozen=True, kw_only=True, gc=False, tag="response.output_audio_transcript.delta"
):
    """More of the words that are being spoken."""

    delta: str | None = None


class ResponseAudioTranscriptDelta(
    ResponseOutputAudioTranscriptDelta, frozen=True, kw_only=True, gc=False, tag="response.audio_transcript.delta"
):
    """Beta name of response.output_audio_transcript.delta."""


class ResponseOutputAudioTranscriptDone(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"
):
    """Words in full; may come once for each sentence, so it ends nothing."""

    transcript: str | None = None


class ResponseAudioTranscriptDone(
    ResponseOutputAudioTranscriptDone, frozen=True, kw_only=True, tag="response.audio_transcript.done"
):
    """Beta name of response.output_audio_transcript.done."""


class ResponseOutputTextDelta(_PartEvent, frozen=True, kw_only=True, gc=False, tag="response.output_text.delta"):
    """More text. With both modalities it repeats the spoken words."""

    delta: str | None = None


class ResponseTextDelta(ResponseOutputTextDelta, frozen=True, kw_only=True, gc=False, tag="response.text.delta"):
    """Beta name of response.output_text.delta."""


class ResponseOutputTextDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.done"):
    """Text in full."""

    text: str | None = None


class ResponseTextDone(ResponseOutputTextDone, frozen=True, kw_only=True, tag="response.text.done"):
    """Beta name of response.output_text.done."""


class ResponseFunctionCallArgumentsDelta(
    _PartEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """A piece of a function call's JSON arguments."""

    call_id: str | None = None
    delta: str | None = None


class ResponseFunctionCallArgumentsDone(
    _PartEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """A function call's arguments in full; ``name`` is often absent."""

    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class ResponseFunctionCallsArgumentsDelta(
    ResponseFunctionCallArgumentsDelta, frozen=True, kw_only=True, tag="response.function_calls_arguments.delta"
):
    """The plural spelling, told of but not seen."""


class ResponseFunctionCallsArgumentsDone(
    ResponseFunctionCallArgumentsDone, frozen=True, kw_only=True, tag="response.function_calls_arguments.done"
):
    """The plural spelling, told of but not seen."""


# --- output buffer and back-channel --------------------------------------------------------------------------------


class OutputAudioBufferStarted(Event, frozen=True, kw_only=True, tag="output_audio_buffer.started"):
    """A hint of server-side playback, meaningful over WebRTC only."""

    response_id: str | None = None


class OutputAudioBufferStopped(Event, frozen=True, kw_only=True, tag="output_audio_buffer.stopped"):
    """A hint of server-side playback, meaningful over WebRTC only."""

    response_id: str | None = None


class OutputAudioBufferCleared(Event, frozen=True, kw_only=True, tag="output_audio_buffer.cleared"):
    """The answer to output_audio_buffer.clear."""

    response_id: str | None = None


class ResponseBackchannelAudioDelta(Event, frozen=True, kw_only=True, gc=False, tag="response.backchannel.audio.delta"):
    """A short "mhm" while the caller speaks, outside any response."""

    backchannel_id: str | None = None
    delta: str | None = None


class ResponseBackchannelAudioDone(Event, frozen=True, kw_only=True, tag="response.backchannel.audio.done"):
    """The end of one back-channel phrase."""

    backchannel_id: str | None = None
    phrase: str | None = None


class ResponseBackchannelSkipped(Event, frozen=True, kw_only=True, tag="response.backchannel.skipped"):
    """A back-channel phrase that was not spoken, and why."""

    backchannel_id: str | None = None
    reason: str | None = None


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ErrorReported
    | Ping
    | RateLimitsUpdated
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferTimeoutTriggered
    | InputAudioBufferTurnSuggestion
    | InputAudioBufferTurnSuggestionRevoked
    | ConversationItemAdded
    | ConversationItemCreated
    | ConversationItemDone
    | ConversationItemDeleted
    | ConversationItemRetrieved
    | ConversationItemTruncated
    | InputAudioTranscriptionDelta
    | InputAudioTranscriptionUpdated
    | InputAudioTranscriptionCompleted
    | InputAudioTranscriptionFailed
    | ResponseCreated
    | ResponseDone
    | ResponseCancelled
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputAudioDelta
    | ResponseAudioDelta
    | ResponseOutputAudioDone
    | ResponseAudioDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseAudioTranscriptDone
    | ResponseOutputTextDelta
    | ResponseTextDelta
    | ResponseOutputTextDone
    | ResponseTextDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | ResponseFunctionCallsArgumentsDelta
    | ResponseFunctionCallsArgumentsDone
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
    | ResponseBackchannelAudioDelta
    | ResponseBackchannelAudioDone
    | ResponseBackchannelSkipped
)
