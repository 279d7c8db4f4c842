"""A gateway in a process of its own, an emulator to talk to, and telephones that call it, for one test each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.measure import g711, speech
from tests.support.certificates import Authority
from tests.support.gateway_under_test import GatewayUnderTest, run_gateway
from tests.support.network import loopback_address
from tests.support.peers import require
from tests.support.sipp import Sipp
from tests.support.sipp_scenario import Scenario
from tests.support.socat import TlsRelay

RunGateway = Callable[..., GatewayUnderTest]
Call = Callable[..., Sipp]

QUIET_CALLER = g711.encode(speech.silence(12))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[RunGateway]:
    """Starts a gateway whose provider follows a scenario; everything is stopped after the test."""
    with ExitStack() as stack:

        def begin(
            scenario: Mapping[str, Any],
            *,
            agent: Mapping[str, Any] | None = None,
            further: Mapping[str, Any] | None = None,
            authority: Authority | None = None,
            nameserver: tuple[str, int] | None = None,
        ) -> GatewayUnderTest:
            running = run_gateway(
                tmp_path, scenario, agent=agent, further=further, authority=authority, nameserver=nameserver
            )
            return stack.enter_context(running)

        yield begin


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs the certificates of the gateway and its peers."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def call(tmp_path: Path, authority: Authority) -> Iterator[Call]:
    """Has SIPp play the caller of a scenario until its end, which must be a good one; over TLS through socat.

    ``to_the_end=False`` returns at once: the test says ``expect_success`` itself.
    """
    require("sipp")
    with ExitStack() as stack:

        def place(
            scenario: Scenario,
            target: tuple[str, int],
            transport: str = "UDP",
            *,
            voice: bytes = QUIET_CALLER,
            service: str = "agent",
            to_the_end: bool = True,
        ) -> Sipp:
            address = loopback_address()
            if transport == "TLS":
                require("socat")
                relay = TlsRelay(tmp_path / "socat", target, authority.ca, address=address)
                stack.callback(relay.stop)
                target = relay.sip
            phone = Sipp(
                scenario,
                tmp_path / "sipp",
                address=address,
                target=target,
                transport=transport,
                audio={"voice": voice},
                options=["-s", service],
            )
            stack.callback(phone.stop)
            if to_the_end:
                phone.expect_success()
            return phone

        yield place
