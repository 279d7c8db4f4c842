"""The emulator on a thread of its own, so that a test may wait for a telephone while it serves, and then ask it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from gateway.emulator import Emulator, Scenario, SessionRecord


class EmulatorThread:
    """Started at once; ``sessions`` has what every session received and sent."""

    def __init__(self, scenario: Mapping[str, Any]) -> None:
        self.emulator = Emulator(Scenario.model_validate(scenario), record=True)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="emulator", daemon=True)
        self._thread.start()
        self._run(self.emulator.start())

    def _run(self, awaitable: Any) -> None:
        asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(timeout=15)

    @property
    def url(self) -> str:
        return self.emulator.url

    @property
    def sessions(self) -> list[SessionRecord]:
        return self.emulator.sessions

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Waits for something to become true of its records."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_s:g} s; sessions: {self._describe()}"
            time.sleep(0.01)

    def _describe(self) -> list[str]:
        return [
            f"{'open' if session.is_open else 'closed'}, {len(session.received)} messages, "
            f"{len(session.responses)} responses"
            for session in self.sessions
        ]

    def stop(self) -> None:
        """Closes every session and the thread."""
        self._run(self.emulator.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
