from __future__ import annotations

import select
import socket
import time

from gateway.measure.packet_log import timespec_ns
from gateway.measure.timestamped_socket import open_socket


def test_a_datagram_read_late_still_tells_when_it_arrived() -> None:
    with open_socket("127.0.0.1") as receiver, open_socket("127.0.0.1") as sender:
        before_ns = time.time_ns()
        sender.sendto(b"hello", receiver.getsockname())
        after_ns = time.time_ns()
        assert select.select([receiver], [], [], 5.0)[0]
        time.sleep(0.02)  # reading late is what this is about
        datagram, ancillary, _, source = receiver.recvmsg(2048, socket.CMSG_SPACE(16))
        assert (datagram, source) == (b"hello", sender.getsockname())
        assert before_ns <= timespec_ns(ancillary[0][2]) <= after_ns


def test_an_empty_socket_does_not_block() -> None:
    with open_socket("127.0.0.1") as receiver:
        assert not receiver.getblocking()
        assert receiver.getsockname()[1] > 0
