"""The stage of these tests: a whole gateway in this process, the emulator, and carriers on sockets of loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.emulator.scenario import Scenario
from tests.carrier.agent import Carrier
from tests.support.stage import NOTHING, Stage, leftovers
from tests.support.waiting import until

_VOICE = {"tone": {"hz": 440, "ms": 60_000}}
TALKATIVE = Scenario.model_validate({"greeting": _VOICE, "other_turns": _VOICE, "other_texts": _VOICE})
"""An agent that speaks through the whole test, after a hold too: 440 Hz."""

AGENT: dict[str, Any] = {
    "session": {"instructions": "You are tested."},
    "greeting": {"instructions": "Greet the caller."},
    "digits": {"collect_ms": 300},
    "interruption": {"mode": "off"},
    "tools": {"hang_up": {}},
}


class Scene:
    """A gateway and whoever talks to it. When the test is over nothing of a call may be left."""

    def __init__(self, stage: Stage, closing: AsyncExitStack) -> None:
        self.stage = stage
        self._closing = closing

    @property
    def gateway(self) -> Any:
        return self.stage.gateway

    def sip(self, transport: str = "udp") -> tuple[str, int]:
        """Where the gateway listens."""
        url = next(url for url in self.gateway.sip.listening if url.transport == transport)
        return url.host, url.port

    async def carrier(self, transport: str = "udp", address: str = "127.0.0.1") -> Carrier:
        """A carrier that the gateway's trunk accepts."""
        if transport == "tcp":
            carrier = await Carrier.over_tcp(self.sip("tcp"))
        else:
            carrier = await Carrier.over_udp(self.sip(), address)
        self._closing.push_async_callback(carrier.close)
        return carrier

    def names(self) -> list[str]:
        """The events of calls so far."""
        return self.stage.names()

    async def is_empty(self) -> None:
        """Returns when no call, port or session is left."""
        await until(lambda: leftovers(self.gateway) == NOTHING)

    @property
    def end(self) -> dict[str, Any]:
        """What the last call ended with."""
        return self.stage.events[-1].details


OpenScene = Callable[..., Awaitable[Scene]]


@pytest.fixture
async def scene() -> AsyncIterator[OpenScene]:
    """Opens a scene; ``changes`` replace sections of the settings. Afterwards the gateway must be empty and stop."""
    async with AsyncExitStack() as closing:
        opened: list[Scene] = []

        async def open_scene(scenario: Scenario = TALKATIVE, **changes: Any) -> Scene:
            given = {
                "sip": {"listen": ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"]},
                "agents": {"demo": AGENT},
                **changes,
            }
            stage = await closing.enter_async_context(Stage(scenario, **given))
            opened.append(Scene(stage, closing))
            return opened[-1]

        yield open_scene
        for one in opened:
            await one.is_empty()
