"""The stage of these tests: a whole gateway in this process, the emulator, and carriers on sockets of loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.emulator.scenario import Scenario
from tests.carrier.agent import Carrier, Dialled
from tests.support.rest import CONTROL, Operator, dialling_trunks
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

    async def operator(self) -> Operator:
        """The REST API of the gateway."""
        return await self._closing.enter_async_context(Operator(self.stage))

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


@dataclass
class Placed:
    """A call that REST has placed: the scene, the operator, the carrier it goes to, its id and its INVITE."""

    scene: Scene
    operator: Operator
    carrier: Carrier
    id: str
    dialled: Dialled

    async def view(self) -> dict[str, Any]:
        """The call as the API shows it."""
        view: dict[str, Any] = await self.operator.get(f"/v1/calls/{self.id}")
        return view

    async def reaches(self, state: str) -> dict[str, Any]:
        """Its view once it is in that state."""
        async with asyncio.timeout(5):
            while (view := await self.view())["state"] != state:  # noqa: ASYNC110 - the API is asked, as operators do
                await asyncio.sleep(0.01)
        return view


PlaceCall = Callable[..., Awaitable[Placed]]


@pytest.fixture
async def place_call(scene: OpenScene) -> AsyncIterator[PlaceCall]:
    """Opens a scene whose trunk leads to a carrier, and orders a call to +15550199001; ``trunk`` are fields of it."""
    async with AsyncExitStack() as closing:

        async def place(order: dict[str, Any] | None = None, *, trunk: dict[str, Any] | None = None) -> Placed:
            carrier = await Carrier.over_udp(("127.0.0.1", 0))
            closing.push_async_callback(carrier.close)
            fields = {"targets": [f"sip:127.0.0.1:{carrier.port}"], "allow_destinations": ["*"], "options_s": 0}
            opened = await scene(trunks=dialling_trunks(**{**fields, **(trunk or {})}), control=CONTROL)
            carrier.gateway = opened.sip()
            operator = await opened.operator()
            call = await operator.call("+15550199001", **(order or {}))
            return Placed(opened, operator, carrier, call["id"], await carrier.dialled())

        yield place
