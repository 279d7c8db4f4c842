from __future__ import annotations

import json
import socket
import struct
import sys
import time
from pathlib import Path

from gateway.bench.marker import read_marker
from gateway.bench.rtp_meter import make_calls, parse_arguments
from gateway.measure import packet_log
from gateway.measure.processes import ChildProcess

METER = [sys.executable, "-m", "gateway.bench.rtp_meter"]


def rtp(sequence: int) -> bytes:
    return struct.pack(">BBHII", 0x80, 0, sequence, 160 * sequence, 9) + b"\x20" * 160


def test_it_answers_where_the_first_packet_came_from_and_logs_both_directions(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ChildProcess("meter", [*METER, "--calls", "2", "--out", log], tmp_path) as meter:
        ports = json.loads(meter.first_line())["ports"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
            gateway.settimeout(5)
            before_ns = time.time_ns()
            gateway.sendto(rtp(0), ("127.0.0.1", ports[1]))
            gateway.sendto(rtp(1), ("127.0.0.1", ports[1]))
            heard = [gateway.recvfrom(2048) for _ in range(5)]
            after_ns = time.time_ns()
        meter.end_input()
        assert meter.wait(5) == 0
    silent, spoken = packet_log.load(log)
    assert silent.received == []
    assert not len(silent.sent_ns)
    assert [packet.sequence for packet in spoken.received] == [0, 1]
    assert all(before_ns < packet.arrival_ns < after_ns for packet in spoken.received)
    assert {source[1] for _, source in heard} == {ports[1]}
    assert [struct.unpack_from(">H", datagram, 2)[0] for datagram, _ in heard] == [0, 1, 2, 3, 4]
    assert [read_marker(datagram) for datagram, _ in heard] == [(1, number) for number in range(5)]
    assert len(spoken.sent_ns) >= 5
    assert before_ns < spoken.sent_ns[0] < after_ns


def test_with_targets_it_speaks_first(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
        echo.settimeout(5)
        echo.bind(("127.0.0.1", 0))
        targets = json.dumps([echo.getsockname()])
        command = [*METER, "--calls", "1", "--out", tmp_path / "log", "--targets", targets]
        with ChildProcess("meter", command, tmp_path) as meter:
            assert len(echo.recvfrom(2048)[0]) == 172
            meter.end_input()
            assert meter.wait(5) == 0


def test_callers_do_not_speak_in_chorus_and_every_kth_interrupts() -> None:
    words = ["--calls", "4", "--out", "unused", "--talk-over-every", "2", "--phrase-s", "0.5"]
    calls = make_calls(parse_arguments(words))
    try:
        assert [call.caller.is_listening_for_sound for call in calls] == [True, False, True, False]
        assert len({call.ssrc for call in calls}) == 4
        first_words = []
        for call in calls[1::2]:
            frames = [call.caller.next_frame() for _ in range(400)]
            first_words.append(
                next(n for n, frame in enumerate(frames) if read_marker(frame) != (0, n) and len(set(frame)) > 2)
            )
        assert first_words[0] != first_words[1]
    finally:
        for call in calls:
            call.socket.close()


def test_a_meter_that_comes_late_leaves_out_frames_and_sends_no_burst() -> None:
    (call,) = make_calls(parse_arguments(["--calls", "1", "--out", "unused"]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        gateway.bind(("127.0.0.1", 0))
        call.skip_frames(3)
        assert call.sent_ns == []
        call.remote = gateway.getsockname()
        call.send_frame()
        call.skip_frames(4)
        call.send_frame()
        heard = [gateway.recv(2048) for _ in range(2)]
        call.socket.close()
    assert [struct.unpack_from(">HI", packet, 2) for packet in heard] == [(0, 0), (1, 5 * 160)]
    assert [read_marker(packet) for packet in heard] == [(0, 0), (0, 5)]
    assert [bool(at_ns) for at_ns in call.sent_ns] == [True, False, False, False, False, True]
