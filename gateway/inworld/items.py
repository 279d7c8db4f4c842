"""What the Realtime events are made of: conversation items, their content parts, responses and usage.

Every field has a default, because the service omits fields freely. Nothing equal to its default is put on the wire.
Two kinds of optional text keep "absent", "null" and "empty" apart where that matters:

* ``str | None = None``: absent unless set; ``""`` is sent as ``""`` (a transcript may be empty).
* ``str | None = ""``: absent unless set; ``None`` is sent as ``null`` (an error's ``code`` is ``null``).
"""

from __future__ import annotations

from typing import Any

import msgspec


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A JSON object of the Realtime API; unknown keys are ignored."""


class Event(Wire, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """One JSON text frame, in either direction. ``event_id`` is the sender's own."""

    event_id: str | None = None


class ContentPart(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a message item.

    ``type`` is input_text or input_audio for users, and any of text, output_text, audio, output_audio for the
    assistant: the service's guide and the GA schema disagree, so all of them are accepted.
    """

    type: str | None = None
    text: str | None = None
    transcript: str | None = None
    audio: str | None = None


class ConversationItem(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """A message, a function call or a function call's output. ``object`` is set by the server only."""

    id: str | None = None
    object: str | None = None
    type: str | None = None
    status: str | None = None
    role: str | None = None
    content: list[ContentPart] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None


class ErrorDetail(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong; ``event_id`` is the client event that caused it, where one did."""

    type: str | None = None
    code: str | None = ""
    message: str | None = None
    param: str | None = ""
    event_id: str | None = ""


class StatusDetails(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """Why a response did not complete: ``reason`` for cancelled and incomplete, ``error`` (or a reason) for failed."""

    type: str | None = None
    reason: str | None = None
    error: ErrorDetail | None = None


class Usage(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of the language model. Speech seconds and characters are billed as well but never reported."""

    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: dict[str, Any] | None = None
    output_token_details: dict[str, Any] | None = None


class Response(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """The state of one response: in_progress, completed, cancelled, failed or incomplete."""

    id: str | None = None
    object: str | None = None
    status: str | None = None
    status_details: StatusDetails | None = None
    output: list[ConversationItem] | None = None
    usage: Usage | None = None


class RateLimit(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """One budget of the account as the server sees it."""

    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None


class Conversation(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """The conversation a session writes to."""

    id: str | None = None
    object: str | None = None
