"""One connection over a real socket pair: framing, keep-alives, bounds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket

from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError
from gateway.sip.transport.limits import TransportLimits, TransportStats
from gateway.sip.transport.stream_connection import StreamConnection
from tests.support.sip_peer import request
from tests.support.waiting import PATIENCE_S, until

OPTIONS = request("OPTIONS").to_bytes()


class Owner:
    def __init__(self, accepts: bool = True) -> None:
        self.accepts = accepts
        self.opened = 0
        self.messages: list[bytes] = []
        self.broken: list[SipParseError] = []
        self.closed = self.secured = self.ready = 0
        self.refused: list[str] = []

    def connection_opened(self, connection: StreamConnection) -> bool:
        self.opened += 1
        return self.accepts

    def connection_secured(self, connection: StreamConnection) -> None:
        self.secured += 1

    def connection_ready(self, connection: StreamConnection) -> None:
        self.ready += 1

    def connection_refused(self, connection: StreamConnection, rule: str, text: str) -> None:
        self.refused.append(rule)

    def connection_closed(self, connection: StreamConnection, error: Exception | None) -> None:
        self.closed += 1

    def message_received(self, data: bytes, connection: StreamConnection) -> None:
        self.messages.append(data)

    def stream_broken(self, error: SipParseError, flow: Flow) -> None:
        self.broken.append(error)


class Link:
    """A connection of ours and the blocking socket of its peer."""

    def __init__(self, owner: Owner, connection: StreamConnection, peer: socket.socket) -> None:
        self.owner = owner
        self.connection = connection
        self.peer = peer

    @classmethod
    async def open(cls, limits: TransportLimits | None = None, accepts: bool = True) -> Link:
        loop = asyncio.get_running_loop()
        owner = Owner(accepts)
        connection = StreamConnection(5, owner, limits or TransportLimits(), TransportStats())
        server = await loop.create_server(lambda: connection, "127.0.0.1", 0)
        peer = socket.socket()
        peer.settimeout(2)
        await loop.run_in_executor(None, peer.connect, server.sockets[0].getsockname())
        await until(lambda: owner.opened)
        server.close()
        return cls(owner, connection, peer)

    async def receive(self) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(None, self.peer.recv, 65536)


async def test_split_and_joined_messages_come_out_whole() -> None:
    link = await Link.open()
    messages = link.owner.messages
    link.peer.sendall(OPTIONS[:10])
    await until(lambda: link.connection.waiting_since is not None)
    link.peer.sendall(OPTIONS[10:])
    await until(lambda: len(messages) == 1)
    link.peer.sendall(OPTIONS + OPTIONS[:50])
    await until(lambda: len(messages) == 2 and link.connection.waiting_since is not None)
    link.peer.sendall(OPTIONS[50:])
    await until(lambda: len(messages) == 3)
    assert messages == [OPTIONS] * 3
    assert link.connection.has_carried_message
    assert link.connection.waiting_since is None
    assert link.connection.flow == Flow("tcp", link.connection.local, link.peer.getsockname(), 5)
    link.peer.close()
    await until(lambda: link.owner.closed == 1)
    assert not link.connection.is_usable
    assert not link.connection.write(b"late")


async def test_the_kernel_watches_over_a_silent_peer() -> None:
    link = await Link.open()
    transport = link.connection._transport
    assert transport is not None
    assert transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    link.peer.close()


async def test_a_ping_gets_a_pong() -> None:
    link = await Link.open()
    link.peer.sendall(b"\r\n\r\n")
    assert await link.receive() == b"\r\n"
    link.peer.sendall(b"\r\n\r\n\r\n\r\n" + OPTIONS)
    assert await link.receive() == b"\r\n\r\n"
    await until(lambda: link.owner.messages)
    link.peer.close()


async def test_a_stream_that_cannot_be_framed_is_closed_after_its_answer() -> None:
    link = await Link.open()
    link.owner.stream_broken = lambda error, flow: link.connection.write(b"answer") and None  # type: ignore[assignment]
    link.peer.sendall(OPTIONS.replace(b"Content-Length: 0", b"Content-Length: x"))
    assert await link.receive() == b"answer"
    assert await link.receive() == b""
    assert link.connection.closing_since is not None
    link.peer.close()


async def test_many_messages_at_once_are_taken_in_portions() -> None:
    link = await Link.open(TransportLimits(messages_per_wake_up=3))
    portions = [0]
    link.peer.sendall(OPTIONS * 100)  # less than the kernel keeps: it does not block
    async with asyncio.timeout(PATIENCE_S):
        while len(link.owner.messages) < 100:
            await asyncio.sleep(0)
            portions.append(len(link.owner.messages))
    steps = [after - before for before, after in itertools.pairwise(portions)]
    assert 0 < max(steps) <= 3
    assert link.owner.messages == [OPTIONS] * 100
    link.peer.sendall(OPTIONS)
    await until(lambda: len(link.owner.messages) == 101)
    link.peer.close()


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    link = await Link.open(TransportLimits(write_backlog_bytes=10_000))
    await until(lambda: not link.connection.write(b"x" * 65536))
    await until(lambda: link.owner.closed == 1)
    link.peer.close()


async def test_one_connection_too_many_is_cut_off() -> None:
    link = await Link.open(accepts=False)
    await until(lambda: link.owner.closed == 1)
    assert not link.connection.is_usable
    with contextlib.suppress(ConnectionResetError):
        assert await link.receive() == b""
    link.peer.close()


async def test_when_a_connection_has_had_its_time() -> None:
    limits = TransportLimits(first_message_timeout_s=10, idle_timeout_s=100)
    link = await Link.open(limits)
    opened = link.connection.opened_at
    assert not link.connection.is_overdue(opened + 9, is_in_use=False)
    assert link.connection.is_overdue(opened + 11, is_in_use=False), "it never said anything"
    assert not link.connection.is_overdue(opened + 11, is_in_use=True), "we opened it and speak first"

    link.connection.heard_at = 0
    link.peer.sendall(OPTIONS)
    await until(lambda: link.owner.messages)
    heard = link.connection.heard_at
    assert heard >= opened
    assert not link.connection.is_overdue(heard + 99, is_in_use=False)
    assert link.connection.is_overdue(heard + 101, is_in_use=False)
    assert not link.connection.is_overdue(heard + 10_000, is_in_use=True), "a call lives on it"

    link.peer.sendall(OPTIONS[:30])
    await until(lambda: link.connection.waiting_since is not None)
    since = link.connection.waiting_since
    assert since is not None
    assert not link.connection.is_overdue(since + 9, is_in_use=True)
    assert link.connection.is_overdue(since + 11, is_in_use=True), "a message that never gets complete"
    link.peer.close()
