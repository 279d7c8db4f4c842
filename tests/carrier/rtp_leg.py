"""The carrier's audio: a UDP port that speaks a tone or silence every 20 ms and keeps every packet that comes."""

from __future__ import annotations

import asyncio
import secrets
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gateway.measure import g711
from gateway.measure.listening import level_dbfs, tone_share

FRAME_S = 0.02
FRAME = 160
SILENCE = b"\xff" * FRAME
TELEPHONE_EVENT = 101


@dataclass(frozen=True, slots=True)
class Packet:
    """An RTP packet that came: when, from where, what."""

    at: float
    source: tuple[str, int]
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def tone(hz: float) -> Iterator[bytes]:
    """Endless frames of a sine wave in G.711 µ-law."""
    phase = 0
    while True:
        at = np.arange(phase, phase + FRAME)
        yield g711.encode((8000 * np.sin(2 * np.pi * hz * at / 8000)).astype(np.int16))
        phase += FRAME


def silence() -> Iterator[bytes]:
    """Endless frames of nothing."""
    while True:
        yield SILENCE


class RtpLeg(asyncio.DatagramProtocol):
    """See the module. ``says`` may be replaced at any time."""

    def __init__(self) -> None:
        self.heard: list[Packet] = []
        self.says: Iterator[bytes] | None = silence()
        """None: nothing is sent."""
        self.ssrc = secrets.randbits(32)
        self.sequence = secrets.randbits(16)
        self.timestamp = secrets.randbits(32)
        self.target: tuple[str, int] | None = None
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._talking: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, address: str) -> RtpLeg:
        """A leg on a free even port, silent until ``talk_to``."""
        loop = asyncio.get_running_loop()
        while True:
            transport, leg = await loop.create_datagram_endpoint(cls, local_addr=(address, 0))
            leg._transport = transport
            leg.port = transport.get_extra_info("sockname")[1]
            if leg.port % 2 == 0:
                return leg
            transport.close()

    async def close(self) -> None:
        """Silence, and the port is free."""
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.gather(self._talking, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()

    def talk_to(self, target: tuple[str, int]) -> None:
        """From now on audio goes there."""
        self.target = target
        if self._talking is None:
            self._talking = asyncio.create_task(self._talk())

    async def _talk(self) -> None:
        due = time.monotonic()
        while True:
            if self.says is not None:
                self.send(next(self.says))
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def send(
        self, payload: bytes, payload_type: int = 0, *, marker: bool = False, timestamp: int | None = None
    ) -> None:
        """One packet; audio moves the timestamp on."""
        stamp = self.timestamp if timestamp is None else timestamp
        head = struct.pack(">BBHII", 0x80, payload_type | marker << 7, self.sequence, stamp, self.ssrc)
        if self._transport is not None and self.target is not None:
            self._transport.sendto(head + payload, self.target)
        self.sequence = (self.sequence + 1) & 0xFFFF
        if timestamp is None:
            self.timestamp = (self.timestamp + FRAME) & 0xFFFF_FFFF

    def press(self, event: int, *, marker: bool = True, ends: int = 3) -> None:
        """A key, as RFC 4733 packets: three while it is down, ``ends`` with the end bit."""
        stamp = self.timestamp
        for step, is_end in [*((one, False) for one in (1, 2, 3)), *((4, True),) * ends]:
            payload = struct.pack(">BBH", event, 10 | is_end << 7, step * FRAME)
            self.send(payload, TELEPHONE_EVENT, marker=marker and step == 1, timestamp=stamp)
        self.timestamp = (self.timestamp + 4 * FRAME) & 0xFFFF_FFFF

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Of asyncio."""
        if len(data) < 12 or data[0] >> 6 != 2 or 200 <= data[1] <= 204:
            return
        _, second, sequence, timestamp, ssrc = struct.unpack(">BBHII", data[:12])
        packet = Packet(
            time.monotonic(), addr[:2], second & 0x7F, bool(second >> 7), sequence, timestamp, ssrc, data[12:]
        )
        self.heard.append(packet)

    # --- what was heard ----------------------------------------------------------------------------------------

    async def hears_tone(self, hz: float = 440, *, within_s: float = 5.0, law: str = "PCMU") -> None:
        """Returns once a tenth of a second of the tone has come, counted from now."""
        start = len(self.heard)
        try:
            async with asyncio.timeout(within_s):
                while not _is_tone(self.heard[start:][-5:], hz, law):  # noqa: ASYNC110 - the socket fills it
                    await asyncio.sleep(FRAME_S)
        except TimeoutError:
            came = len(self.heard) - start
            raise AssertionError(f"no {hz:g} Hz within {within_s:g} s; {came} packets came") from None

    async def hears_nothing(self, *, for_s: float, grace_s: float = 0.1) -> None:
        """Not one packet comes for a while, once what was on its way has arrived."""
        await asyncio.sleep(grace_s)
        start = len(self.heard)
        await asyncio.sleep(for_s)
        assert len(self.heard) == start, f"{len(self.heard) - start} packets in {for_s:g} s of hold"

    async def hears_nothing_but_silence(self, *, for_s: float, grace_s: float = 0.1) -> None:
        """Packets may come, but nobody speaks in them."""
        await asyncio.sleep(grace_s)
        start = len(self.heard)
        await asyncio.sleep(for_s)
        said = [packet for packet in self.heard[start:] if set(packet.payload) - set(SILENCE)]
        assert not said, f"{len(said)} packets with somebody's voice in {for_s:g} s"


def _is_tone(packets: list[Packet], hz: float, law: str) -> bool:
    if len(packets) < 5 or any(len(packet.payload) != FRAME for packet in packets):
        return False
    samples = g711.decode(b"".join(packet.payload for packet in packets), law)
    return level_dbfs(samples) > -40 and tone_share(samples, hz) > 0.6
