"""The eleven events a client may send."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.inworld.items import ConversationItem, Event


class SessionUpdate(Event, frozen=True, kw_only=True, tag="session.update"):
    """A partial merge of the session's settings, answered by session.updated, or by an error with nothing applied."""

    session: dict[str, Any] = msgspec.field(default_factory=dict)


class InputAudioBufferAppend(Event, frozen=True, kw_only=True, gc=False, tag="input_audio_buffer.append"):
    """Caller audio, base64 in the negotiated input format. The client's hot path builds it from bytes instead."""

    audio: str | None = None


class InputAudioBufferCommit(Event, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """Turns the buffered audio into a user item (manual turns only)."""


class InputAudioBufferClear(Event, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """Discards audio that is not committed yet."""


class OutputAudioBufferClear(Event, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    """Flushes everything the server still has to say, back-channel audio included."""


class ConversationItemCreate(Event, frozen=True, kw_only=True, tag="conversation.item.create"):
    """Adds a message, a function call or a function's output; previous_item_id absent means: append."""

    previous_item_id: str | None = ""
    item: ConversationItem | None = None


class ConversationItemTruncate(Event, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """Cuts an assistant's audio item and its transcript at ``audio_end_ms`` of audio time."""

    item_id: str | None = None
    content_index: int | None = None
    audio_end_ms: int | None = None


class ConversationItemDelete(Event, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """Removes an item from the model's context."""

    item_id: str | None = None


class ConversationItemRetrieve(Event, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    """Asks for an item in full."""

    item_id: str | None = None


class ResponseCreate(Event, frozen=True, kw_only=True, tag="response.create"):
    """Starts a response now; ``response`` overrides session settings for this response only."""

    response: dict[str, Any] | None = None


class ResponseCancel(Event, frozen=True, kw_only=True, tag="response.cancel"):
    """Stops the named response, or the current one."""

    response_id: str | None = None


ClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemTruncate
    | ConversationItemDelete
    | ConversationItemRetrieve
    | ResponseCreate
    | ResponseCancel
)
