"""All connections of an endpoint on loopback: accepting, opening, finding, falling back, limits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError
from gateway.sip.transport.limits import TransportLimits, TransportStats
from gateway.sip.transport.listen_url import ListenUrl
from gateway.sip.transport.streams import HANDSHAKE_COST, StreamConnections
from gateway.sip.transport.tls import ServerIdentity, TlsContexts
from tests.support.certificates import Authority
from tests.support.network import free_tcp_port
from tests.support.sip_peer import request
from tests.support.waiting import until

OPTIONS = request("OPTIONS").to_bytes()


class Side:
    """One endpoint's connections and what they reported."""

    def __init__(self, tls: TlsContexts | None = None, **limits: float) -> None:
        self.messages: list[tuple[bytes, Flow]] = []
        self.broken: list[SipParseError] = []
        self.failed: list[tuple[Flow, bytes]] = []
        self.opened = 0
        self.is_deaf = False
        self.asked = 0
        self.known: set[str] = set()
        self.stats = TransportStats()
        self.tcp = StreamConnections(
            TransportLimits(**limits),  # type: ignore[arg-type]
            self.stats,
            on_message=lambda data, flow: self.messages.append((data, flow)),
            on_broken=lambda error, flow: self.broken.append(error),
            on_failed=lambda flow, data: self.failed.append((flow, data)),
            on_opened=self._count,
            hears=self._hears,
            knows=lambda flow: flow.remote[0] in self.known,
            tls=tls,
        )

    def _hears(self, flow: Flow) -> bool:
        self.asked += 1
        return not self.is_deaf

    def _count(self) -> None:
        self.opened += 1

    async def listen(self) -> tuple[str, int]:
        url = await self.tcp.listen(ListenUrl("tcp", "127.0.0.1", 0))
        return (url.host, url.port)


def flow_to(remote: tuple[str, int]) -> Flow:
    return Flow("tcp", ("127.0.0.1", 5060), remote)


async def test_a_connection_is_opened_once_and_answers_come_back_on_it() -> None:
    ours, theirs = Side(), Side()
    there = await theirs.listen()
    assert ours.tcp.send(flow_to(there), OPTIONS)
    assert ours.tcp.send(flow_to(there), OPTIONS), "waits for the same connection"
    await until(lambda: len(theirs.messages) == 2)
    assert ours.tcp.send(flow_to(there), OPTIONS)
    await until(lambda: len(theirs.messages) == 3)
    assert len(ours.tcp) == len(theirs.tcp) == 1
    data, flow = theirs.messages[0]
    assert data == OPTIONS
    assert flow.connection > 0
    assert theirs.tcp.send(flow, OPTIONS)
    await until(lambda: ours.messages)
    assert ours.stats.connections_opened == 1
    assert theirs.stats.connections_accepted == 1
    assert ours.opened == theirs.opened == 1
    await ours.tcp.close()
    await theirs.tcp.close()
    assert len(ours.tcp) == len(theirs.tcp) == 0


async def test_who_is_not_heard_is_cut_off_before_a_byte_is_read_but_we_may_connect_to_them() -> None:
    ours, theirs = Side(), Side()
    there = await theirs.listen()
    theirs.is_deaf = ours.is_deaf = True
    reader, writer = await asyncio.open_connection(*there)
    writer.write(OPTIONS)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    assert theirs.stats.connections_accepted == 1
    assert len(theirs.tcp) == theirs.opened == 0
    assert theirs.messages == []
    writer.close()
    theirs.is_deaf = False
    assert ours.tcp.send(flow_to(there), OPTIONS)
    await until(lambda: theirs.messages)
    assert len(ours.tcp) == 1
    await ours.tcp.close()
    await theirs.tcp.close()


