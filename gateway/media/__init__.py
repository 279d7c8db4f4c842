"""One call's voice: RTP in order and without gaps toward the provider, paced and accounted for toward the caller.

The core (:class:`RtpStream` and what it is made of) has no socket and no clock; :class:`MediaEngine` drives it.
"""

from __future__ import annotations

from gateway.media.codec.g711 import LAWS, PCMA, PCMU, Law
from gateway.media.config import Address, Direction, StreamConfig
from gateway.media.engine import MediaEngine
from gateway.media.port import MediaPort
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
    "MediaEngine",
    "MediaPort",
    "Playout",
    "RtpStream",
    "StreamConfig",
]
