"""UDP sockets that tell when the kernel received each datagram (SO_TIMESTAMPNS)."""

from __future__ import annotations

import socket

SO_TIMESTAMPNS = 35
"""asm-generic/socket.h; the socket module does not name it."""


def open_socket(address: str) -> socket.socket:
    """A non-blocking UDP socket on a port of the system's choice, with kernel receive timestamps.

    Linux begins to stamp a moment after the first such socket of the machine is opened; a datagram that arrives before
    is stamped when it is read.
    """
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    opened.setblocking(False)
    opened.bind((address, 0))
    return opened
