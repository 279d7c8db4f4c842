"""What the agent may do to the call through tools, and how a tool call is answered. In this version: hang up."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from typing import Any

HANG_UP = "hang_up"

TOOL_DECLARATIONS: Mapping[str, Mapping[str, Any]] = {
    HANG_UP: {
        "type": "function",
        "name": HANG_UP,
        "description": (
            "Ends the telephone call. Call it when the conversation is over or the caller asks to hang up. "
            "After calling it, say one short goodbye; the line closes when the caller has heard it."
        ),
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    },
}
"""Function tools as the provider wants them declared, by name. A new one is dispatched in conversation.py."""


class ToolOutcome(enum.Enum):
    """How a tool call ended; the value is the word in events."""

    DONE = "done"
    UNKNOWN_TOOL = "unknown tool"
    BAD_ARGUMENTS = "bad arguments"
    CALLER_IS_SPEAKING = "caller is speaking"
    INTERRUPTED = "interrupted"


def tool_success(**fields: Any) -> str:
    """The output of a tool that did what it was asked, as the JSON string the provider expects."""
    return json.dumps({"ok": True, **fields})


def tool_failure(error: str) -> str:
    """The output of a tool that did not; every call_id is answered, also the impossible ones."""
    return json.dumps({"ok": False, "error": error})
