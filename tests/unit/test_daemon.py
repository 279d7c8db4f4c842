"""A whole gateway in this process, with a real telephone and the emulator, over real sockets on loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.base.errors import GatewayError
from gateway.call.journal import CallEvent
from gateway.daemon import Gateway
from gateway.demo.phone import Phone
from gateway.demo.run import demo_settings
from gateway.emulator.scenario import Scenario
from gateway.emulator.server import Emulator
from gateway.settings.schema import Settings

GREETING = Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 5000}}})


def settings(url: str, **changes: Any) -> Settings:
    base = demo_settings(url)
    return Settings.model_validate(base.model_dump(by_alias=True) | changes) if changes else base


def leftovers(gateway: Gateway) -> dict[str, int]:
    return {
        "calls": gateway.directory.live,
        "ports": gateway.media.open_ports,
        "sessions": gateway.assembly.sessions_open,
    }


class Stage:
    """An emulator, a gateway and a telephone."""

    def __init__(self, scenario: Scenario = GREETING) -> None:
        self.emulator = Emulator(scenario, record=True)
        self.events: list[CallEvent] = []
        self.phone = Phone("127.0.0.1")

    async def __aenter__(self) -> Stage:
        await self.emulator.start()
        self.gateway = Gateway(demo_settings(self.emulator.url), sinks=[self.events.append])
        await self.gateway.start()
        await self.phone.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.phone.stop()
        await self.gateway.stop()
        await self.emulator.stop()

    async def dial(self) -> None:
        url = self.gateway.sip.listening[0]
        await self.phone.dial(url.host, url.port)

    def names(self) -> list[str]:
        return [event.name.value for event in self.events]


async def test_a_call_is_answered_heard_and_leaves_nothing_behind() -> None:
    async with Stage() as stage:
        await stage.dial()
        await stage.phone.wait_until(lambda: any(map(stage.phone.is_voice, stage.phone.heard)), 5)
        stage.phone.hang_up()
        await stage.phone.wait_until(lambda: leftovers(stage.gateway) == {"calls": 0, "ports": 0, "sessions": 0}, 5)
        assert stage.events[-1].details["reason"] == "caller_hung_up"
        text = stage.gateway.metrics.render().decode()
        assert 'gateway_calls_ended_total{reason="caller_hung_up"} 1.0' in text
        assert "gateway_calls_live 0.0" in text


async def test_stopping_ends_calls_with_bye_and_closes_everything() -> None:
    async with Stage() as stage:
        await stage.dial()
        await stage.gateway.stop()
        await stage.phone.wait_until(lambda: stage.phone.ended_at is not None, 2)
        assert stage.events[-1].details["reason"] == "shutdown"
        assert leftovers(stage.gateway) == {"calls": 0, "ports": 0, "sessions": 0}
        assert stage.gateway.sip.user_agent.dialogs == 0


async def test_a_provider_that_refuses_costs_the_caller_503_and_is_told_in_the_log() -> None:
    async with Stage(Scenario.model_validate({"faults": {"reject_upgrade": 401}})) as stage:
        with pytest.raises(RuntimeError, match="503"):
            await stage.dial()
        assert stage.names() == ["call.offered", "call.ringing", "provider.error", "call.ended"]
        assert "401" in stage.events[2].details["message"]


async def test_readiness_follows_the_limits() -> None:
    async with Stage() as stage, httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{stage.gateway.control.address}/readyz"
        assert (await client.get(url)).status_code == 200
        stage.gateway.directory.is_draining = True
        assert (await client.get(url)).json()["reason"] == "draining"


async def test_reloading_takes_agents_and_routes_and_names_what_needs_a_restart() -> None:
    async with Stage() as stage:
        changed = stage.gateway.settings.model_copy(
            update={
                "routes": (),
                "node": stage.gateway.settings.node.model_copy(update={"max_calls": 1}),
            }
        )
        assert stage.gateway.reload(changed) == ["node"]
        with pytest.raises(RuntimeError, match="404"):
            await stage.dial()


async def test_a_taken_port_is_one_error_and_leaves_nothing_running() -> None:
    async with Stage() as stage:
        taken = str(stage.gateway.sip.listening[0])
        second = Gateway(
            stage.gateway.settings.model_copy(
                update={"sip": stage.gateway.settings.sip.model_copy(update={"listen": (_address(taken),)})}
            )
        )
        before = {task.get_name() for task in asyncio.all_tasks()}
        with pytest.raises((OSError, GatewayError)):
            await second.start()
        assert {task.get_name() for task in asyncio.all_tasks()} == before


def _address(url: str) -> Any:
    from gateway.settings.values import parse_sip_listen

    return parse_sip_listen(url)


async def test_the_embedded_emulator_answers_when_there_is_no_key(tmp_path: Path) -> None:
    keyless = demo_settings("ws://127.0.0.1:9/").model_dump(by_alias=True, mode="json")
    keyless["inworld"] = {"api_key": ""}
    gateway = Gateway(Settings.model_validate(keyless))
    await gateway.start()
    phone = Phone("127.0.0.1")
    await phone.start()
    try:
        url = gateway.sip.listening[0]
        await phone.dial(url.host, url.port)
        await phone.wait_until(lambda: any(map(phone.is_voice, phone.heard)), 5)
    finally:
        await phone.stop()
        await gateway.stop()
