from __future__ import annotations

import json

from gateway.call.conversation.actions import HANG_UP, TOOL_DECLARATIONS, tool_failure, tool_success


def test_tool_outputs_are_json_strings_encoded_once() -> None:
    assert json.loads(tool_success(ended=True)) == {"ok": True, "ended": True}
    assert json.loads(tool_failure("no such tool")) == {"ok": False, "error": "no such tool"}


def test_the_declaration_is_flat_as_the_provider_wants_it() -> None:
    declaration = TOOL_DECLARATIONS[HANG_UP]
    assert declaration["type"] == "function"
    assert declaration["name"] == HANG_UP
    assert "function" not in declaration
