"""All connections of an endpoint, over TCP, TLS and WebSocket: accepted ones, those opened to send on, their limits."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from gateway.base.errors import LocalProtocolError
from gateway.sip.flow import Flow, SocketAddress, Transport
from gateway.sip.grammar import SipParseError, format_host_port
from gateway.sip.source import source_key
from gateway.sip.transport.aliases import Aliases, asks_for_alias
from gateway.sip.transport.limits import TransportLimits, TransportStats
from gateway.sip.transport.listen_url import ListenUrl
from gateway.sip.transport.stream_connection import StreamConnection
from gateway.sip.transport.tls import TlsContexts
from gateway.sip.transport.tls_names import covers, names_of
from gateway.sip.transport.tls_session import TlsFault, TlsSession
from gateway.sip.transport.websocket import WebSocketStream

_LINGER_S = 5.0
"""How long a closing connection may take to deliver its last bytes."""

HANDSHAKE_COST = 8
"""Messages that a stranger's TLS handshake counts as. With a key of RSA 4096 it takes 4 ms: a thousand in a second, as
many as strangers may send messages, would be four processors' work."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """What tells one connection of ours from another: where it leads, and who verifies whom on the way."""

    transport: Transport
    address: SocketAddress
    server_name: str = ""
    profile: str = ""


@dataclass(slots=True)
class _Opening:
    """A connection attempt and what waits for it."""

    flow: Flow
    """Its local address is ours that the peer knows: it may let in no other."""
    messages: list[tuple[Flow, bytes]] = field(default_factory=list)


