"""One call's voice: RTP in order and without gaps toward the provider, paced and accounted for toward the caller.

What is exported is the core, without sockets, threads or clock. ``gateway.media.engine`` is the edge that drives it.
"""

from __future__ import annotations

from gateway.media.codec.g711 import LAWS, PCMA, PCMU, Law
from gateway.media.config import Address, Direction, StreamConfig
from gateway.media.send.playout import ItemHeard, ItemKey, Playout
from gateway.media.stream import RtpStream

__all__ = [
    "LAWS",
    "PCMA",
    "PCMU",
    "Address",
    "Direction",
    "ItemHeard",
    "ItemKey",
    "Law",
    "Playout",
    "RtpStream",
    "StreamConfig",
]
