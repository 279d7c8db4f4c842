"""The demo caller's ear, mouth and keypad: one UDP socket, 20 ms frames on absolute deadlines, kernel arrival times."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass

from gateway.measure import g711
from gateway.measure.packet_log import ReceivedPacket, parse_packet, timespec_ns
from gateway.measure.timestamped_socket import open_socket

FRAME_S = 0.02
SAMPLES_PER_FRAME = 160
KEY_PRESS_FRAMES = 6
"""A key held for 120 ms: long enough for any receiver, short enough for a hurried caller."""
KEY_END_REPEATS = 3
"""RFC 4733 §2.5.1.4: the final packet is sent three times, so that losing one loses nothing."""

_HEADER = struct.Struct(">BBHII")
_KEY_EVENT = struct.Struct(">BBH")
_KEYS = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame of the caller's voice (or silence) and when it left, in monotonic seconds."""

    at: float
    payload: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """A packet from the gateway and when the kernel took it in, in monotonic seconds."""

    at: float
    packet: ReceivedPacket


class RtpLeg:
    """Sends silence unless told to speak; keeps everything that was sent and heard."""

    def __init__(self, address: str, *, payload_type: int, telephone_event_payload_type: int) -> None:
        self._socket = open_socket(address)
        self._payload_type = payload_type
        self._event_payload_type = telephone_event_payload_type
        self._silence = g711.SILENCE[g711.PAYLOAD_TYPES[payload_type]] * SAMPLES_PER_FRAME
        self._voice: deque[bytes] = deque()
        self._key_packets: deque[tuple[bytes, int, bool]] = deque()
        self._remote: tuple[str, int] | None = None
        self._task: asyncio.Task[None] | None = None
        self._sequence = 0
        self._clock_offset_s = time.monotonic() - time.time()
        self.port: int = self._socket.getsockname()[1]
        self.sent: list[Sent] = []
        self.heard: list[Heard] = []

    def start(self, remote: tuple[str, int]) -> None:
        """The call is answered, or has early media: begin to send there, and to listen."""
        self._remote = remote
        if self._task is not None:
            return
        asyncio.get_running_loop().add_reader(self._socket, self._receive)
        self._task = asyncio.create_task(self._keep_sending(), name="demo caller RTP")

    def say(self, frames: list[bytes]) -> None:
        """Queues speech, in frames of 20 ms."""
        self._voice.extend(frames)

    @property
    def is_speaking(self) -> bool:
        """True until the last queued frame has left."""
        return bool(self._voice)

    def press(self, key: str) -> None:
        """Queues one key press as RFC 4733 events; the voice pauses meanwhile."""
        code = _KEYS.index(key)
        for number in range(1, KEY_PRESS_FRAMES + KEY_END_REPEATS + 1):
            is_end = number > KEY_PRESS_FRAMES
            duration = min(number, KEY_PRESS_FRAMES + 1) * SAMPLES_PER_FRAME
            event = _KEY_EVENT.pack(code, (0x80 if is_end else 0) | 10, duration)
            self._key_packets.append((event, number, number == 1))

    async def close(self) -> None:
        """Stops sending and gives the port back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    async def _keep_sending(self) -> None:
        began = time.monotonic()
        frame = 0
        while True:
            self._send_frame(frame)
            frame += 1
            await asyncio.sleep(max(0.0, began + frame * FRAME_S - time.monotonic()))

    def _send_frame(self, frame: int) -> None:
        timestamp = frame * SAMPLES_PER_FRAME
        if self._key_packets:
            event, number, is_first = self._key_packets.popleft()
            # All packets of one event carry the time at which it began (RFC 4733 §2.4.1).
            began = timestamp - (number - 1) * SAMPLES_PER_FRAME
            self._send(self._event_payload_type, began, event, marker=is_first)
            self.sent.append(Sent(time.monotonic(), self._silence))
            return
        payload = self._voice.popleft() if self._voice else self._silence
        self._send(self._payload_type, timestamp, payload, marker=frame == 0)
        self.sent.append(Sent(time.monotonic(), payload))

    def _send(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool) -> None:
        second = (0x80 if marker else 0) | payload_type
        header = _HEADER.pack(0x80, second, self._sequence & 0xFFFF, timestamp & 0xFFFFFFFF, 0x5EED)
        self._sequence += 1
        if self._remote is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(header + payload, self._remote)

    def _receive(self) -> None:
        try:
            datagram, ancillary, _, _ = self._socket.recvmsg(2048, socket.CMSG_SPACE(16))
        except OSError:
            return
        arrival_ns = timespec_ns(ancillary[0][2]) if ancillary else time.time_ns()
        packet = parse_packet(arrival_ns, datagram)
        if packet is not None:
            self.heard.append(Heard(arrival_ns / 1e9 + self._clock_offset_s, packet))
