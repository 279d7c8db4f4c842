"""What the provider saw and when: one JSON object a line, written by the bench's provider process.

``{"at_ns": …, "session": …, "kind": "append", "marker": [call, frame]}`` for each chunk that ends with a marked frame,
``{"at_ns": …, "session": …, "kind": "speech_started"}`` for each interruption it announced. Times are ns of
CLOCK_REALTIME, taken right after a message was received, or right before it was handed to the socket.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class ProviderRecord:
    """The log, by call of the meter."""

    append_ns: dict[tuple[int, int], int] = field(default_factory=dict)
    """When the chunk that ends with (call, frame) was received."""
    speech_started_ns: dict[int, list[int]] = field(default_factory=dict)
    """When each call's interruptions were announced."""


def read_provider_log(lines: Iterable[str]) -> ProviderRecord:
    """Reads the log. A session belongs to the call whose marks it heard first; sessions without a mark are left out."""
    record = ProviderRecord()
    call_of: dict[str, int] = {}
    announced: list[tuple[str, int]] = []
    for line in lines:
        entry = json.loads(line)
        if entry["kind"] == "append":
            call, frame = entry["marker"]
            call_of.setdefault(entry["session"], call)
            record.append_ns.setdefault((call, frame), entry["at_ns"])
        elif entry["kind"] == "speech_started":
            announced.append((entry["session"], entry["at_ns"]))
    for session, at_ns in announced:
        if session in call_of:
            record.speech_started_ns.setdefault(call_of[session], []).append(at_ns)
    return record
