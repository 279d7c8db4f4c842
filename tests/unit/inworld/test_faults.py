"""Errors, by code and by wording."""

from __future__ import annotations

import pytest

from gateway.inworld.faults import ErrorKind, ReportedError, classify, read_error
from gateway.inworld.items import ErrorDetail
from gateway.inworld.server_events import ErrorReported


def error(**fields: str) -> ReportedError:
    return ReportedError(**{"type": "", "code": "", "message": "", "param": "", "event_id": "", **fields})


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"code": "response_cancel_not_active"}, ErrorKind.NOTHING_TO_CANCEL),
        ({"message": "Cancellation failed: no active response found"}, ErrorKind.NOTHING_TO_CANCEL),
        ({"code": "conversation_already_has_active_response"}, ErrorKind.RESPONSE_ACTIVE),
        ({"message": "Conversation already has an active response"}, ErrorKind.RESPONSE_ACTIVE),
        ({"code": "input_audio_buffer_commit_empty"}, ErrorKind.HARMLESS),
        ({"param": "audio_end_ms", "code": "invalid_value"}, ErrorKind.HARMLESS),
        ({"event_id": "cut-7", "message": "item does not exist"}, ErrorKind.HARMLESS),
        ({"code": "item_not_found"}, ErrorKind.HARMLESS),
        ({"message": "Invalid authorization credentials"}, ErrorKind.FATAL),
        ({"type": "authentication_error", "message": "nope"}, ErrorKind.FATAL),
        ({"message": "Billing is not set up for this account"}, ErrorKind.FATAL),
        ({"code": "insufficient_quota"}, ErrorKind.FATAL),
        ({"type": "server_error", "message": "failed to read the content stream"}, ErrorKind.OTHER),
        ({"message": "tool calling is restricted on your plan"}, ErrorKind.OTHER),
        ({"code": "invalid_value", "param": "session.model"}, ErrorKind.OTHER),
        ({}, ErrorKind.OTHER),
    ],
)
def test_what_an_error_means(fields: dict[str, str], kind: ErrorKind) -> None:
    assert classify(error(**fields)) is kind


def test_an_error_is_read_in_each_of_its_shapes() -> None:
    assert read_error(ErrorReported(error="text")).message == "text"
    assert read_error(ErrorReported(message="top")).message == "top"
    assert read_error(ErrorReported()).message == ""
    detail = ErrorDetail(type="t", code=None, message="m", param=None, event_id="e")
    assert read_error(ErrorReported(error=detail)) == ReportedError("t", "", "m", "", "e")