class StreamConnections:
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
        on_lost: Callable[[Iterable[Flow]], None] = lambda flows: None,
        on_refused: Callable[[Flow, str], None] = lambda flow, rule: None,
        knows: Callable[[Flow], bool] = lambda flow: False,
        tls: TlsContexts | None = None,
        origins: Collection[str] = (),
    ) -> None:
        """``on_lost``: requests sent on these flows get no answer any more. ``on_refused``: a peer is cut off.
        ``knows``: who connects is no stranger, and has room where strangers have taken all that they may."""
        self.stream_broken = on_broken
        self._on_message = on_message
        self._on_failed = on_failed
        self._on_opened = on_opened
        self._on_lost = on_lost
        self._on_refused = on_refused
        self._hears = hears
        self._knows = knows
        self._limits = limits
        self._stats = stats
        self._tls = tls
        self._origins = tuple(origins)
        self._number = 0
        self._by_number: dict[int, StreamConnection] = {}
        self._by_peer: dict[Peer, StreamConnection] = {}
        self._aliases = Aliases()
        self._per_host: Counter[str] = Counter()
        self._shaking: dict[int, str] = {}
        """Hosts of the accepted connections whose handshakes are not done."""
        self._strangers: set[int] = set()
        self._opening: dict[Peer, _Opening] = {}
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._is_closing = False

    def __len__(self) -> int:
        return len(self._by_number)

    async def listen(self, url: ListenUrl) -> ListenUrl:
        """Accept connections; returns the address with its real port. Raises OSError, LocalProtocolError."""
        if url.transport in ("tls", "wss") and (self._tls is None or self._tls.server is None):
            raise LocalProtocolError(f"cannot listen on {url} without a certificate; give sip.tls one")
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: self._accept(url), url.host, url.port, backlog=512)
        self._servers.append(server)
        return ListenUrl(url.transport, url.host, server.sockets[0].getsockname()[1], url.path)

    async def close(self) -> None:
        """Stop listening, flush and close every connection, give up those being opened."""
        self._is_closing = True
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

    # Sending

    def send(self, flow: Flow, data: bytes) -> bool:
        """False when there is no way to the peer any more.

        The connection of the flow; else one to where the flow says its peer listens, opened if need be. An accepted
        connection that is gone and came without such advice cannot be had again: its remote port was the peer's own.
        """
        connection = self.find(flow)
        if connection is not None:
            return connection.write(data, flow)
        target = self._target_of(flow)
        return target is not None and self._open(target, flow, data)

    def find(self, flow: Flow) -> StreamConnection | None:
        """The connection that a message on ``flow`` leaves by, if it is up."""
        connection = self._by_number.get(flow.connection)
        if connection is None:
            target = self._target_of(flow)
            if target is None:
                return None
            connection = self._by_peer.get(target) or self._by_number.get(
                self._aliases.find(target.transport, target.address, target.server_name)
            )
        return connection if connection is not None and connection.is_usable and connection.is_ready else None

    def _target_of(self, flow: Flow) -> Peer | None:
        """Where a connection for ``flow`` leads that is not the one it came on."""
        address = flow.remote if flow.connection == 0 else flow.fallback
        if address is None or (flow.is_websocket and flow.connection != 0):
            return None
        profile = flow.profile
        if flow.is_secure and not profile and self._tls is not None:
            profile = self._tls.profile_of(address[0])
        return Peer(flow.transport, address, flow.server_name, profile)

    def _open(self, target: Peer, flow: Flow, data: bytes) -> bool:
        opening = self._opening.get(target)
        if opening is None:
            has_room = len(self._by_number) + len(self._opening) < self._limits.connections
            if not has_room or self._is_closing or target.transport not in ("tcp", "tls"):
                return False
            opening = self._opening[target] = _Opening(flow)
            name = f"sip {target.transport} to {target.address[0]}"
            task = asyncio.get_running_loop().create_task(self._connect(target, opening), name=name)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if len(opening.messages) >= self._limits.waiting_messages:
            return False
        opening.messages.append((flow, data))
        return True

    async def _connect(self, target: Peer, opening: _Opening) -> None:
        connection: StreamConnection | None = None
        failure = ""
        try:
            connection = self._new_connection(target, opening.flow)
            async with asyncio.timeout(self._limits.connect_timeout_s):
                await self._reach(target, opening.flow.local[0], connection)
        except Exception as error:  # noqa: BLE001 - whatever it is: who waits for the connection must hear of it
            failure = (connection.failure if connection is not None else "") or str(error) or "no answer in time"
        del self._opening[target]
        if connection is not None and not failure and connection.is_usable:
            self._stats.connections_opened += 1
            if all(connection.write(data, flow) for flow, data in opening.messages):
                return
        elif connection is not None:
            connection.abort()
        where = format_host_port(*target.address)
        _log.warning("cannot reach %s over %s: %s", where, target.transport, failure or "closed by the peer")
        for flow, data in opening.messages:
            self._on_failed(flow, data)

    async def _reach(self, target: Peer, local_host: str, connection: StreamConnection) -> None:
        loop = asyncio.get_running_loop()
        ready = self._waiting[connection.number] = loop.create_future()
        family = socket.AF_INET6 if ":" in target.address[0] else socket.AF_INET
        try:
            await loop.create_connection(lambda: connection, *target.address, family=family, local_addr=(local_host, 0))
            await ready
        finally:
            del self._waiting[connection.number]
            ready.cancel()

    def _new_connection(self, target: Peer, flow: Flow) -> StreamConnection:
        self._number += 1
        session = None
        opened_for = Flow(target.transport, flow.local, target.address, 0, target.server_name, target.profile)
        if target.transport == "tls":
            contexts = self._tls = self._tls or TlsContexts()
            identity, context = contexts.client(target.profile)
            name = identity.server_name or target.server_name or next(iter(identity.hosts), "")
            session = TlsSession(context, is_server=False, server_name=name)
        return StreamConnection(
            self._number,
            self,
            self._limits,
            self._stats,
            transport=target.transport,
            tls=session,
            opened_for=opened_for,
        )

    # Keeping alive, and closing what has had its time

    def sweep(self, now: float, live_flows: set[Flow]) -> None:
        """Close what is overdue. Called every few seconds, so a walk over all connections is cheap enough."""
        in_use = {number for flow in live_flows if flow.is_reliable for number in self._numbers_of(flow)}
        for connection in list(self._by_number.values()):
            if connection.closing_since is not None:
                if now - connection.closing_since > _LINGER_S:
                    connection.abort()
            elif connection.is_overdue(now, connection.number in in_use):
                self._stats.connections_timed_out += 1
                if not connection.is_ready:
                    self.connection_refused(connection, "handshake_timeout", "no handshake in time")
                connection.close()

    def _numbers_of(self, flow: Flow) -> tuple[int, ...]:
        """The connections that a call on ``flow`` may need: its own, and the one to where its peer listens."""
        fallback = Peer(flow.transport, flow.fallback or flow.remote, flow.server_name, flow.profile)
        found = (self.find(flow), self._by_peer.get(fallback))
        return (flow.connection, *(connection.number for connection in found if connection is not None))

    # What connections report

    def connection_opened(self, connection: StreamConnection) -> bool:
        """Count it in, if there is room and, for one that was accepted, its peer is heard at all.

        Before any handshake: what is not done with it counts like what is, and against bounds of its own besides.
        """
        host = source_key(connection.remote[0])
        is_stranger = connection.is_accepted and not self._knows(connection.flow)
        cost = HANDSHAKE_COST if is_stranger and connection.flow.is_secure else 1
        if connection.is_accepted and not all(self._hears(connection.flow) for _ in range(cost)):
            return False
        rule = self._why_full(connection, host, is_stranger=is_stranger)
        if rule is not None:
            self._stats.connections_refused += 1
            self._on_refused(connection.flow, rule)
            return False
        self._per_host[host] += 1
        if is_stranger:
            self._strangers.add(connection.number)
        self._by_number[connection.number] = connection
        self._by_peer[_peer_of(connection)] = connection
        if connection.is_accepted:
            self._shaking[connection.number] = host
        self._on_opened()
        return True

    def _why_full(self, connection: StreamConnection, host: str, *, is_stranger: bool) -> str | None:
        limits = self._limits
        if self._is_closing or len(self._by_number) >= limits.connections:
            return "connection_limit"
        if is_stranger and len(self._strangers) >= limits.stranger_connections:
            return "connection_limit"
        if self._per_host[host] >= limits.connections_per_host:
            return "connections_per_host"
        if not connection.is_accepted or connection.transport_name == "tcp":
            return None
        strangers = sum(number in self._strangers for number in self._shaking)
        if is_stranger and strangers >= limits.handshakes:
            return "handshake_limit"
        if list(self._shaking.values()).count(host) >= limits.handshakes_per_host:
            return "handshake_limit"
        return None

    def connection_secured(self, connection: StreamConnection) -> None:
        """A peer that we connect to must be who we mean (RFC 5922 §7.4). Raises TlsFault."""
        flow = connection.opened_for
        if flow is None or self._tls is None:
            return
        identity, _ = self._tls.client(flow.profile)
        name = identity.server_name or flow.server_name
        names = (name,) if name else (flow.remote[0], *identity.hosts)
        if identity.verify and not any(covers(connection.certificate, name) for name in names):
            known = ", ".join(names_of(connection.certificate)) or "nobody"
            where = f"trunks.{flow.profile}.tls.server_name" if flow.profile else "the target"
            text = f"certificate is for {known}, not for {' or '.join(names)}; correct {where}"
            raise TlsFault(text, "tls_certificate")

    def connection_ready(self, connection: StreamConnection) -> None:
        """Every handshake is done."""
        self._shaking.pop(connection.number, None)
        waiting = self._waiting.get(connection.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def connection_refused(self, connection: StreamConnection, rule: str, text: str) -> None:
        """Its peer does not speak as it must."""
        waiting = self._waiting.get(connection.number)
        if waiting is not None and not waiting.done():
            waiting.set_exception(TlsFault(text, rule))
        if connection.is_accepted:
            self._on_refused(connection.flow, rule)

    def connection_closed(self, connection: StreamConnection, error: Exception | None) -> None:
        """Count it out. What was asked on it gets no answer any more."""
        waiting = self._waiting.get(connection.number)
        if waiting is not None and not waiting.done():
            waiting.set_exception(error or ConnectionError(connection.failure or "closed by the peer"))
        if self._by_number.pop(connection.number, None) is None:
            return  # it was refused
        self._shaking.pop(connection.number, None)
        peer = _peer_of(connection)
        if self._by_peer.get(peer) is connection:
            del self._by_peer[peer]
        self._aliases.forget(connection.number)
        self._strangers.discard(connection.number)
        host = source_key(connection.remote[0])
        self._per_host[host] -= 1
        if not self._per_host[host]:
            del self._per_host[host]
        if not self._is_closing:
            self._on_lost((connection.flow, *connection.flows))

    def message_received(self, data: bytes, connection: StreamConnection) -> None:
        """One whole message."""
        if connection.is_accepted and asks_for_alias(data):
            self._aliases.learn(data, connection)
        self._on_message(data, connection.flow)

    def _accept(self, url: ListenUrl) -> StreamConnection:
        self._stats.connections_accepted += 1
        self._number += 1
        session = None
        if url.transport in ("tls", "wss"):
            context = self._tls.server if self._tls is not None else None
            assert context is not None, "listen has seen to it"
            session = TlsSession(context, is_server=True)
        stream = WebSocketStream(url.path, self._origins) if url.transport in ("ws", "wss") else None
        return StreamConnection(
            self._number, self, self._limits, self._stats, transport=url.transport, stream=stream, tls=session
        )


def _peer_of(connection: StreamConnection) -> Peer:
    flow = connection.flow
    return Peer(flow.transport, flow.remote, flow.server_name, flow.profile)
