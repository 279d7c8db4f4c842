"""The callers' ears and mouths: N UDP sockets in a process of their own, with the kernel's arrival times.

Run as ``python -m gateway.bench.rtp_meter``. It prints one JSON line with its ports, streams until ``stop`` (or the
end of input) comes on its standard input, writes the packet log and ends. A call starts to send when its first packet
comes, to where that came from; with ``--targets`` it sends first.

Arrival times are SO_TIMESTAMPNS, taken when the packet entered the socket: how late this process reads it does not
matter. That is why every socket is emptied only once per frame, right before its own packet is sent.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from gateway.bench.caller import Caller, CallerScript
from gateway.measure import g711, packet_log, speech
from gateway.measure.packet_log import RTP_HEADER_BYTES
from gateway.measure.timestamped_socket import open_socket

FRAME_S = 0.02
PHASES = 8
"""The calls' 20 ms are spread over this many points of it, as those of unrelated callers would be."""

_ANCILLARY_BYTES = socket.CMSG_SPACE(16)
_HEADER = struct.Struct(">BBHII")


@dataclass(slots=True)
class MeteredCall:
    """One socket, its caller, and what came and went."""

    socket: socket.socket
    caller: Caller
    ssrc: int
    remote: tuple[str, int] | None = None
    received: list[bytes] = field(default_factory=list)
    sent_ns: list[int] = field(default_factory=list)
    """By frame; 0 for a frame that was skipped."""
    packets_sent: int = 0

    def receive_waiting(self) -> None:
        """Empties the socket."""
        receive = self.socket.recvmsg
        while True:
            try:
                datagram, ancillary, _, source = receive(2048, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:  # an ICMP error of an earlier send: the gateway closed its port
                continue
            if not ancillary:
                continue
            self.received.append(ancillary[0][2] + datagram)
            self.remote = source  # always the newest: this is a meter, it trusts whoever speaks to it
            if self.caller.is_listening_for_sound:
                self.caller.hear(datagram[RTP_HEADER_BYTES:])

    def send_frame(self) -> None:
        """Sends the caller's next 20 ms, once it is known whereto."""
        if self.remote is None:
            return
        timestamp = (len(self.sent_ns) * g711.FRAME_SAMPLES) & 0xFFFFFFFF
        marker = 0x00 if self.packets_sent else 0x80
        header = _HEADER.pack(0x80, marker, self.packets_sent & 0xFFFF, timestamp, self.ssrc)
        packet = header + self.caller.next_frame()
        self.packets_sent += 1
        self.sent_ns.append(time.time_ns())
        with contextlib.suppress(OSError):
            self.socket.sendto(packet, self.remote)

    def skip_frames(self, count: int) -> None:
        """Leaves out frames that this process came too late for: the timestamp moves on, nothing is sent in a burst."""
        if self.remote is None:
            return
        for _ in range(count):
            self.caller.next_frame()
            self.sent_ns.append(0)


class RtpMeter:
    """Drives all calls from one thread on absolute deadlines."""

    def __init__(self, calls: list[MeteredCall]) -> None:
        self._shards = [calls[phase::PHASES] for phase in range(PHASES)]
        self._calls = calls

    def run_until(self, is_over: StopSignal) -> None:
        """Streams until told to stop."""
        step_s = FRAME_S / PHASES
        deadline = time.monotonic()
        while not is_over.is_set():
            late_frames = int((time.monotonic() - deadline) / FRAME_S)
            if late_frames > 0:
                deadline += late_frames * FRAME_S
                for call in self._calls:
                    call.skip_frames(late_frames)
            for shard in self._shards:
                deadline += step_s
                wait_s = deadline - time.monotonic()
                if wait_s > 0:
                    time.sleep(wait_s)
                for call in shard:
                    call.receive_waiting()
                    call.send_frame()

    def save(self, path: Path) -> None:
        """Takes what is still in the sockets and writes the log."""
        for call in self._calls:
            call.receive_waiting()
        packet_log.save(path, [call.received for call in self._calls], [call.sent_ns for call in self._calls])


class StopSignal:
    """Set when anything, or the end, comes on a file: so the meter ends with the process that started it."""

    def __init__(self, descriptor: int) -> None:
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN | select.POLLHUP)

    def is_set(self) -> bool:
        return bool(self._poll.poll(0))


def make_calls(arguments: argparse.Namespace) -> list[MeteredCall]:
    """One call each, with the same voice; every ``talk_over_every``-th interrupts what it hears."""
    phrase = g711.frames(g711.encode(speech.synthesise(arguments.phrase_s, seed=11)))
    targets: list[tuple[str, int]] = [(host, port) for host, port in json.loads(arguments.targets)]
    calls = []
    for index in range(arguments.calls):
        every = arguments.talk_over_every
        talk_over = _frames(arguments.talk_over_after_s) if every and index % every == 0 else None
        pause = _frames(arguments.pause_s) + (index * 37) % 100  # callers do not speak in chorus
        script = CallerScript(phrase, _frames(arguments.listen_s) + (index * 13) % 50, pause, talk_over)
        remote = targets[index] if targets else None
        ssrc = random.getrandbits(32)
        calls.append(MeteredCall(open_socket(arguments.address), Caller(index, script), ssrc, remote))
    return calls


def _frames(duration_s: float) -> int:
    return round(duration_s / FRAME_S)


def parse_arguments(words: list[str]) -> argparse.Namespace:
    """The command line of the process."""
    parser = argparse.ArgumentParser(prog="python -m gateway.bench.rtp_meter")
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--targets", default="[]", help="JSON list of [host, port]: send there first")
    parser.add_argument("--phrase-s", type=float, default=2.0)
    parser.add_argument("--listen-s", type=float, default=6.0)
    parser.add_argument("--pause-s", type=float, default=6.0)
    parser.add_argument("--talk-over-every", type=int, default=0, help="every k-th caller interrupts; 0: none")
    parser.add_argument("--talk-over-after-s", type=float, default=0.8)
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Opens the ports, prints them, streams until told to stop, writes the log."""
    arguments = parse_arguments(sys.argv[1:] if words is None else words)
    calls = make_calls(arguments)
    ports = [call.socket.getsockname()[1] for call in calls]
    sys.stdout.write(json.dumps({"ports": ports}) + "\n")
    sys.stdout.flush()
    meter = RtpMeter(calls)
    meter.run_until(StopSignal(sys.stdin.fileno()))
    meter.save(arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
