"""A whole gateway in this process, with a real telephone and the emulator, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import gc
import shutil
import ssl
import weakref
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from gateway.base.errors import GatewayError, SettingsError
from gateway.daemon.gateway import Gateway
from gateway.emulator.scenario import Scenario
from tests.support.called_phone import CalledPhone
from tests.support.certificates import Authority, Pair
from tests.support.stage import NOTHING, Stage, leftovers, settings_with
from tests.support.telephone import Telephone
from tests.support.waiting import until


async def test_a_call_is_answered_heard_and_leaves_nothing_behind() -> None:
    async with Stage() as stage:
        await stage.dial()
        await stage.phone.wait_until(lambda: any(map(stage.phone.is_voice, stage.phone.heard)), 5)
        stage.phone.hang_up()
        await stage.phone.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)
        assert stage.events[-1].details["reason"] == "caller_hung_up"
        text = stage.gateway.metrics.render().decode()
        assert 'gateway_calls_ended_total{reason="caller_hung_up"} 1.0' in text
        assert "gateway_calls_live 0.0" in text
        assert 'gateway_sip_user_agent_total{what="calls_offered"} 1.0' in text
        assert 'gateway_sip_transport_total{what="datagrams_received"}' in text
        media = stage.events[-1].details["media"]
        assert media["packets_received"] > 0
        assert media["packets_sent"] > 0
        assert media["packets_lost"] == 0


async def test_stopping_ends_calls_with_bye_and_closes_everything() -> None:
    async with Stage() as stage:
        await stage.dial()
        await stage.gateway.stop()
        await stage.phone.wait_until(lambda: stage.phone.ended_at is not None, 2)
        assert stage.events[-1].details["reason"] == "shutdown"
        assert leftovers(stage.gateway) == NOTHING
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
        running = stage.gateway.settings
        changed = settings_with(
            stage.emulator.url,
            routes=[{"to": "nobody-calls-this", "agent": "demo"}],
            node={"name": "another", "max_calls": 1},
        )
        assert stage.gateway.reload(changed) == ["node.name"]
        assert stage.gateway.settings.node.name == running.node.name
        assert stage.gateway.settings.node.max_calls == 1
        assert stage.gateway.settings.sip.listen == running.sip.listen
        with pytest.raises(RuntimeError, match="404"):
            await stage.dial()


async def test_a_reload_that_is_refused_changes_nothing() -> None:
    async with Stage() as stage:
        broken = settings_with(stage.emulator.url, agents={"demo": {"session": {"audio": "loud"}}})
        with pytest.raises(SettingsError):
            stage.gateway.reload(broken)
        await stage.dial()


async def test_ended_calls_are_freed_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        async with Stage() as stage:
            await stage.dial()
            call = weakref.ref(next(iter(stage.gateway.directory.calls)))
            stage.phone.hang_up()
            await stage.phone.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)
            await stage.phone.wait_until(lambda: call() is None, 5)
    finally:
        gc.enable()


async def test_stopping_ends_every_call_even_when_a_listener_of_events_fails() -> None:
    def fail(_: object) -> None:
        raise OSError("no space left on device")

    async with Stage() as stage:
        stage.gateway.assembly._sinks = (*stage.gateway.assembly._sinks, fail)
        second = CalledPhone("127.0.0.1")
        await second.start()
        await stage.dial()
        await stage.dial(second)
        await stage.gateway.stop()
        await stage.phone.wait_until(lambda: None not in (stage.phone.ended_at, second.ended_at), 5)
        await second.stop()
        assert leftovers(stage.gateway) == NOTHING


async def test_a_taken_port_is_one_error_and_leaves_nothing_running() -> None:
    async with Stage() as stage:
        taken = str(stage.gateway.sip.listening[0])
        second = Gateway(settings_with(stage.emulator.url, sip={"listen": [taken]}))
        before = {task.get_name() for task in asyncio.all_tasks()}
        with pytest.raises(GatewayError, match=r"sip\.listen: cannot listen on") as refused:
            await second.start()
        assert taken in str(refused.value)
        assert {task.get_name() for task in asyncio.all_tasks()} == before


async def test_the_embedded_emulator_answers_when_there_is_no_key() -> None:
    gateway = Gateway(settings_with("ws://127.0.0.1:9/", inworld={"api_key": ""}))
    await gateway.start()
    phone = CalledPhone("127.0.0.1")
    await phone.start()
    try:
        url = gateway.sip.listening[0]
        await phone.dial(url.host, url.port)
        await phone.wait_until(lambda: any(map(phone.is_voice, phone.heard)), 5)
    finally:
        await gateway.stop()
        await phone.stop()


async def test_a_reload_takes_the_certificate_that_lies_there_by_then(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    mine = Pair(tmp_path / "gw.pem", tmp_path / "gw.key")

    def install(name: str) -> None:
        issued = authority.issue(f"DNS:{name}")
        shutil.copy(issued.certificate, mine.certificate)
        shutil.copy(issued.key, mine.key)

    async def shown_name(port: int) -> str:
        context = ssl.create_default_context(cafile=str(authority.ca))
        context.check_hostname = False
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        certificate = writer.get_extra_info("peercert")
        writer.close()
        return str(certificate["subjectAltName"][0][1])

    install("old.example")
    sip = {
        "listen": ["udp://127.0.0.1:0", "tls://127.0.0.1:0"],
        "tls": {"certificate": str(mine.certificate), "key": str(mine.key)},
    }
    async with Stage(sip=sip) as stage:
        port = stage.gateway.sip.port("tls")
        assert await shown_name(port) == "old.example"
        install("new.example")
        assert stage.gateway.reload(stage.gateway.settings) == []
        assert await shown_name(port) == "new.example"
        mine.key.write_text("nothing")
        stage.gateway.reload(stage.gateway.settings)
        assert await shown_name(port) == "new.example", "a bad file changes nothing"


async def test_a_trunk_that_answers_options_is_up_and_counted() -> None:
    async with Telephone() as carrier:
        target = f"sip:127.0.0.1:{carrier.endpoint.port('udp')}"
        async with Stage(trunks={"carrier": {"accept_from": ["127.0.0.0/8"], "targets": [target]}}) as stage:
            await until(lambda: [trunk.state for trunk in stage.gateway.pings.status()] == ["up"])
            text = stage.gateway.metrics.render().decode()
            assert 'gateway_trunk_up{trunk="carrier"} 1.0' in text


async def test_browsers_find_sip_at_the_path_and_from_the_pages_of_the_settings() -> None:
    sip = {
        "listen": ["udp://127.0.0.1:0", "ws://127.0.0.1:0"],
        "websocket": {"path": "/sip", "origins": ["https://phone.example.net"]},
    }
    async with Stage(sip=sip) as stage:
        url = f"ws://127.0.0.1:{stage.gateway.sip.port('ws')}"
        spoken = [Subprotocol("sip")]
        with pytest.raises(InvalidStatus, match="404"):
            await connect(url, subprotocols=spoken)
        with pytest.raises(InvalidStatus, match="403"):
            await connect(f"{url}/sip", subprotocols=spoken, origin=Origin("https://other.example.net"))
        async with connect(f"{url}/sip", subprotocols=spoken, origin=Origin("https://phone.example.net")) as link:
            assert link.subprotocol == "sip"
