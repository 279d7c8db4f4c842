"""Edge: pairs of UDP ports for calls, the even one for RTP and the odd one above it for RTCP (RFC 3550 §11)."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

from gateway.base.errors import CapacityError, GatewayError
from gateway.base.ids import IdSource

_EXPEDITED_FORWARDING = 46 << 2
"""The DSCP of telephone audio (RFC 4594 §4.1) at its place in the traffic class octet."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class PortPair:
    """Two bound, non-blocking sockets."""

    port: int
    rtp: socket.socket
    rtcp: socket.socket

    @property
    def is_ipv6(self) -> bool:
        """Which of the two IP versions they speak; neither speaks both."""
        return self.rtp.family == socket.AF_INET6

    def close(self) -> None:
        """Close both; a second time does nothing."""
        self.rtp.close()
        self.rtcp.close()


class PortPool:
    """Hands out port pairs of a range. A pair that was used rests for ``quarantine_s``, so that packets still on the
    way to the old call do not reach the next. ``now`` is monotonic seconds."""

    def __init__(self, bind_address: str, ports: range, ids: IdSource, *, quarantine_s: float = 2.0) -> None:
        """``ports`` counts every port of the range; pairs start at even numbers and lie wholly within."""
        self.in_use = 0
        self.bind_retries = 0
        """Pairs passed over because another program had one of their ports."""
        self._bind_address = bind_address
        self.is_ipv6 = ipaddress.ip_address(bind_address).version == 6
        self._family = socket.AF_INET6 if self.is_ipv6 else socket.AF_INET
        self._ports = ports
        self._quarantine_s = quarantine_s
        self._free = deque(_shuffled([port for port in ports if port % 2 == 0 and port + 1 in ports], ids))
        self._resting: deque[tuple[float, int]] = deque()
        self.size = len(self._free)

    def acquire(self, now: float) -> PortPair:
        """Bind the next free pair. Raises CapacityError when there is none."""
        self._end_quarantine(now)
        for _ in range(len(self._free)):
            port = self._free.popleft()
            pair = self._try_bind(port)
            if pair is not None:
                self.in_use += 1
                return pair
            self.bind_retries += 1
            self._free.append(port)
        raise CapacityError(
            f"no RTP port pair is free in {self._ports.start}-{self._ports.stop - 1}: {self.in_use} in use,"
            f" {len(self._resting)} resting, {len(self._free)} taken by other programs; widen media.ports"
        )

    def release(self, pair: PortPair, now: float) -> None:
        """Close a pair and let its ports rest."""
        pair.close()
        self.in_use -= 1
        self._resting.append((now + self._quarantine_s, pair.port))

    def free(self, now: float) -> int:
        """Pairs that could be tried now."""
        self._end_quarantine(now)
        return len(self._free)

    @property
    def resting(self) -> int:
        """Pairs in quarantine, or whose quarantine nobody has ended yet."""
        return len(self._resting)

    def _end_quarantine(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])

    def _try_bind(self, port: int) -> PortPair | None:
        rtp = self._bind(port)
        if rtp is None:
            return None
        try:
            rtcp = self._bind(port + 1)
        except GatewayError:
            rtp.close()
            raise
        if rtcp is None:
            rtp.close()
            return None
        return PortPair(port, rtp, rtcp)

    def _bind(self, port: int) -> socket.socket | None:
        """A bound socket; None when another program has the port."""
        try:
            bound = socket.socket(self._family, socket.SOCK_DGRAM)
        except OSError as error:
            raise self._translate(error) from error
        try:
            bound.setblocking(False)
            if self.is_ipv6:
                # The same port of IPv4 may belong to another call.
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._mark_expedited(bound)
            bound.bind((self._bind_address, port))
        except OSError as error:
            bound.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return None
            raise self._translate(error) from error
        return bound

    def _mark_expedited(self, opened: socket.socket) -> None:
        """Ask routers for the service of telephone audio; a system that does not let us is no reason to fail."""
        with suppress(OSError):
            if self._family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED_FORWARDING)
            else:
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED_FORWARDING)

    def _translate(self, error: OSError) -> GatewayError:
        if error.errno in _EXHAUSTED:
            return CapacityError(f"no socket for a call: {error.strerror}; raise the limit of open files (ulimit -n)")
        return GatewayError(
            f"cannot bind media ports on {self._bind_address}: {error.strerror};"
            " bind to 0.0.0.0 or to an address of this machine"
        )


def _shuffled(ports: list[int], ids: IdSource) -> list[int]:
    """In random order: a port that can be guessed invites strangers to send there before the caller does."""
    return sorted(ports, key=lambda _port: ids.bits(32))