async def test_an_answer_whose_connection_is_gone_goes_to_where_the_peer_listens() -> None:
    ours, theirs = Side(), Side()
    here, there = await ours.listen(), await theirs.listen()
    ours.tcp.send(flow_to(there), OPTIONS)
    await until(lambda: theirs.messages)
    _, flow = theirs.messages[0]
    next(iter(ours.tcp._by_number.values())).abort()
    await until(lambda: len(theirs.tcp) == 0)
    assert not theirs.tcp.send(flow, OPTIONS), "the port it came from is nobody's"
    assert theirs.tcp.send(flow.with_fallback(here), OPTIONS)
    await until(lambda: ours.messages)
    assert theirs.tcp.send(flow.with_fallback(here), OPTIONS)
    await until(lambda: len(ours.messages) == 2)
    assert len(theirs.tcp) == 1, "the new connection is used again"
    await ours.tcp.close()
    await theirs.tcp.close()


async def test_a_peer_that_refuses_fails_each_message_that_waited() -> None:
    ours = Side()
    nowhere = ("127.0.0.1", free_tcp_port())
    other = Flow("tcp", ("127.0.0.1", 5061), nowhere)
    waiting = [(flow_to(nowhere), OPTIONS), (other, OPTIONS), (flow_to(nowhere), b"another")]
    for flow, data in waiting:
        assert ours.tcp.send(flow, data)
    await until(lambda: len(ours.failed) == 3)
    assert ours.failed == waiting
    assert not ours.tcp._opening
    await ours.tcp.close()


async def test_what_waits_for_a_connection_is_bounded() -> None:
    ours = Side(waiting_messages=3)
    there = await Side().listen()
    assert [ours.tcp.send(flow_to(there), OPTIONS) for _ in range(5)] == [True, True, True, False, False]
    await ours.tcp.close()


async def test_strangers_who_take_every_connection_leave_room_for_the_trunk() -> None:
    theirs = Side(connections=10, stranger_connections=3)
    theirs.known.add("127.0.0.99")
    there = await theirs.listen()
    links = [await asyncio.open_connection(*there, local_addr=(f"127.0.0.{number}", 0)) for number in range(20, 28)]
    await until(lambda: theirs.stats.connections_refused == 5)
    links.append(await asyncio.open_connection(*there, local_addr=("127.0.0.99", 0)))
    await until(lambda: len(theirs.tcp) == 4)
    for _, writer in links:
        writer.close()
    await until(lambda: len(theirs.tcp) == 0)
    assert not theirs.tcp._strangers
    await theirs.tcp.close()


