"""The door, the limits and the bookkeeping of calls, on real sockets of loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from gateway.call.termination import EndReason
from gateway.emulator.scenario import Scenario
from gateway.sip.admission import Allow, Refuse, Silence
from gateway.sip.flow import Flow
from gateway.sip.message import make_request
from tests.support.called_phone import CalledPhone
from tests.support.stage import NOTHING, Stage, leftovers, settings_with

OPTIONS = make_request("OPTIONS", "sip:agent@127.0.0.1", headers=())


def flow_from(host: str) -> Flow:
    return Flow("udp", ("127.0.0.1", 5060), (host, 5060))


async def test_sources_of_no_trunk_get_silence_or_403_as_set() -> None:
    async with Stage() as stage:
        assert isinstance(stage.gateway.directory.door.admit(OPTIONS, flow_from("127.9.9.9"), 0.0), Allow)
        verdict = stage.gateway.directory.door.admit(OPTIONS, flow_from("198.51.100.1"), 0.0)
        assert verdict == Silence("unknown_callers")
        assert stage.gateway.directory.door.hears(flow_from("198.51.100.1"), 0.0) == "unknown_callers"
        assert stage.gateway.directory.door.hears(flow_from("127.9.9.9"), 0.0) is None
    async with Stage(unknown_callers="403") as stage:
        verdict = stage.gateway.directory.door.admit(OPTIONS, flow_from("198.51.100.1"), 0.0)
        assert isinstance(verdict, Refuse)
        assert (verdict.status, verdict.rule) == (403, "unknown_callers")
        assert stage.gateway.directory.door.hears(flow_from("198.51.100.1"), 0.0) is None


async def test_a_call_that_fits_no_route_is_404_and_costs_nothing() -> None:
    async with Stage(routes=[{"to": "sales", "agent": "demo"}]) as stage:
        with pytest.raises(RuntimeError, match="404"):
            await stage.dial(callee="nobody")
        assert stage.refusals("no_route") == 1
        assert stage.emulator.sessions == []
        await stage.dial(callee="sales")
        assert stage.events[0].details["callee"] == "sales"
        assert stage.events[0].details["rule"] == "routes[0]"


@pytest.mark.parametrize(
    ("section", "rule", "status"),
    [
        ({"node": {"max_calls": 1}}, "node.max_calls", "503"),
        ({"trunks": {"demo": {"accept_from": ["127.0.0.0/8"], "max_calls": 1}}}, "trunks.max_calls", "486"),
        ({"inworld": {"max_sessions": 1}}, "inworld.max_sessions", "503"),
    ],
)
async def test_a_full_node_is_503_a_full_trunk_486_and_the_call_inside_goes_on(
    section: dict[str, object], rule: str, status: str
) -> None:
    async with Stage(**section) as stage:  # type: ignore[arg-type]
        await stage.dial()
        second = CalledPhone("127.0.0.1")
        await second.start()
        try:
            with pytest.raises(RuntimeError, match=status):
                await stage.dial(second)
        finally:
            await second.stop()
        assert stage.refusals(rule) == 1
        if rule != "trunks.max_calls":
            assert stage.gateway.directory.why_not_ready() == f"{rule} reached"
        assert stage.gateway.directory.live == 1
        assert stage.phone.ended_at is None


async def test_no_free_port_is_503_and_not_500() -> None:
    async with Stage(media={"ports": "20000-20001"}) as stage:
        taken = stage.gateway.media.pool.acquire(0.0)
        try:
            with pytest.raises(RuntimeError, match="503"):
                await stage.dial()
        finally:
            stage.gateway.media.pool.release(taken, 0.0)
        assert stage.refusals("no_media_port") == 1


async def test_a_fault_of_ours_is_500_and_the_caller_does_not_ring_for_ever() -> None:
    async with Stage() as stage:
        agents = stage.gateway.settings.agents["demo"].model_copy(update={"session": {"audio": "not a mapping"}})
        broken = stage.gateway.settings.model_copy(update={"agents": {"demo": agents}})
        stage.gateway.assembly.apply(broken)  # past the check that start and reload make
        with pytest.raises(RuntimeError, match="500"):
            await stage.dial()
        assert leftovers(stage.gateway) == NOTHING


async def test_ending_all_calls_says_why_in_the_events() -> None:
    async with Stage() as stage:
        await stage.dial()
        stage.gateway.directory.end_all(EndReason.API)
        await stage.phone.wait_until(lambda: stage.phone.ended_at is not None, 5)
        assert stage.events[-1].details["reason"] == "api"


async def test_one_timer_serves_the_deadlines_of_all_calls() -> None:
    agents = {"demo": {"limits": {"duration_s": 1}, "greeting": {"instructions": "Greet."}}}
    async with Stage(Scenario(), agents=agents) as stage:
        second = CalledPhone("127.0.0.1")
        await second.start()
        try:
            await stage.dial()
            await stage.dial(second)
            await stage.phone.wait_until(lambda: None not in (stage.phone.ended_at, second.ended_at), 10)
        finally:
            await second.stop()
        reasons = [event.details["reason"] for event in stage.events if event.name.value == "call.ended"]
        assert reasons == ["max_duration", "max_duration"]
        await stage.phone.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)


async def test_a_fault_in_one_calls_handling_ends_that_call_and_no_other() -> None:
    async with Stage() as stage:
        second = CalledPhone("127.0.0.1")
        await second.start()
        try:
            await stage.dial()
            await stage.dial(second)
            first = next(iter(stage.gateway.directory.calls))

            def fail(_: object) -> None:
                raise ZeroDivisionError("a fault of ours")

            stage.gateway.directory.calls.run(first, fail)
            await stage.phone.wait_until(lambda: stage.phone.ended_at is not None, 5)
            assert first.end_reason is EndReason.ERROR
            assert second.ended_at is None
            assert stage.gateway.directory.live == 1
        finally:
            await stage.gateway.stop()
            await second.stop()


async def test_a_stranger_hears_nothing_over_udp_and_tcp_and_is_counted() -> None:
    trunk = {"demo": {"accept_from": ["127.0.0.1"]}}
    sip = {"listen": ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"]}
    async with Stage(trunks=trunk, sip=sip) as stage:
        loop = asyncio.get_running_loop()
        udp, tcp = stage.gateway.sip.listening
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.77.7.7", 0))
            stranger.setblocking(False)
            stranger.sendto(OPTIONS.to_bytes(), (udp.host, udp.port))
            await stage.phone.wait_until(lambda: stage.refusals("unknown_callers") >= 1, 5)
            with pytest.raises(BlockingIOError):
                stranger.recv(2048)
        with socket.socket() as stranger:
            stranger.setblocking(False)
            stranger.bind(("127.77.7.8", 0))
            await loop.sock_connect(stranger, (tcp.host, tcp.port))
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionResetError):
                    assert await loop.sock_recv(stranger, 1) == b"", "closed without a word"
        await stage.dial()


async def test_a_caller_whose_trunk_a_reload_has_dropped_is_heard_to_the_end_of_the_call() -> None:
    async with Stage() as stage:
        await stage.dial()
        others = settings_with(stage.emulator.url, trunks={"elsewhere": {"accept_from": ["198.51.100.0/24"]}})
        stage.gateway.reload(others)
        assert stage.gateway.directory.door.hears(flow_from("127.0.0.1"), 0.0) is None
        stage.phone.hang_up()
        await stage.phone.wait_until(lambda: stage.gateway.directory.live == 0, 5)
        assert stage.events[-1].details["reason"] == "caller_hung_up"
        assert stage.gateway.directory.door.hears(flow_from("127.0.0.1"), 0.0) == "unknown_callers"
