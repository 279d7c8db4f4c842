"""The bench's provider: the emulator in a process of its own, which notes when it heard and said what.

Run as ``python -m gateway.bench.provider``. Prints one JSON line with its port, serves until its standard input ends,
then writes the log that provider_log.py reads. Nothing of the emulator's behaviour is changed: its session records are
listened to, which is how one knows on this side of the wire when audio arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import structlog
import uvloop

from gateway.bench.marker import read_marker
from gateway.emulator import Emulator, SessionRecord, load_scenario
from gateway.emulator.audio import AudioFormat
from gateway.emulator.recordings import VOICES
from gateway.inworld.server_events import ServerEvent

GREETING_WAV = VOICES / "demo_greeting.wav"

_entries: list[dict[str, Any]] = []
"""Everything noted so far: this process serves one run and ends."""


class ListeningRecord(SessionRecord):
    """A session record that also says when its notes were taken, in ns of CLOCK_REALTIME."""

    __slots__ = ()

    def note_caller_audio(self, audio_format: AudioFormat, wire: bytes) -> None:
        """A chunk: noted when it ends with a marked frame."""
        marker = read_marker(wire)
        if marker is not None:
            _entries.append({"at_ns": time.time_ns(), "session": self.key, "kind": "append", "marker": marker})
        super().note_caller_audio(audio_format, wire)

    def note_sent(self, at: float, event_type: str, event: ServerEvent) -> None:
        """A server event: noted when it announces an interruption."""
        if event_type == "input_audio_buffer.speech_started":
            _entries.append({"at_ns": time.time_ns(), "session": self.key, "kind": "speech_started"})
        super().note_sent(at, event_type, event)


def scenario_for(calls: int) -> dict[str, Any]:
    """A greeting, then the caller's own words for ever, within limits that this many calls do not reach.

    The provider answers without a delay of its own, so that set-up and first voice show the gateway's.
    """
    return {
        "pace": {"latency_ms": 0},
        "greeting": {"say": GREETING_WAV.stem},
        "other_turns": {"echo": True},
        "limits": {"max_sessions": 2 * calls + 10, "max_messages_per_second": 1000 * calls},
    }


async def provide(scenario_path: Path) -> None:
    """Serves until standard input ends."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), over.set)
    async with Emulator(load_scenario(scenario_path), record_type=ListeningRecord) as emulator:
        sys.stdout.write(json.dumps({"port": emulator.port}) + "\n")
        sys.stdout.flush()
        await over.wait()


def main(words: list[str] | None = None) -> int:
    """The command line of the process."""
    parser = argparse.ArgumentParser(prog="python -m gateway.bench.provider")
    parser.add_argument("--scenario", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args(words)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    uvloop.run(provide(arguments.scenario))
    arguments.log.write_text("".join(json.dumps(entry) + "\n" for entry in _entries))
    return 0


if __name__ == "__main__":
    sys.exit(main())
