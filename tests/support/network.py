"""Addresses and ports that two test runs beside each other do not share."""

from __future__ import annotations

import random
import socket


def loopback_address() -> str:
    """A random address of 127.0.0.0/8: with one of its own, a process may use any port and captures filter by host.

    Linux answers for the whole block without configuration.
    """
    return f"127.{random.randint(16, 250)}.{random.randint(0, 255)}.{random.randint(1, 254)}"


def free_port(kind: socket.SocketKind, address: str = "127.0.0.1") -> int:
    """A port that is free now; whoever takes it must do so soon."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def free_tcp_port(address: str = "127.0.0.1") -> int:
    return free_port(socket.SOCK_STREAM, address)


def free_udp_port(address: str = "127.0.0.1") -> int:
    return free_port(socket.SOCK_DGRAM, address)
