"""A protocol-true Inworld Realtime service for tests, demonstrations and dry runs (docs/emulator.md).

It shares the event types with the gateway's client and nothing else, so that a fault of one is not mirrored.
"""

from __future__ import annotations

from gateway.emulator.inspection import HeardTurn, LoggedEvent, SessionRecord, SpokenResponse, Truncation
from gateway.emulator.scenario import Reaction, Scenario
from gateway.emulator.scenario_file import load_scenario, packaged_scenario
from gateway.emulator.server import DEFAULT_LISTEN, Emulator, run_emulator

__all__ = [
    "DEFAULT_LISTEN",
    "Emulator",
    "HeardTurn",
    "LoggedEvent",
    "Reaction",
    "Scenario",
    "SessionRecord",
    "SpokenResponse",
    "Truncation",
    "load_scenario",
    "packaged_scenario",
    "run_emulator",
]
