"""Which of the service's errors end a session, which are races to be expected, and which are merely reported."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gateway.inworld.items import ErrorDetail
from gateway.inworld.server_events import ErrorReported


class ErrorKind(enum.Enum):
    """What an error means to the protocol, before the first session.updated is taken into account."""

    RESPONSE_ACTIVE = enum.auto()
    """response.create came while a response was active: ask again after it."""
    NOTHING_TO_CANCEL = enum.auto()
    """response.cancel crossed the response's end."""
    HARMLESS = enum.auto()
    """An empty commit, or an item we cut or deleted that the service sees otherwise."""
    FATAL = enum.auto()
    """Credentials, billing, the account: nothing will get better on this socket."""
    OTHER = enum.auto()


@dataclass(frozen=True, slots=True)
class ReportedError:
    """An error event in one shape, whichever shape it came in."""

    type: str
    code: str
    message: str
    param: str
    event_id: str


_FATAL_CODES = {
    "invalid_api_key",
    "authentication_error",
    "insufficient_quota",
    "billing_hard_limit_reached",
    "account_disabled",
}
_FATAL_WORDS = (
    "authorization credential",
    "invalid authorization",
    "authentication",
    "unauthorized",
    "invalid api key",
    "invalid token",
    "token expired",
    "billing",
    "account disabled",
    "account is disabled",
)
_HARMLESS_CODES = {"input_audio_buffer_commit_empty", "item_not_found", "item_truncate_invalid_item_id"}
TRUNCATE_PREFIX = "cut"
"""Event ids of our conversation.item.truncate begin so: an error that names one concerns nobody."""


def read_error(event: ErrorReported) -> ReportedError:
    """Finds the error in the event; the mobile apps' top-level ``message`` and a bare text are read as well."""
    detail = event.error if isinstance(event.error, ErrorDetail) else ErrorDetail()
    bare = event.error if isinstance(event.error, str) else None
    return ReportedError(
        type=detail.type or "",
        code=detail.code or "",
        message=detail.message or bare or event.message or "",
        param=detail.param or "",
        event_id=detail.event_id or "",
    )


def classify(error: ReportedError) -> ErrorKind:
    """Code first, wording where there is no code."""
    message = error.message.lower()
    if error.code == "response_cancel_not_active" or "no active response" in message:
        return ErrorKind.NOTHING_TO_CANCEL
    if error.code == "conversation_already_has_active_response" or "active response" in message:
        return ErrorKind.RESPONSE_ACTIVE
    if _is_harmless(error):
        return ErrorKind.HARMLESS
    if _FATAL_CODES & {error.code, error.type} or any(words in message for words in _FATAL_WORDS):
        return ErrorKind.FATAL
    return ErrorKind.OTHER


def _is_harmless(error: ReportedError) -> bool:
    return (
        error.code in _HARMLESS_CODES
        or error.param.endswith("audio_end_ms")
        or error.event_id.startswith(f"{TRUNCATE_PREFIX}-")
    )
