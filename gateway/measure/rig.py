"""Starts a whole gateway for a measurement or a test: own process, loopback address, ports and settings file."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.measure.processes import ChildProcess, ProcessFailedError

PROVIDER_PATH = "/api/v1/realtime/session"
PROVIDER_KEY = "YmVuY2g6YmVuY2g="
RTP_PORTS = (20_000, 32_000)
"""Below the ports that Linux gives out by itself, so that neither side takes the other's."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where one gateway of a measurement lives. Two runs beside each other get different ones."""

    address: str
    """A loopback address of its own, so that captures can be filtered by it."""
    sip_port: int
    """UDP and TCP; not 5060, which a gateway on all addresses may have."""
    control_port: int
    first_rtp_port: int
    last_rtp_port: int

    @property
    def sip(self) -> tuple[str, int]:
        return self.address, self.sip_port


def loopback_address() -> str:
    """A random address of 127.0.0.0/8; Linux answers for all of them without configuration."""
    draw = random.SystemRandom()
    return f"127.{draw.randint(16, 250)}.{draw.randint(0, 255)}.{draw.randint(1, 254)}"


def free_tcp_port(address: str = "127.0.0.1") -> int:
    """A TCP port that is free now; whoever takes it must do so soon."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def free_sip_port(address: str = "127.0.0.1") -> int:
    """A port that is free now for both UDP and TCP."""
    while True:
        port = free_tcp_port(address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            return port


def choose_site(calls: int) -> Site:
    """A site with twice the RTP ports that the calls need: ports rest for a while after a call."""
    draw = random.SystemRandom()
    width = max(4 * calls, 200)
    lowest, highest = RTP_PORTS
    first = draw.randrange(lowest, max(highest - width, lowest + 2), 2)
    address = loopback_address()
    return Site(address, free_sip_port(address), free_tcp_port(address), first, min(first + width, 65_535))


def gateway_settings(
    site: Site, *, provider_url: str, calls: int, agent: Mapping[str, Any], further: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The settings of a gateway with one trunk (every loopback caller) and one agent; ``further`` replaces sections."""
    return {
        "node": {"name": "bench", "max_calls": calls + 10},
        "sip": {"listen": [f"{transport}://{site.address}:{site.sip_port}" for transport in ("udp", "tcp")]},
        "media": {"ports": f"{site.first_rtp_port}-{site.last_rtp_port}"},
        "inworld": {"url": provider_url, "api_key": PROVIDER_KEY, "max_sessions": calls + 10},
        "trunks": {"loopback": {"accept_from": ["127.0.0.0/8"]}},
        "agents": {"bench": dict(agent)},
        "routes": [{"agent": "bench"}],
        "control": {"listen": f"{site.address}:{site.control_port}"},
        **(further or {}),
    }


def start_gateway(settings: Mapping[str, Any], site: Site, directory: Path) -> ChildProcess:
    """`gateway serve` with these settings, ready to take calls."""
    path = directory / "gateway.yaml"
    path.write_text(json.dumps(settings, indent=2))  # JSON is YAML
    child = ChildProcess("gateway", [sys.executable, "-m", "gateway", "serve", "--config", path], directory)
    try:
        wait_until_ready(child, site)
    except BaseException:
        child.stop()
        raise
    return child


def wait_until_ready(child: ChildProcess, site: Site, timeout_s: float = 20.0) -> None:
    """Polls /readyz."""
    deadline = time.monotonic() + timeout_s
    while not _is_ready(site):
        child.expect_running()
        if time.monotonic() > deadline:
            raise ProcessFailedError(f"the gateway is not ready after {timeout_s:g} s:\n{child.errors[-2000:]}")
        time.sleep(0.05)


def _is_ready(site: Site) -> bool:
    connection = http.client.HTTPConnection(site.address, site.control_port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
