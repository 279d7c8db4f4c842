from __future__ import annotations

import select
import socket
import time

from gateway.measure.packet_log import timespec_ns
from gateway.measure.timestamped_socket import open_socket


def read_late(receiver: socket.socket, sender: socket.socket) -> tuple[int, int, int]:
    """When a datagram was about to be sent, when it came by the kernel's account, and when it was read."""
    before_ns = time.time_ns()
    sender.sendto(b"hello", receiver.getsockname())
    assert select.select([receiver], [], [], 5.0)[0]
    time.sleep(0.02)  # reading late is what this is about
    read_ns = time.time_ns()
    datagram, ancillary, _, source = receiver.recvmsg(2048, socket.CMSG_SPACE(16))
    assert (datagram, source) == (b"hello", sender.getsockname())
    return before_ns, timespec_ns(ancillary[0][2]), read_ns


def test_a_datagram_read_late_still_tells_when_it_arrived() -> None:
    with open_socket("127.0.0.1") as receiver, open_socket("127.0.0.1") as sender:
        for _ in range(100):  # the first may come before the kernel has begun to stamp
            before_ns, arrival_ns, read_ns = read_late(receiver, sender)
            assert before_ns <= arrival_ns
            if arrival_ns <= read_ns - 20_000_000:
                return
        raise AssertionError("every datagram was stamped when it was read")


def test_an_empty_socket_does_not_block() -> None:
    with open_socket("127.0.0.1") as receiver:
        assert not receiver.getblocking()
        assert receiver.getsockname()[1] > 0
