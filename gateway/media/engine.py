"""Edge: the media of all calls: ports, pacer and one housekeeping timer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from gateway.base.errors import CapacityError
from gateway.base.ids import IdSource
from gateway.media.config import StreamConfig
from gateway.media.pacer import Pacer
from gateway.media.port import RECEIVE_BYTES, MediaPort, PortHost
from gateway.media.port_pool import PortPair, PortPool
from gateway.media.stream import RtpStream

_SOONEST_S = 0.001
ROUND_S = 0.02
"""Housekeeping comes round once for each frame of speech."""
_STALLED_S = 0.05
"""A round so late means that the loop stood still: packets wait unread, and silence must not take their place."""


class MediaEngine:
    """Opens a port for each call. Everything but the pacer's sending happens in the event loop's thread."""

    def __init__(
        self,
        bind_addresses: str | Sequence[str],
        ports: range,
        *,
        ids: IdSource | None = None,
        quarantine_s: float = 2.0,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """``bind_addresses``: one of each IP version that calls may use, the first one's is the usual.

        ``ports`` holds every port that may be used, RTCP's included; each version has them all.
        """
        addresses = (bind_addresses,) if isinstance(bind_addresses, str) else tuple(bind_addresses)
        self.pacer = Pacer()
        self._ids = ids or IdSource()
        pools = [PortPool(address, ports, self._ids, quarantine_s=quarantine_s) for address in addresses]
        self.pool = pools[0]
        self._pools = {pool.is_ipv6: pool for pool in pools}
        self._loop = loop
        self._host: PortHost | None = None
        self._open: set[MediaPort] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._has_postponed = False

    def open(
        self,
        config: StreamConfig,
        *,
        on_audio: Callable[[bytes], None],
        on_digit: Callable[[str], None],
        on_drained: Callable[[], None] | None = None,
        is_ipv6: bool | None = None,
    ) -> MediaPort:
        """Bind a pair of ports for a call, of the usual IP version or the one asked for.

        Raises CapacityError when there is none.

        A call that has yet to answer needs the port first: its ``config`` says no remote address, and the stream is
        updated before the port starts. The callbacks run in the event loop's thread.
        """
        now = time.monotonic()
        stream = RtpStream(config, self._ids, on_audio=on_audio, on_digit=on_digit, on_drained=on_drained)
        pair = self._acquire(self.pool.is_ipv6 if is_ipv6 is None else is_ipv6)
        port = MediaPort(pair, stream, self._make_host())
        self._open.add(port)
        if self._timer is None:
            self._arm(now + ROUND_S)
        return port

    def close(self) -> None:
        """Close every port and end the pacer's thread. A second time does nothing."""
        for port in tuple(self._open):
            port.close()
        self.pacer.stop()
        self._disarm()

    @property
    def open_ports(self) -> int:
        """Ports of live calls: zero when there is none, or something leaks."""
        return len(self._open)

    def _acquire(self, is_ipv6: bool) -> PortPair:
        pool = self._pools.get(is_ipv6)
        if pool is None:
            version = "IPv6" if is_ipv6 else "IPv4"
            raise CapacityError(f"no RTP over {version}: SIP listens on no address of it; add one to sip.listen")
        return pool.acquire(time.monotonic())

    def _give_back(self, pair: PortPair) -> None:
        self._pools[pair.is_ipv6].release(pair, time.monotonic())

    def _make_host(self) -> PortHost:
        if self._host is None:
            loop = self._loop or asyncio.get_running_loop()
            buffer = bytearray(RECEIVE_BYTES)
            self._host = PortHost(
                loop, self.pacer, buffer, self._wake_at, self._release, self._acquire, self._give_back
            )
        return self._host

    def _release(self, port: MediaPort) -> None:
        self._open.discard(port)
        self._give_back(port.pair)
        if not self._open:
            self._disarm()

    def _wake_at(self, deadline: float) -> None:
        if self._timer is not None and deadline < self._due_at:
            self._disarm()
            self._arm(deadline)

    def _arm(self, due_at: float) -> None:
        self._due_at = due_at
        delay = max(due_at - time.monotonic(), _SOONEST_S)
        self._timer = self._make_host().loop.call_later(delay, self._keep_house)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _keep_house(self) -> None:
        now = time.monotonic()
        self._timer = None
        if now - self._due_at > _STALLED_S and not self._has_postponed:
            self._has_postponed = True
            self._arm(now + ROUND_S)
            return
        self._has_postponed = False
        next_at = now + ROUND_S
        for port in tuple(self._open):
            gap_deadline = port.handle_timeout(now)
            if gap_deadline is not None:
                next_at = min(next_at, gap_deadline)
        if self._open and self._timer is None:
            self._arm(next_at)
