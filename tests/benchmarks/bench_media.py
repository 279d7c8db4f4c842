"""Costs of the media path: Python per packet, and the pacing of many calls over loopback.

Run by hand: ``python tests/benchmarks/bench_media.py [--calls N] [--seconds S]``. Prints; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import socket
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gateway.base.ids import IdSource
from gateway.media.config import StreamConfig
from gateway.media.engine import MediaEngine
from gateway.media.pacer import Pacer
from gateway.media.stream import RtpStream
from tests.support.rtp_caller import ADDRESS, RtpCaller

REPETITIONS = 7
PACKETS = 50_000
ITEM = ("resp", "item")


def agreed(remote: tuple[str, int]) -> StreamConfig:
    return StreamConfig("PCMU", 0, 101, remote)


def new_stream() -> RtpStream:
    return RtpStream(agreed(ADDRESS), IdSource(1), on_audio=lambda _: None, on_digit=lambda _: None)


def report(name: str, run: Callable[[], int]) -> None:
    """Median microseconds of CPU for each of the packets that one run handles."""
    costs = []
    for _ in range(REPETITIONS):
        began = time.process_time()
        packets = run()
        costs.append((time.process_time() - began) / packets * 1e6)
    print(f"  {name:<52} {statistics.median(costs):6.2f} us")


def receive(packets: list[bytes], *, in_buffer: bool = False) -> int:
    stream, now = new_stream(), 100.0
    buffer = bytearray(2048)
    view = memoryview(buffer)
    for packet in packets:
        now += 0.02
        if in_buffer:
            buffer[: len(packet)] = packet
            stream.receive_datagram(view[: len(packet)], ADDRESS, now)
        else:
            stream.receive_datagram(packet, ADDRESS, now)
    return len(packets)


def lossy(packets: list[bytes]) -> list[bytes]:
    """One in twenty lost, one in twenty swapped with its neighbour."""
    kept = [packet for index, packet in enumerate(packets) if index % 20 != 7]
    for index in range(0, len(kept) - 1, 20):
        kept[index], kept[index + 1] = kept[index + 1], kept[index]
    return kept


def tick(*, has_audio: bool) -> int:
    stream = new_stream()
    if has_audio:
        stream.playout.enqueue(ITEM, b"\x10" * 160 * 20_000)
    for _ in range(20_000):
        stream.tick()
    return 20_000


def enqueue() -> int:
    stream = new_stream()
    for _ in range(3000):
        stream.playout.enqueue(ITEM, b"\x10" * 800)
    return 3000


def keep_house() -> int:
    stream = new_stream()
    stream.receive_datagram(RtpCaller().audio(), ADDRESS, 1.0)
    for _ in range(100_000):
        stream.handle_timeout(1.0)
    return 100_000


def per_packet() -> None:
    caller = RtpCaller()
    packets = [caller.audio() for _ in range(PACKETS)]
    events = [caller.event(5, 160 * (index % 8), end=index % 8 == 7) for index in range(PACKETS)]
    print("CPU per packet, 20 ms of G.711, sockets not included:")
    report("receive_datagram, in order, bytes (172)", lambda: receive(packets))
    report("receive_datagram, in order, from a shared buffer", lambda: receive(packets, in_buffer=True))
    report("receive_datagram, 5 % lost and 5 % swapped", lambda: receive(lossy(packets)))
    report("receive_datagram, telephone-events", lambda: receive(events))
    report("tick, speech", lambda: tick(has_audio=True))
    report("tick, silence", lambda: tick(has_audio=False))
    report("enqueue of 100 ms", enqueue)
    report("handle_timeout, nothing due", keep_house)


async def pacing(calls: int, seconds: float) -> None:
    """Calls that speak to one sink and are spoken to by nobody: the sending half under load."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sink.setblocking(False)
    engine = MediaEngine("127.0.0.1", range(30_000, 30_000 + 3 * calls))
    ports = [
        engine.open(agreed(sink.getsockname()), on_audio=lambda _: None, on_digit=lambda _: None) for _ in range(calls)
    ]
    for port in ports:
        port.stream.playout.enqueue(ITEM, b"\x10" * int(seconds * 4000))
        port.start()
    asyncio.get_running_loop().add_reader(sink.fileno(), lambda: sink.recv(2048))
    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.sleep(seconds)
    after = resource.getrusage(resource.RUSAGE_SELF)
    pacer = engine.pacer
    began, ended = pacer.lateness(), pacer.end_lateness()
    used = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e6 / calls / seconds
    print(f"pacing of {calls} calls for {seconds:g} s, priority {pacer.priority}:")
    print(
        f"  tick begins late: p99 <= {began.percentile_ms(0.99)} ms, p99.9 <= {began.percentile_ms(0.999)} ms,"
        f" max {began.max_ms:.2f} ms"
    )
    print(f"  last packet of a tick late: p99 <= {ended.percentile_ms(0.99)} ms, max {ended.max_ms:.2f} ms")
    print(f"  ticks skipped {pacer.skipped_ticks}, send errors {sum(port.send_errors for port in ports)}")
    print(f"  CPU {used:.0f} us per call-second, silence filled in and one reading of the sink included")
    engine.close()
    sink.close()


def beside_busy_python(senders: int, seconds: float, switch_interval_s: float) -> None:
    """The pacer's lateness while the main thread computes nine tenths of the time without letting go by itself."""
    pacer = Pacer()
    sink, source = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    sink.bind(("127.0.0.1", 0))
    target = sink.getsockname()
    for _ in range(senders):
        pacer.add(lambda _skipped: source.sendto(bytes(172), target), 20)
    sys.setswitchinterval(switch_interval_s)
    end, worked = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        began = time.monotonic()
        while time.monotonic() - began < 0.009:
            worked += sum(range(500)) > 0
        time.sleep(0.001)
    pacer.stop()
    late = pacer.lateness()
    print(
        f"  {senders} streams, switch interval {switch_interval_s * 1000:g} ms: tick begins late p99 <="
        f" {late.percentile_ms(0.99):.2f} ms, {pacer.skipped_ticks} ticks skipped, {worked} rounds computed"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=200)
    options.add_argument("--seconds", type=float, default=5.0)
    chosen = options.parse_args()
    per_packet()
    uvloop.run(pacing(chosen.calls, chosen.seconds))
    print("pacing beside a main thread that computes:")
    for switch_interval_s in (0.005, 0.001, 0.0005, 0.0001):
        beside_busy_python(chosen.calls, chosen.seconds, switch_interval_s)


if __name__ == "__main__":
    main()
