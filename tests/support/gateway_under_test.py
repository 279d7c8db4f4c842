"""A whole `gateway serve` for one test, with the emulator as its provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.emulator import SessionRecord
from gateway.measure import rig
from gateway.measure.processes import ChildProcess
from gateway.measure.rig import free_tcp_port
from tests.support.certificates import Authority
from tests.support.emulator_thread import EmulatorThread
from tests.support.rest_client import KEY, RestClient

AGENT: dict[str, Any] = {
    "session": {"instructions": "You are tested."},
    "greeting": {"instructions": "Greet the caller."},
    "tools": {"hang_up": {}},
}
MOST_CALLS = 20


@dataclass(frozen=True, slots=True)
class GatewayUnderTest:
    """The running gateway: where it is called, what its provider saw."""

    site: rig.Site
    process: ChildProcess
    emulator: EmulatorThread
    directory: Path
    tls: tuple[str, int] = ("", 0)
    """Where TLS is taken, when it is."""

    def at(self, transport: str) -> tuple[str, int]:
        """Where SIP is taken over UDP, TCP or TLS."""
        return self.tls if transport == "TLS" else self.sip

    @property
    def address(self) -> str:
        return self.site.address

    @property
    def sip(self) -> tuple[str, int]:
        return self.site.sip

    @property
    def uri(self) -> str:
        """What a phone dials."""
        return f"sip:agent@{self.site.address}:{self.site.sip_port}"

    def uri_over(self, transport: str) -> str:
        """What a phone dials over UDP, TCP or TLS."""
        host, port = self.at(transport)
        return f"sip:agent@{host}:{port};transport={transport.lower()}"

    @property
    def rest(self) -> RestClient:
        """Its REST API."""
        return RestClient(self.site.address, self.site.control_port)

    @property
    def sessions(self) -> list[SessionRecord]:
        """What the provider saw, a record for each call."""
        return self.emulator.sessions

    def only_session(self) -> SessionRecord:
        """The session of the only call there was; it must be closed, or close soon."""
        self.emulator.wait_until(lambda: len(self.sessions) > 0 and not self.sessions[0].is_open)
        assert len(self.sessions) == 1
        return self.sessions[0]

    @property
    def log(self) -> str:
        return self.process.errors + self.process.output

    def wait_for_log(self, text: str, timeout_s: float = 15.0) -> None:
        """Waits for something in its log, such as the name of an event."""
        self.emulator.wait_until(lambda: text in self.log, timeout_s)


def take_tls(sip: dict[str, Any], authority: Authority, where: tuple[str, int]) -> None:
    """Adds a TLS listener to the section of the settings."""
    pair = authority.issue(f"IP:{where[0]}")
    sip["listen"] = [*sip["listen"], f"tls://{where[0]}:{where[1]}"]
    sip["tls"] = {"certificate": str(pair.certificate), "key": str(pair.key), "ca": str(authority.ca)}


@contextmanager
def run_gateway(
    directory: Path,
    scenario: Mapping[str, Any],
    *,
    agent: Mapping[str, Any] | None = None,
    further: Mapping[str, Any] | None = None,
    authority: Authority | None = None,
    nameserver: tuple[str, int] | None = None,
) -> Iterator[GatewayUnderTest]:
    """Starts both, stops both. What the gateway logged stays in ``gateway.err`` and ``gateway.out``.

    With an ``authority`` it also takes TLS, with a certificate for its address.
    """
    site = rig.choose_site(MOST_CALLS)
    tls = (site.address, free_tcp_port(site.address)) if authority is not None else ("", 0)
    emulator = EmulatorThread(scenario)
    try:
        settings = rig.gateway_settings(
            site, provider_url=emulator.url, calls=MOST_CALLS, agent={**AGENT, **(agent or {})}, further=further
        )
        settings["control"]["keys"] = [KEY]
        if nameserver is not None:
            settings["sip"]["dns"] = {"servers": ["{}:{}".format(*nameserver)]}
        if authority is not None:
            take_tls(settings["sip"], authority, tls)
        with rig.start_gateway(settings, site, directory) as process:
            yield GatewayUnderTest(site, process, emulator, directory, tls)
            process.expect_running()
    finally:
        emulator.stop()
