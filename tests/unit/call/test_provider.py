"""The provider leg against the emulator, over real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.call.provider import InworldLeg
from gateway.emulator.scenario import Scenario
from gateway.emulator.server import Emulator
from gateway.inworld.connection import RealtimeConnection
from gateway.inworld.endpoint import Endpoint
from gateway.inworld.errors import ProviderUnavailable
from gateway.inworld.protocol import RealtimeProtocol
from gateway.inworld.protocol_events import RealtimeEvent, SessionReady
from gateway.inworld.session import build_session


class Rig:
    """One leg and everything it says."""

    def __init__(self, url: str) -> None:
        ids = IdSource()
        self.events: list[RealtimeEvent] = []
        self.errors: list[ProviderUnavailable] = []
        self.released: list[InworldLeg] = []
        self.changed = asyncio.Event()
        session = build_session({}, audio_format="audio/pcmu", call_id="c-1")
        connection = RealtimeConnection(RealtimeProtocol(session, ids), on_event=self._event, ids=ids)
        self.leg = InworldLeg(
            connection,
            Endpoint(url, Secret("a2V5")),
            on_unavailable=self._unavailable,
            on_released=self._release,
        )

    def _event(self, event: RealtimeEvent) -> None:
        self.events.append(event)
        self.changed.set()

    def _unavailable(self, error: ProviderUnavailable) -> None:
        self.errors.append(error)
        self.changed.set()

    def _release(self, leg: InworldLeg) -> None:
        self.released.append(leg)
        self.changed.set()

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


async def test_it_opens_a_session_and_leaves_nothing_behind_when_closed() -> None:
    async with Emulator() as emulator:
        rig = Rig(emulator.url)
        rig.leg.start()
        await rig.until(lambda: any(isinstance(event, SessionReady) for event in rig.events))
        assert emulator.live_sessions == 1
        rig.leg.close()
        rig.leg.close()
        await rig.until(lambda: rig.released)
        await emulator.wait_until(lambda: emulator.live_sessions == 0)
        assert rig.released == [rig.leg]
        assert rig.errors == []
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "provider leg"] == []


async def test_a_refusal_at_the_upgrade_is_told_with_its_status_and_what_to_do() -> None:
    async with Emulator(Scenario.model_validate({"faults": {"reject_upgrade": 401}})) as emulator:
        rig = Rig(emulator.url)
        rig.leg.start()
        await rig.until(lambda: rig.released)
        assert "401" in str(rig.errors[0])
        assert "inworld.api_key" in str(rig.errors[0])
        assert rig.events == []


async def test_a_provider_that_is_not_there_is_told() -> None:
    async with Emulator() as emulator:
        url = emulator.url
    rig = Rig(url)
    rig.leg.start()
    await rig.until(lambda: rig.released)
    assert len(rig.errors) == 1
    assert rig.errors[0].status == 503


async def test_closing_while_it_connects_says_nothing_to_the_call() -> None:
    stuck = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    try:
        rig = Rig(f"ws://127.0.0.1:{stuck.sockets[0].getsockname()[1]}/")
        rig.leg.start()
        await asyncio.sleep(0)
        rig.leg.close()
        await rig.until(lambda: rig.released)
        assert rig.errors == []
        assert rig.events == []
    finally:
        stuck.close()


async def test_closing_before_the_first_step_and_before_the_start_releases_the_session_too() -> None:
    for starts in (True, False):
        rig = Rig("ws://127.0.0.1:9/")
        if starts:
            rig.leg.start()
        rig.leg.close()
        await rig.until(lambda rig=rig: rig.released)
        assert rig.released == [rig.leg]
        assert rig.errors == []
