"""A UDP socket for SIP (RFC 3261 §18): one callback per datagram, a bounded number of them per wake-up."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
from collections.abc import Callable

from gateway.sip.flow import SocketAddress
from gateway.sip.transport.limits import TransportLimits, TransportStats
from gateway.sip.transport.listen_url import ListenUrl
from gateway.sip.transport.local_address import LocalAddresses

_LARGEST_DATAGRAM = 65535
_IP_PKTINFO = 8
"""Linux; Python names it from 3.14 on."""
_KEEP_ALIVE = b"\r\n\0 \t"
"""What datagrams consist of that only keep a NAT binding open."""
_TRANSIENT = frozenset((errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.EINTR))

DatagramHandler = Callable[[bytes, SocketAddress, SocketAddress], None]
"""Called with data, our address as the peer used it, and the peer's."""


class UdpListener:
    """Binds at once (raises OSError); ``start`` begins to receive."""

    def __init__(self, url: ListenUrl, limits: TransportLimits, stats: TransportStats, routes: LocalAddresses) -> None:
        self._limits = limits
        self._stats = stats
        self._routes = routes
        self._is_ipv6 = url.is_ipv6
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: DatagramHandler = lambda data, local, remote: None
        self._socket = socket.socket(socket.AF_INET6 if url.is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, limits.udp_receive_buffer_bytes)
            if url.is_ipv6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._has_packet_info = url.is_wildcard and _ask_for_packet_info(self._socket, url.is_ipv6)
            self._socket.bind((url.host, url.port))
        except OSError:
            self._socket.close()
            raise
        self.url = ListenUrl("udp", url.host, self._socket.getsockname()[1])

    def start(self, loop: asyncio.AbstractEventLoop, handle: DatagramHandler) -> None:
        """Hand every datagram to ``handle`` from now on."""
        self._loop = loop
        self._handle = handle
        loop.add_reader(self._socket.fileno(), self._on_readable)

    def close(self) -> None:
        """Stop receiving and free the port. Safe to call twice."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None
        self._socket.close()

    def local_toward(self, remote_host: str) -> SocketAddress:
        """Our address as ``remote_host`` will see it."""
        host = self._routes.toward(remote_host) if self.url.is_wildcard else None
        return (host or self.url.host, self.url.port)

    def _on_readable(self) -> None:
        for _ in range(self._limits.datagrams_per_wake_up):
            if self._loop is None:
                return  # closed by what the last datagram led to
            try:
                received = self._receive()
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of an earlier datagram; the next receive is sound again
            data, local, remote = received
            self._stats.datagrams_received += 1
            if not data.strip(_KEEP_ALIVE):
                self._stats.keep_alives += 1
                continue
            self._handle(data, local, remote)

    def _receive(self) -> tuple[bytes, SocketAddress, SocketAddress]:
        if self._has_packet_info:
            data, ancillary, _, remote = self._socket.recvmsg(_LARGEST_DATAGRAM, 64)
            local_host = _destination(ancillary)
            if local_host is not None:
                return data, (local_host, self.url.port), remote[:2]
        else:
            data, remote = self._socket.recvfrom(_LARGEST_DATAGRAM)
        return data, self.local_toward(remote[0]), remote[:2]

    def send(self, data: bytes, local_host: str, remote: SocketAddress) -> bool:
        """False when ``remote`` cannot be reached this way. A full socket buffer only loses the datagram."""
        try:
            if self._has_packet_info:
                # Answer from the address we were addressed by: a host may have several, and NATs and firewalls
                # let only that one back in.
                self._socket.sendmsg([data], [_source(local_host, self._is_ipv6)], 0, remote)
            else:
                self._socket.sendto(data, remote)
        except OSError as error:
            if error.errno in _TRANSIENT:
                self._stats.datagrams_dropped += 1
                return True
            return False
        self._stats.datagrams_sent += 1
        return True


def _ask_for_packet_info(sock: socket.socket, is_ipv6: bool) -> bool:
    """True when the kernel will tell each datagram's destination address."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        if is_ipv6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    except OSError:
        return False
    return True


def _destination(ancillary: list[tuple[int, int, bytes]]) -> str | None:
    """The local address in a received in_pktinfo or in6_pktinfo (ip(7), RFC 3542 §6.1)."""
    for level, kind, value in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            return socket.inet_ntop(socket.AF_INET, value[4:8])
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return socket.inet_ntop(socket.AF_INET6, value[:16])
    return None


def _source(local_host: str, is_ipv6: bool) -> tuple[int, int, bytes]:
    """The pktinfo that makes a datagram leave from ``local_host``, by whatever interface the route takes."""
    if is_ipv6:
        info = struct.pack("@16sI", socket.inet_pton(socket.AF_INET6, local_host), 0)
        return (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)
    info = struct.pack("@i4s4s", 0, socket.inet_pton(socket.AF_INET, local_host), b"\0\0\0\0")
    return (socket.IPPROTO_IP, _IP_PKTINFO, info)
