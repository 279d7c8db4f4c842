"""What SDP agreed on for one call's audio, as the media core needs it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from gateway.media.codec.g711 import BYTES_PER_MS, LAWS, Law

Address = tuple[str, int]
"""Numeric IP address and port."""

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
"""Ours, as in our own SDP (RFC 3264 §5.1)."""

_MIN_FRAME_MS = 10
_MAX_FRAME_MS = 60


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """One agreed audio stream. Times in milliseconds unless the name says otherwise."""

    codec: str
    """``PCMU`` or ``PCMA``."""
    payload_type: int
    telephone_event_payload_type: int | None
    remote: Address | None
    """Where SDP says the caller receives; None while it has not said. Only numeric addresses are sent to."""
    ptime_ms: int = 20
    """Packet length the caller asked for. We send the nearest multiple of 10 not above it, from 10 to 60."""
    reorder_ms: int = 40
    """How long a gap may wait for its packets."""
    direction: Direction = "sendrecv"
    silence_lag_ms: int = 100
    """How long after the next packet was due its absence counts as silence: above any usual jitter."""
    relatch_after_s: float = 1.0
    """How long the caller's address must be silent before one known no better may take its place."""
    signalling_host: str | None = None
    """Numeric IP address the caller's SIP messages come from: RTP from there is trusted more than a stranger's."""

    @property
    def law(self) -> Law:
        """The codec by its tables."""
        return LAWS[self.codec]

    @property
    def frame_ms(self) -> int:
        """Length of each packet we send."""
        return min(max(self.ptime_ms - self.ptime_ms % 10, _MIN_FRAME_MS), _MAX_FRAME_MS)

    @property
    def frame_bytes(self) -> int:
        """Bytes, which are samples, of each packet we send."""
        return self.frame_ms * BYTES_PER_MS

    @property
    def may_send(self) -> bool:
        """Our direction lets us send."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def may_receive(self) -> bool:
        """Our direction lets us receive."""
        return self.direction in ("sendrecv", "recvonly")

    @property
    def announced(self) -> Address | None:
        """``remote`` as packets' source addresses are written; None unless it is a numeric address to send to.

        A host name would need the DNS, for which the media path has no time; 0.0.0.0 means hold (RFC 3264 §8.4).
        """
        if self.remote is None or not 0 < self.remote[1] < 65536:
            return None
        host = _numeric(self.remote[0])
        return None if host is None else (host, self.remote[1])

    @property
    def signalling_address(self) -> str | None:
        """``signalling_host`` as packets' source addresses are written; None unless it is a numeric address."""
        return None if self.signalling_host is None else _numeric(self.signalling_host)


def _numeric(host: str) -> str | None:
    """An address in its one spelling; None when it is a name or not of one host."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if address.is_unspecified or address.is_multicast else str(address)
