"""Edge: the two sockets of one call, between the network and its stream."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.base.errors import LocalProtocolError
from gateway.media.config import Address
from gateway.media.pacer import Paced, Pacer
from gateway.media.port_pool import PortPair
from gateway.media.stream import RtpStream

_log = logging.getLogger(__name__)

RECEIVE_BYTES = 2048
"""Beyond any telephone packet; a datagram that fills it was longer and is refused."""


@dataclass(frozen=True, slots=True)
class PortHost:
    """What a port needs of the engine it belongs to."""

    loop: asyncio.AbstractEventLoop
    pacer: Pacer
    buffer: bytearray
    """Shared by all ports: a datagram is used up before the next is received."""
    make_wake: Callable[[float], None]
    """Asks for a housekeeping round at a time earlier than the next regular one."""
    release: Callable[[MediaPort], None]
    acquire: Callable[[bool], PortPair]
    """Binds a pair, of IPv6 when told so. Raises CapacityError."""
    give_back: Callable[[PortPair], None]


class MediaPort:
    """One call's place on the network. Belongs to the event loop's thread, except for sending.

    Nothing is sent or heard before ``start`` or after ``close``. In between ``stream`` may be updated at any time.
    """

    def __init__(self, pair: PortPair, stream: RtpStream, host: PortHost) -> None:
        self.stream = stream
        self.send_errors = 0
        """Packets the network stack refused, ICMP answers to earlier ones included."""
        self.receive_errors = 0
        self.oversized = 0
        self.early_datagrams = 0
        """Arrived before the call was up: nobody knew yet where to, so they were meant for somebody else."""
        self.rtcp_datagrams = 0
        self.faults = 0
        """Times the call's own callbacks raised."""
        self._host = host
        self._paced: Paced | None = None
        self._is_closed = False
        self._view = memoryview(host.buffer)
        self._watch(pair)

    def _watch(self, pair: PortPair) -> None:
        self.pair = pair
        self._recvfrom_into = pair.rtp.recvfrom_into
        self._sendto = pair.rtp.sendto
        self._host.loop.add_reader(pair.rtp.fileno(), self._receive)
        self._host.loop.add_reader(pair.rtcp.fileno(), self._receive_rtcp)

    def _unwatch(self) -> None:
        self._host.loop.remove_reader(self.pair.rtp.fileno())
        self._host.loop.remove_reader(self.pair.rtcp.fileno())

    @property
    def local_port(self) -> int:
        """The even port RTP comes to and leaves from: SDP announces it."""
        return self.pair.port

    @property
    def is_closed(self) -> bool:
        """True after ``close``."""
        return self._is_closed

    def speak_ip_of(self, address: str) -> bool:
        """Be reachable by peers of the IP version of ``address``. True when ``local_port`` is another one by that.

        Only before ``start``, later LocalProtocolError. Raises CapacityError when that version has no port.
        """
        is_ipv6 = ":" in address
        if is_ipv6 == self.pair.is_ipv6 or self._is_closed:
            return False
        if self._paced is not None:
            raise LocalProtocolError("audio flows over one IP version: it cannot change to the other any more")
        pair = self._host.acquire(is_ipv6)
        self._unwatch()
        self._host.give_back(self.pair)
        self._watch(pair)
        return True

    def start(self) -> None:
        """The call is up: RTP leaves from now on without a pause, and the caller's silence is filled in."""
        if self._paced is None and not self._is_closed:
            self.stream.start(time.monotonic())
            self._paced = self._host.pacer.add(self._send, self.stream.frame_ms)

    def close(self) -> None:
        """End: when this returns nothing more is sent or received. A second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._paced is not None:
            self._host.pacer.remove(self._paced)
        self._unwatch()
        self._host.release(self)

    def handle_timeout(self, now: float) -> float | None:
        """The engine's housekeeping round. Answers when a gap has to be given up, if one holds audio back."""
        stream = self.stream
        if self._is_closed:
            return None
        if self._paced is not None and self._paced.frame_ms != stream.frame_ms:
            self._host.pacer.change(self._paced, stream.frame_ms)
        try:
            stream.handle_timeout(now)
        except Exception:  # noqa: BLE001 - the fault of one call must not end the round for the others
            self._note_fault()
        return stream.gap_deadline

    def _receive(self) -> None:
        """One datagram for each wake-up: asking again would cost more than being woken again."""
        try:
            length, source = self._recvfrom_into(self._host.buffer)
        except BlockingIOError:
            return
        except OSError:
            self.receive_errors += 1
            return
        if self._paced is None:
            self.early_datagrams += 1
        elif length == RECEIVE_BYTES:
            self.oversized += 1
        else:
            self._feed(length, source if len(source) == 2 else source[:2])  # IPv6 adds flow and scope

    def _feed(self, length: int, source: Address) -> None:
        stream = self.stream
        try:
            stream.receive_datagram(self._view[:length], source, time.monotonic())
        except Exception:  # noqa: BLE001 - the call's callbacks run in here: their fault must not reach the event loop
            self._note_fault()
        deadline = stream.gap_deadline
        if deadline is not None:
            self._host.make_wake(deadline)

    def _receive_rtcp(self) -> None:
        """Counted; reports are not read yet."""
        try:
            self.pair.rtcp.recvfrom_into(self._host.buffer)
        except BlockingIOError:
            return
        except OSError:
            self.receive_errors += 1
            return
        self.rtcp_datagrams += 1

    def _send(self, skipped: int) -> None:
        """One frame time (pacer's thread)."""
        outgoing = self.stream.tick(skipped)
        if outgoing is None:
            return
        packet, target = outgoing
        try:
            self._sendto(packet, target)
        except OSError:
            self.send_errors += 1
            self.stream.mark_unsent()

    def _note_fault(self) -> None:
        self.faults += 1
        if self.faults == 1:
            _log.exception("media port %d: a call's callback failed; further failures are only counted", self.pair.port)
