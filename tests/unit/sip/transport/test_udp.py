"""The UDP socket on loopback."""

from __future__ import annotations

import asyncio
import itertools
import socket

import pytest

from gateway.sip.flow import SocketAddress
from gateway.sip.transport.limits import TransportLimits, TransportStats
from gateway.sip.transport.listen_url import ListenUrl
from gateway.sip.transport.local_address import LocalAddresses
from gateway.sip.transport.udp import UdpListener
from tests.support.waiting import PATIENCE_S, until

Received = tuple[bytes, SocketAddress, SocketAddress]


class Listening:
    """A listener and a phone's socket."""

    def __init__(self, url: str = "udp://127.0.0.1:0", limits: TransportLimits | None = None) -> None:
        self.stats = TransportStats()
        parsed = ListenUrl.parse(url)
        self.listener = UdpListener(parsed, limits or TransportLimits(), self.stats, LocalAddresses())
        self.received: list[Received] = []
        family = socket.AF_INET6 if parsed.is_ipv6 else socket.AF_INET
        self.phone = socket.socket(family, socket.SOCK_DGRAM)
        self.phone.bind(("::1" if parsed.is_ipv6 else "127.0.0.1", 0))
        self.phone.settimeout(2)
        loop = asyncio.get_running_loop()
        self.listener.start(loop, lambda data, local, remote: self.received.append((data, local, remote)))

    async def until(self, count: int) -> None:
        await until(lambda: len(self.received) >= count)

    def close(self) -> None:
        self.listener.close()
        self.phone.close()


async def test_a_datagram_comes_with_both_addresses_and_goes_back() -> None:
    listening = Listening()
    port = listening.listener.url.port
    assert port != 0
    listening.phone.sendto(b"hello", ("127.0.0.1", port))
    await listening.until(1)
    phone = listening.phone.getsockname()
    assert listening.received == [(b"hello", ("127.0.0.1", port), phone)]
    assert listening.listener.send(b"back", "127.0.0.1", phone)
    assert listening.phone.recvfrom(100) == (b"back", ("127.0.0.1", port))
    assert listening.stats.datagrams_sent == listening.stats.datagrams_received == 1
    listening.close()


async def test_a_wildcard_socket_answers_from_the_address_it_was_asked_at() -> None:
    listening = Listening("udp://0.0.0.0:0")
    port = listening.listener.url.port
    listening.phone.sendto(b"hello", ("127.0.0.53", port))
    await listening.until(1)
    _, local, remote = listening.received[0]
    assert local == ("127.0.0.53", port)
    listening.listener.send(b"back", local[0], remote)
    assert listening.phone.recvfrom(100) == (b"back", ("127.0.0.53", port))
    listening.close()


async def test_datagrams_go_both_ways_over_ipv6() -> None:
    try:
        listening = Listening("udp://[::]:0")
    except OSError:
        pytest.skip("this machine has no IPv6")
    port = listening.listener.url.port
    listening.phone.sendto(b"hello", ("::1", port))
    await listening.until(1)
    _, local, remote = listening.received[0]
    assert local == ("::1", port)
    assert remote == listening.phone.getsockname()[:2]
    assert listening.listener.send(b"back", local[0], remote)
    assert listening.phone.recvfrom(100)[0] == b"back"
    listening.close()


async def test_keep_alives_are_counted_and_kept_from_the_core() -> None:
    listening = Listening()
    address = ("127.0.0.1", listening.listener.url.port)
    for data in (b"", b"\r\n\r\n", b"\0\0\0\0", b"\r\n", b"real"):
        listening.phone.sendto(data, address)
    await listening.until(1)
    assert [data for data, _, _ in listening.received] == [b"real"]
    assert listening.stats.keep_alives == 4
    listening.close()


async def test_a_burst_is_taken_in_bounded_portions_but_whole() -> None:
    listening = Listening(limits=TransportLimits(datagrams_per_wake_up=4))
    address = ("127.0.0.1", listening.listener.url.port)
    for number in range(50):
        listening.phone.sendto(b"%d" % number, address)
    sizes: list[int] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(listening.received) < 50:
            await asyncio.sleep(0)
            sizes.append(len(listening.received))
    steps = [after - before for before, after in itertools.pairwise([0, *sizes])]
    assert max(steps) <= 4
    assert [data for data, _, _ in listening.received] == [b"%d" % number for number in range(50)]
    listening.close()


async def test_what_cannot_be_sent_is_told() -> None:
    listening = Listening()
    assert not listening.listener.send(b"x" * 70_000, "127.0.0.1", ("127.0.0.1", 9)), "longer than a datagram"
    assert not listening.listener.send(b"x", "127.0.0.1", ("127.0.0.1", 0))
    listening.close()
    assert not listening.listener.send(b"x", "127.0.0.1", ("127.0.0.1", 9)), "closed"
    listening.close()


async def test_a_taken_port_is_an_error_at_once() -> None:
    listening = Listening()
    with pytest.raises(OSError):
        Listening(f"udp://127.0.0.1:{listening.listener.url.port}")
    listening.close()


async def test_closing_while_datagrams_wait_is_safe() -> None:
    listening = Listening()
    address = ("127.0.0.1", listening.listener.url.port)
    loop = asyncio.get_running_loop()
    taken: list[bytes] = []

    def close_at_first(data: bytes, local: SocketAddress, remote: SocketAddress) -> None:
        taken.append(data)
        listening.listener.close()

    listening.listener.start(loop, close_at_first)
    for _ in range(5):
        listening.phone.sendto(b"x", address)
    await until(lambda: taken)  # the others waited for the same wake-up
    assert taken == [b"x"]
    listening.close()
