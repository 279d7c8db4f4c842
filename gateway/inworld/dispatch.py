"""Which server event goes to which handler of the conversation, beta names beside their GA names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.inworld import server_events as wire
from gateway.inworld.conversation import Conversation

CONVERSATION_HANDLERS: dict[type, Callable[[Conversation, Any, float], None]] = {
    wire.ResponseOutputAudioDelta: Conversation.on_audio,
    wire.ResponseAudioDelta: Conversation.on_audio,
    wire.ResponseOutputAudioDone: Conversation.on_audio_done,
    wire.ResponseAudioDone: Conversation.on_audio_done,
    wire.ResponseOutputAudioTranscriptDelta: Conversation.on_transcript_delta,
    wire.ResponseAudioTranscriptDelta: Conversation.on_transcript_delta,
    wire.ResponseOutputAudioTranscriptDone: Conversation.on_transcript_done,
    wire.ResponseAudioTranscriptDone: Conversation.on_transcript_done,
    wire.ResponseOutputTextDelta: Conversation.on_text_delta,
    wire.ResponseTextDelta: Conversation.on_text_delta,
    wire.ResponseOutputTextDone: Conversation.on_text_done,
    wire.ResponseTextDone: Conversation.on_text_done,
    wire.ResponseCreated: Conversation.on_response_created,
    wire.ResponseDone: Conversation.on_response_done,
    wire.ResponseCancelled: Conversation.on_response_done,
    wire.ResponseOutputItemAdded: Conversation.on_output_item,
    wire.ResponseOutputItemDone: Conversation.on_output_item,
    wire.ConversationItemAdded: Conversation.on_item,
    wire.ConversationItemCreated: Conversation.on_item,
    wire.ConversationItemDone: Conversation.on_item,
    wire.ResponseFunctionCallArgumentsDelta: Conversation.on_arguments_delta,
    wire.ResponseFunctionCallsArgumentsDelta: Conversation.on_arguments_delta,
    wire.ResponseFunctionCallArgumentsDone: Conversation.on_arguments_done,
    wire.ResponseFunctionCallsArgumentsDone: Conversation.on_arguments_done,
    wire.InputAudioTranscriptionDelta: Conversation.on_caller_delta,
    wire.InputAudioTranscriptionUpdated: Conversation.on_caller_snapshot,
    wire.InputAudioTranscriptionCompleted: Conversation.on_caller_completed,
}
