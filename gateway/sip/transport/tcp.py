"""All TCP connections of an endpoint: accepted ones, those opened to send on, and their limits."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.sip.flow import Flow, SocketAddress
from gateway.sip.grammar import SipParseError
from gateway.sip.transport.limits import TransportLimits, TransportStats
from gateway.sip.transport.listen_url import ListenUrl
from gateway.sip.transport.tcp_connection import TcpConnection

_LINGER_S = 5.0
"""How long a closing connection may take to deliver its last bytes."""


@dataclass(slots=True)
class _Opening:
    """A connection attempt and what waits for it."""

    local_host: str
    """Our address that the peer knows: it may let in no other."""
    messages: list[tuple[Flow, bytes]] = field(default_factory=list)


class TcpConnections:
    """Finds or opens the connection a flow wants. Reports messages, broken streams and what could not be sent."""

    def __init__(
        self,
        limits: TransportLimits,
        stats: TransportStats,
        *,
        on_message: Callable[[bytes, Flow], None],
        on_broken: Callable[[SipParseError, Flow], None],
        on_failed: Callable[[Flow, bytes], None],
        on_opened: Callable[[], None],
        hears: Callable[[Flow], bool],
    ) -> None:
        self.message_received = on_message
        self.stream_broken = on_broken
        self._on_failed = on_failed
        self._on_opened = on_opened
        self._hears = hears
        self._limits = limits
        self._stats = stats
        self._number = 0
        self._by_number: dict[int, TcpConnection] = {}
        self._by_remote: dict[SocketAddress, TcpConnection] = {}
        self._per_host: Counter[str] = Counter()
        self._opening: dict[SocketAddress, _Opening] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []

    def __len__(self) -> int:
        return len(self._by_number)

    async def listen(self, url: ListenUrl) -> ListenUrl:
        """Accept connections; returns the address with its real port. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._make_connection, url.host, url.port, backlog=512)
        self._servers.append(server)
        return ListenUrl("tcp", url.host, server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, flush and close every connection, give up those being opened."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._opening.clear()
        for connection in list(self._by_number.values()):
            connection.close()
        if self._by_number:
            await asyncio.sleep(0)  # their transports flush and report the loss on the loop's next turn
        for connection in list(self._by_number.values()):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def send(self, flow: Flow, data: bytes) -> bool:
        """False when there is no way to the peer any more.

        The connection of the flow; else one to where the flow says its peer listens, opened if need be. An accepted
        connection that is gone and came without such advice cannot be had again: its remote port was the peer's own.
        """
        connection = self._by_number.get(flow.connection)
        if connection is None and flow.connection == 0:
            connection = self._by_remote.get(flow.remote)
        if connection is not None and connection.is_usable:
            return connection.write(data)
        target = flow.remote if flow.connection == 0 else flow.fallback
        if target is None:
            return False
        connection = self._by_remote.get(target)
        if connection is not None and connection.is_usable:
            return connection.write(data)
        return self._open(target, flow, data)

    def sweep(self, now: float, live_flows: set[Flow]) -> None:
        """Close what is overdue. Called every few seconds, so a walk over all connections is cheap enough."""
        reliable = [flow for flow in live_flows if flow.transport == "tcp"]
        numbers = {flow.connection for flow in reliable}
        remotes = {flow.remote for flow in reliable} | {flow.fallback for flow in reliable}
        for connection in list(self._by_number.values()):
            if connection.closing_since is not None:
                if now - connection.closing_since > _LINGER_S:
                    connection.abort()
            elif connection.is_overdue(now, connection.number in numbers or connection.remote in remotes):
                self._stats.connections_timed_out += 1
                connection.close()

    # What connections report

    def connection_opened(self, connection: TcpConnection) -> bool:
        """Count it in, if there is room and, for one that was accepted, its peer is heard at all."""
        host = connection.remote[0]
        if connection.is_accepted and not self._hears(connection.flow):
            return False
        if (
            len(self._by_number) >= self._limits.connections
            or self._per_host[host] >= self._limits.connections_per_host
        ):
            self._stats.connections_refused += 1
            return False
        self._per_host[host] += 1
        self._by_number[connection.number] = connection
        self._by_remote[connection.remote] = connection
        self._on_opened()
        return True

    def connection_closed(self, connection: TcpConnection) -> None:
        """Count it out."""
        if self._by_number.pop(connection.number, None) is None:
            return  # it was refused
        if self._by_remote.get(connection.remote) is connection:
            del self._by_remote[connection.remote]
        host = connection.remote[0]
        self._per_host[host] -= 1
        if not self._per_host[host]:
            del self._per_host[host]

    def _make_connection(self) -> TcpConnection:
        self._stats.connections_accepted += 1
        return self._new_connection(is_accepted=True)

    def _new_connection(self, *, is_accepted: bool = False) -> TcpConnection:
        self._number += 1
        return TcpConnection(self._number, self, self._limits, self._stats, is_accepted=is_accepted)

    def _open(self, target: SocketAddress, flow: Flow, data: bytes) -> bool:
        opening = self._opening.get(target)
        if opening is None:
            if len(self._by_number) + len(self._opening) >= self._limits.connections:
                return False
            opening = self._opening[target] = _Opening(flow.local[0])
            task = asyncio.get_running_loop().create_task(self._connect(target), name=f"sip tcp to {target[0]}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if len(opening.messages) >= self._limits.waiting_messages:
            return False
        opening.messages.append((flow, data))
        return True

    async def _connect(self, target: SocketAddress) -> None:
        connection: TcpConnection | None = None
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                loop = asyncio.get_running_loop()
                local = (self._opening[target].local_host, 0)
                family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
                _, connection = await loop.create_connection(
                    self._new_connection, *target, family=family, local_addr=local
                )
        except (OSError, TimeoutError):
            connection = None
        opening = self._opening.pop(target)
        if connection is not None and connection.is_usable:
            self._stats.connections_opened += 1
            if all(connection.write(data) for _, data in opening.messages):
                return
        for flow, data in opening.messages:
            self._on_failed(flow, data)
