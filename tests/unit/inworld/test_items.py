"""What is on the wire, and what is left off it."""

from __future__ import annotations

import msgspec

from gateway.inworld.items import ConversationItem, ErrorDetail, Response


def test_defaults_are_not_sent() -> None:
    assert msgspec.json.encode(ConversationItem(type="message", role="user")) == b'{"type":"message","role":"user"}'


def test_an_empty_list_and_an_empty_text_are_sent() -> None:
    assert msgspec.json.encode(Response(id="r", output=[])) == b'{"id":"r","output":[]}'
    assert msgspec.json.encode(ConversationItem(arguments="")) == b'{"arguments":""}'


def test_an_error_code_can_be_absent_or_null() -> None:
    assert msgspec.json.encode(ErrorDetail(message="m")) == b'{"message":"m"}'
    assert msgspec.json.encode(ErrorDetail(message="m", code=None)) == b'{"code":null,"message":"m"}'
