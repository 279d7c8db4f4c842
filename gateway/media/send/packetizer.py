"""Makes frames into packets of one unbroken RTP stream (RFC 3550 §5.1).

One SSRC and one line of sequence numbers and timestamps for the life of the call. The timestamp follows the clock: a
frame that was not sent in its time still took that time. The sequence number counts what was sent, so that a stall of
ours is a pause and no loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.base.ids import IdSource
from gateway.base.serial import TIMESTAMP_MODULUS
from gateway.media.codec.g711 import Law
from gateway.media.rtp import build_plain

_MASK = TIMESTAMP_MODULUS - 1


@dataclass(frozen=True, slots=True)
class SendStatistics:
    """What went out."""

    ssrc: int
    packets: int
    octets: int
    """Payload bytes (RFC 3550 §6.4.1)."""
    skipped_frames: int
    """Frame times without a packet: stalls and holds."""


class Packetizer:
    """Called once for each frame time, by the pacer's thread."""

    def __init__(self, law: Law, payload_type: int, frame_bytes: int, ids: IdSource) -> None:
        self._packets = 0
        self._octets = 0
        self._skipped_frames = 0
        self.ssrc = ids.ssrc()
        self._sequence = ids.bits(16)
        self._timestamp = ids.bits(32)
        self._is_talking = False
        self._begins = True
        """The next packet is the first, or the first after a pause."""
        self.reshape(law, payload_type, frame_bytes)

    def reshape(self, law: Law, payload_type: int, frame_bytes: int) -> None:
        """Another law, number or length from the next packet on."""
        self._payload_type = payload_type
        self._silence = law.silent(frame_bytes)

    def packetize(self, frame: bytes | None) -> bytes:
        """The packet for this frame time; silence when there is no frame. The marker begins each talkspurt."""
        if frame is None:
            frame = self._silence
            has_marker = self._begins
            self._is_talking = False
        else:
            has_marker = self._begins or not self._is_talking
            self._is_talking = True
        self._begins = False
        sequence, timestamp = self._sequence, self._timestamp
        self._sequence = (sequence + 1) & 0xFFFF
        self._timestamp = (timestamp + len(frame)) & _MASK
        self._packets += 1
        self._octets += len(frame)
        second = self._payload_type | 0x80 if has_marker else self._payload_type
        return build_plain(second, sequence, timestamp, self.ssrc, frame)

    @property
    def statistics(self) -> SendStatistics:
        """The counters now."""
        return SendStatistics(self.ssrc, self._packets, self._octets, self._skipped_frames)

    def skip(self, frames: int) -> None:
        """That many frame times passed without a packet because we were late."""
        self._skipped_frames += frames
        self._timestamp = (self._timestamp + frames * len(self._silence)) & _MASK

    def pause(self) -> None:
        """A frame time in which we may not send: the next packet begins anew."""
        self._begins = True
        self.skip(1)