async def test_a_flood_of_tls_handshakes_takes_more_of_what_strangers_may_send(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("DNS:gw.example")
    theirs = Side(TlsContexts(ServerIdentity(pair.certificate, pair.key)))
    url = await theirs.tcp.listen(ListenUrl("tls", "127.0.0.1", 0))
    for known, asked in ((set(), HANDSHAKE_COST), ({"127.0.0.1"}, 1)):
        theirs.known, theirs.asked = known, 0
        _, writer = await asyncio.open_connection("127.0.0.1", url.port)
        await until(lambda: theirs.asked)
        assert theirs.asked == asked
        writer.close()
    await theirs.tcp.close()


async def test_a_thousand_addresses_of_one_ipv6_network_are_one_host() -> None:
    theirs = Side(connections=10, connections_per_host=2)
    url = await theirs.tcp.listen(ListenUrl("tcp", "127.0.0.1", 0))
    accepted = [theirs.tcp._accept(url) for _ in range(4)]
    for number, connection in enumerate(accepted):
        connection.remote = (f"2001:db8:1:2::{number}", 40_000)
    assert [theirs.tcp.connection_opened(connection) for connection in accepted] == [True, True, False, False]
    for connection in accepted:
        theirs.tcp.connection_closed(connection, None)
    assert not theirs.tcp._per_host
    await theirs.tcp.close()


async def test_too_many_connections_are_turned_away() -> None:
    theirs = Side(connections=10, connections_per_host=2)
    there = await theirs.listen()
    links = [await asyncio.open_connection(*there) for _ in range(4)]
    await until(lambda: theirs.stats.connections_refused == 2)
    assert len(theirs.tcp) == 2
    ends = [asyncio.create_task(reader.read()) for reader, _ in links]
    await until(lambda: sum(end.done() for end in ends) == 2)
    kept = [writer for (_, writer), end in zip(links, ends, strict=True) if not end.done()]
    await asyncio.gather(*(end for end in ends if end.done()), return_exceptions=True)
    kept[0].close()
    await until(lambda: len(theirs.tcp) == 1)
    assert dict(theirs.tcp._per_host) == {"127.0.0.1": 1}
    for _, writer in links:
        writer.close()
    await asyncio.gather(*ends, return_exceptions=True)
    await until(lambda: len(theirs.tcp) == 0)
    assert not theirs.tcp._per_host
    _, writer = await asyncio.open_connection(*there)
    await until(lambda: len(theirs.tcp) == 1)
    writer.close()
    await theirs.tcp.close()


async def test_opening_counts_against_the_limit_too() -> None:
    ours = Side(connections=1)
    first, second = await Side().listen(), await Side().listen()
    assert ours.tcp.send(flow_to(first), OPTIONS)
    assert not ours.tcp.send(flow_to(second), OPTIONS)
    await ours.tcp.close()


async def test_the_sweep_closes_idle_connections_and_spares_those_of_calls() -> None:
    theirs = Side(idle_timeout_s=100, first_message_timeout_s=100)
    there = await theirs.listen()
    (_, idle), (_, busy) = [await asyncio.open_connection(*there) for _ in range(2)]
    idle.write(OPTIONS)
    busy.write(OPTIONS)
    await until(lambda: len(theirs.messages) == 2)
    in_call = next(flow for _, flow in theirs.messages if flow.remote == busy.get_extra_info("sockname"))
    now = time.monotonic()
    theirs.tcp.sweep(now + 99, {in_call})
    assert theirs.stats.connections_timed_out == 0
    theirs.tcp.sweep(now + 101, {in_call})
    await until(lambda: len(theirs.tcp) == 1)
    assert theirs.stats.connections_timed_out == 1
    theirs.tcp.sweep(now + 101, set())
    await until(lambda: len(theirs.tcp) == 0)
    idle.close()
    busy.close()
    await theirs.tcp.close()


async def test_the_sweep_spares_a_connection_we_opened_for_a_call_by_where_it_leads() -> None:
    ours, theirs = Side(idle_timeout_s=100, first_message_timeout_s=100), Side()
    there = await theirs.listen()
    ours.tcp.send(flow_to(there), OPTIONS)
    await until(lambda: theirs.messages)
    ours.tcp.sweep(time.monotonic() + 1000, {flow_to(there)})
    ours.tcp.sweep(time.monotonic() + 1000, {flow_to(("127.0.0.1", 1)).with_fallback(there)})
    assert ours.stats.connections_timed_out == 0
    ours.tcp.sweep(time.monotonic() + 1000, set())
    assert ours.stats.connections_timed_out == 1
    await ours.tcp.close()
    await theirs.tcp.close()


async def test_a_broken_stream_is_reported() -> None:
    theirs = Side()
    there = await theirs.listen()
    reader, writer = await asyncio.open_connection(*there)
    writer.write(OPTIONS.replace(b"Content-Length: 0", b"Content-Length: x"))
    assert await reader.read() == b""
    assert len(theirs.broken) == 1
    assert theirs.stats.streams_broken == 1
    writer.close()
    await theirs.tcp.close()


async def test_closing_gives_up_what_is_being_opened() -> None:
    ours = Side()
    there = await Side().listen()
    ours.tcp.send(flow_to(there), OPTIONS)
    await ours.tcp.close()
    assert not ours.tcp._opening
    assert not ours.tcp._tasks
    assert ours.failed == []


async def test_a_taken_port_is_an_error() -> None:
    theirs = Side()
    there = await theirs.listen()
    with pytest.raises(OSError):
        await Side().tcp.listen(ListenUrl("tcp", *there))
    await theirs.tcp.close()
