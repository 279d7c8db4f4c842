"""The edge of SIP: sockets on one side, the user agent on the other, one timer between them.

The rule is the same whatever happened: feed the core one thing, send everything it says, hand over every event, and
arm the one loop timer for its next deadline.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from gateway.base.clock import earliest
from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.sip.client_requests import ClientRequest
from gateway.sip.events import Event
from gateway.sip.flow import Flow, SocketAddress, Transport, default_port
from gateway.sip.grammar import SipParseError
from gateway.sip.invite.invitation import Invitation
from gateway.sip.transport.commands import EndpointCommands
from gateway.sip.transport.keep_alive import KeepAlive
from gateway.sip.transport.limits import TransportLimits, TransportStats
from gateway.sip.transport.listen_url import ListenUrl
from gateway.sip.transport.local_address import LocalAddresses
from gateway.sip.transport.streams import StreamConnections
from gateway.sip.transport.tls import TlsContexts
from gateway.sip.transport.udp import UdpListener
from gateway.sip.user_agent import UserAgent

_log = logging.getLogger(__name__)

_SWEEP_S = 2.0
"""How often overdue connections are looked for, while there are any."""


class Endpoint(EndpointCommands):
    """Listens where it is told and drives one user agent. All methods belong to the loop's thread.

    ``on_event`` is called plainly, in order, and may call every command; what it raises is logged and goes no further.
    """

    def __init__(
        self,
        user_agent: UserAgent,
        listen: Sequence[str | ListenUrl],
        *,
        on_event: Callable[[Event], None],
        limits: TransportLimits | None = None,
        tls: TlsContexts | None = None,
        origins: Collection[str] = (),
    ) -> None:
        """``origins``: the web pages that may connect over WebSocket; when it is empty all may."""
        self.user_agent = user_agent
        self.stats = TransportStats()
        self.listening: tuple[ListenUrl, ...] = ()
        """Where it really listens, in the order asked for; empty before ``start``."""
        self._urls = [ListenUrl.parse(url) if isinstance(url, str) else url for url in listen]
        self._on_event = on_event
        self._limits = limits or TransportLimits()
        self._routes = LocalAddresses()
        self._udp: list[UdpListener] = []
        self._udp_by_local: dict[SocketAddress, UdpListener] = {}
        self._streams = StreamConnections(
            self._limits,
            self.stats,
            on_message=self._receive,
            on_broken=self._receive_broken,
            on_failed=self._fail,
            on_opened=self._arm,
            hears=self._hears,
            on_lost=self._lose,
            on_refused=self._note_refusal,
            knows=lambda flow: user_agent.knows(flow, time.monotonic()),
            tls=tls,
            origins=origins,
        )
        self._keep_alive = KeepAlive(
            connection_of=self._streams.find, send=self._send, on_failed=lambda flow: self._lose((flow,))
        )
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None
        self._next_sweep: float | None = None
        self._is_driving = False
        self._is_stopped = False

    # Life

    async def start(self) -> None:
        """Bind everything, then begin to receive. Raises OSError, with nothing left bound."""
        try:
            listening: list[ListenUrl] = []
            for url in self._urls:
                if url.transport == "udp":
                    listener = UdpListener(url, self._limits, self.stats, self._routes)
                    self._udp.append(listener)
                    listening.append(listener.url)
                else:
                    listening.append(await self._streams.listen(url))
        except (OSError, LocalProtocolError):
            await self.stop()
            raise
        self.listening = tuple(listening)
        loop = asyncio.get_running_loop()
        for listener in self._udp:
            listener.start(loop, self._datagram_handler(listener))
        self.drive()

    async def stop(self) -> None:
        """Send what is still to be sent and close every socket. Calls are not ended: do that first."""
        self._send_all()
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for listener in self._udp:
            listener.close()
        self._udp.clear()
        self._udp_by_local.clear()
        await self._streams.close()

    def port(self, transport: Transport) -> int:
        """The port of the first listener of a transport."""
        for url in self.listening:
            if url.transport == transport:
                return url.port
        raise LocalProtocolError(f"this endpoint does not listen on {transport}")

    @property
    def connections(self) -> int:
        """Connections that are open, handshakes included: TCP, TLS and WebSocket."""
        return len(self._streams)

    def flow_to(
        self, remote: SocketAddress, transport: Transport = "udp", *, server_name: str = "", profile: str = ""
    ) -> Flow:
        """The flow on which a call to ``remote`` (an IP literal and a port) is placed."""
        try:
            is_ipv6 = ipaddress.ip_address(remote[0]).version == 6
        except ValueError:
            raise LocalProtocolError(f"{remote[0]!r} is not an IP address; resolve the name first") from None
        url = next((url for url in self.listening if url.transport == transport and url.is_ipv6 is is_ipv6), None)
        if url is None and transport == "udp":
            raise LocalProtocolError(f"no UDP listener of the address family of {remote[0]}")
        host = None if url is not None and not url.is_wildcard else self._routes.toward(remote[0])
        if host is None:
            host = url.host if url is not None else ""
        local = (host, url.port if url is not None else default_port(transport))
        return Flow(transport, local, remote, server_name=server_name, profile=profile)

    # Commands of the call layer (see UserAgent)

    def invite(self, invitation: Invitation) -> str:
        """Place a call over hops that are flows of ``flow_to``; returns its id, which is its Call-ID, before any event
        of it is told."""
        for flow in invitation.hops:
            if flow.transport == "udp" and self._udp_of(flow) is None:
                raise CapacityError(f"no UDP listener at {flow.local}")
        call = self.user_agent.invite(invitation, time.monotonic())
        # The caller must know the id before the first event names it.
        asyncio.get_running_loop().call_soon(self.drive)
        return call

    def redirect(
        self,
        call: str,
        request_uri: str,
        hops: Sequence[Flow],
        *,
        contact: str | None = None,
        route: Sequence[str] | None = None,
    ) -> None:
        """Follow a ``CallRedirected``."""
        self.user_agent.redirect(call, request_uri, hops, time.monotonic(), contact=contact, route=route)
        self.drive()

    def give_up(self, call: str) -> None:
        """Follow no contact of a ``CallRedirected``."""
        self.user_agent.give_up(call)
        self.drive()

    def send_request(self, request: ClientRequest) -> str:
        """Send a request outside dialogs on a flow of ``flow_to``; returns its id before its outcome is told."""
        request_id = self.user_agent.send_request(request, time.monotonic())
        # The sender must know the id before the event that names it.
        asyncio.get_running_loop().call_soon(self.drive)
        return request_id

    def keep_alive(self, flows: Mapping[Flow, float | None]) -> None:
        """Keep these flows open by pings, and no others (RFC 5626 §4.4); the user agent is told of those that fail.

        Each with the seconds within which its far end wants a ping (Flow-Timer), None where it has not said.

        Their connections are not idle, whatever is said on them. A flow that has failed is not pinged again until it
        is named in another call of this. A pong is only missed from a peer that has sent one before on the connection,
        or that speaks WebSocket: plain equipment sends none and is watched over by the kernel.
        """
        self._keep_alive.keep(flows, time.monotonic())
        self._arm()

    # Driving

    def drive(self) -> None:
        """Send, hand over, arm. Commands from within an event handler are carried out by the drive that is running."""
        if self._is_driving:
            return
        self._is_driving = True
        try:
            while True:
                has_sent = self._send_all()
                event = self.user_agent.next_event()
                if event is not None:
                    self._hand_over(event)
                elif not has_sent:
                    break
        finally:
            self._is_driving = False
        self._arm()

    def _send_all(self) -> bool:
        outgoing = self.user_agent.take_outgoing()
        for flow, data in outgoing:
            if not self._send(flow, data):
                self._note_failure(flow, data)
        return bool(outgoing)

    def _note_failure(self, flow: Flow, data: bytes) -> None:
        self.stats.send_failures += 1
        self.user_agent.send_failed(flow, data, time.monotonic())

    def _send(self, flow: Flow, data: bytes) -> bool:
        if flow.is_reliable:
            return self._streams.send(flow, data)
        listener = self._udp_of(flow)
        return listener is not None and listener.send(data, flow.local[0], flow.remote)

    def _udp_of(self, flow: Flow) -> UdpListener | None:
        """The socket of a flow's local address; a wildcard one has many."""
        listener = self._udp_by_local.get(flow.local)
        if listener is None:
            is_ipv6 = ":" in flow.remote[0]
            fitting = (
                candidate
                for candidate in self._udp
                if candidate.url.port == flow.local[1]
                and candidate.url.is_ipv6 is is_ipv6
                and (candidate.url.is_wildcard or candidate.url.host == flow.local[0])
            )
            listener = next(fitting, None)
            if listener is not None:
                self._udp_by_local[flow.local] = listener
        return listener

    def _hand_over(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - a fault in one call's handling must not stop all others
            self.stats.handler_faults += 1
            _log.exception("the handler of %s failed", type(event).__name__)

    def _arm(self) -> None:
        if self._is_stopped:
            return
        if len(self._streams) == 0:
            self._next_sweep = None
        elif self._next_sweep is None:
            self._next_sweep = time.monotonic() + _SWEEP_S
        deadline = earliest(self.user_agent.next_deadline(), self._next_sweep, self._keep_alive.next_deadline())
        if deadline == self._armed_for and (self._timer is not None or deadline is None):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = deadline
        if deadline is not None:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        # The loop may round the delay down: never before what it was armed for, or it would spin.
        now = max(time.monotonic(), self._armed_for or 0.0)
        self._timer = None
        if self._next_sweep is not None and now >= self._next_sweep:
            self._next_sweep = None
            self._streams.sweep(now, self.user_agent.live_flows() | self._keep_alive.flows)
        self._keep_alive.handle_timeout(now)
        self.user_agent.handle_timeout(now)
        self.drive()

    # What the sockets bring

    def _datagram_handler(self, listener: UdpListener) -> Callable[[bytes, SocketAddress, SocketAddress], None]:
        def handle(data: bytes, local: SocketAddress, remote: SocketAddress) -> None:
            self._udp_by_local[local] = listener
            self._receive(data, Flow("udp", local, remote))

        return handle

    def _hears(self, flow: Flow) -> bool:
        is_heard = self.user_agent.hears(flow, time.monotonic())
        if not is_heard:
            self.drive()
        return is_heard

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.user_agent.receive_message(data, flow, time.monotonic())
        self.drive()

    def _receive_broken(self, error: SipParseError, flow: Flow) -> None:
        self.user_agent.receive_unreadable(error, flow, time.monotonic())
        self.drive()

    def _fail(self, flow: Flow, data: bytes) -> None:
        self._note_failure(flow, data)
        self.drive()

    def _lose(self, flows: Iterable[Flow]) -> None:
        for flow in flows:
            self.user_agent.flow_failed(flow, time.monotonic())
        self.drive()

    def _note_refusal(self, flow: Flow, rule: str) -> None:
        self.user_agent.connection_refused(flow, rule)
        self.drive()
