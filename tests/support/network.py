"""Addresses and ports that two test runs beside each other do not share."""

from __future__ import annotations

import socket

from gateway.measure.rig import free_sip_port, free_tcp_port, loopback_address

__all__ = ["free_sip_port", "free_tcp_port", "free_udp_port", "loopback_address"]


def free_udp_port(address: str = "127.0.0.1") -> int:
    """A UDP port that is free now; whoever takes it must do so soon."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
