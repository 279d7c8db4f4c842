"""Keep-alive on real sockets, with its intervals made short."""

from __future__ import annotations

import asyncio
import socket

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from gateway.sip.client_requests import ClientRequest
from gateway.sip.events import FlowFailed
from gateway.sip.flow import Flow
from gateway.sip.transport import keep_alive
from tests.support.sip_peer import request
from tests.support.telephone import Telephone
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STREAM_INTERVAL_S", "DATAGRAM_INTERVAL_S"):
        monkeypatch.setattr(keep_alive, name, (0.2, 0.3))
    monkeypatch.setattr(keep_alive, "PONG_S", 0.1)


def options(transport: str) -> bytes:
    return request("OPTIONS", via=f"SIP/2.0/{transport} 127.0.0.1:9;rport;branch=z9hG4bKx").to_bytes()


def the_flow(phone: Telephone) -> Flow:
    (connection,) = phone.endpoint._streams._by_number.values()
    return connection.flow


def keep(phone: Telephone, flow: Flow) -> None:
    phone.endpoint.user_agent.watch([flow])
    phone.endpoint.keep_alive({flow: None})


async def test_two_endpoints_keep_a_connection_open() -> None:
    async with Telephone() as ours, Telephone() as theirs:
        flow = ours.endpoint.flow_to(("127.0.0.1", theirs.endpoint.port("tcp")), "tcp")
        ours.endpoint.send_request(ClientRequest("OPTIONS", "sip:x@y", flow, "<sip:a@b>", "<sip:x@y>"))
        await until(lambda: theirs.endpoint.connections)
        keep(ours, flow)
        await until(lambda: theirs.endpoint.stats.keep_alives >= 3)
        assert not any(isinstance(event, FlowFailed) for event in ours.events)
        await theirs.endpoint.stop()
        assert (await ours.told(FlowFailed)).flow == flow


async def test_a_peer_that_used_to_answer_and_falls_silent_has_failed() -> None:
    async with Telephone() as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.endpoint.port("tcp"))
        writer.write(options("TCP"))
        await reader.readuntil(b"\r\n\r\n")
        keep(ours, the_flow(ours))
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3) == b"\r\n\r\n"
        writer.write(b"\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3) == b"\r\n\r\n"
        await ours.told(FlowFailed)
        assert await asyncio.wait_for(reader.read(), 3) == b""
        writer.close()


async def test_equipment_that_answers_no_pings_is_left_alone() -> None:
    async with Telephone() as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.endpoint.port("tcp"))
        writer.write(options("TCP"))
        await reader.readuntil(b"\r\n\r\n")
        keep(ours, the_flow(ours))
        for _ in range(3):
            assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3) == b"\r\n\r\n"
        assert not any(isinstance(event, FlowFailed) for event in ours.events)
        writer.close()


async def test_a_browser_is_pinged_and_missed() -> None:
    async with Telephone(listen=("ws://127.0.0.1:0",)) as ours:
        url = f"ws://127.0.0.1:{ours.endpoint.port('ws')}"
        async with connect(url, subprotocols=[Subprotocol("sip")], ping_interval=None) as link:
            await link.send(options("WS"))
            await link.recv()
            keep(ours, the_flow(ours))
            await asyncio.sleep(0.7)
            assert not any(isinstance(event, FlowFailed) for event in ours.events), "the library answers"
            link.transport.pause_reading()  # its tab sleeps
            await ours.told(FlowFailed)


async def test_udp_bindings_of_nats_are_refreshed() -> None:
    async with Telephone() as ours:
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind(("127.0.0.1", 0))
        peer.setblocking(False)
        keep(ours, ours.endpoint.flow_to(peer.getsockname()))
        loop = asyncio.get_running_loop()
        assert await asyncio.wait_for(loop.sock_recv(peer, 100), 3) == b"\r\n\r\n"
        peer.close()


async def test_what_is_kept_is_not_idle() -> None:
    async with Telephone() as ours:
        reader, writer = await asyncio.open_connection("127.0.0.1", ours.endpoint.port("tcp"))
        writer.write(options("TCP"))
        await reader.readuntil(b"\r\n\r\n")
        flow = the_flow(ours)
        ours.endpoint.keep_alive({flow: None})
        connection = ours.endpoint._streams._by_number[flow.connection]
        connection.heard_at -= 1000
        ours.endpoint._streams.sweep(connection.heard_at + 1000, set(ours.endpoint._keep_alive.flows))
        assert ours.endpoint.connections == 1
        ours.endpoint._streams.sweep(connection.heard_at + 1000, set())
        await until(lambda: ours.endpoint.connections == 0)
        writer.close()
