"""pyVoIP registers at the gateway, calls an agent, hears it, and is called back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from gateway.measure import speech
from tests.interop.conftest import RunGateway
from tests.support.audio import expect_tone
from tests.support.gateway_under_test import GatewayUnderTest
from tests.support.network import loopback_address
from tests.support.pyvoip import PyVoipPhone, pyvoip_python

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

PHRASE = speech.synthesise(1.5, seed=71)
VOICE = np.concatenate([speech.silence(3.5), PHRASE, speech.silence(8)])
ACCOUNT = ("1002", "secret-of-1002")
SETTINGS = {
    "trunks": {"elsewhere": {"accept_from": ["192.0.2.0/24"]}},
    "accounts": {ACCOUNT[0]: {"password": ACCOUNT[1]}},
    "routes": [{"account": ACCOUNT[0], "agent": "bench"}],
}
SCENARIO = {"greeting": {"tone": {"hz": 440, "ms": 2500}}, "turns": [{"tone": {"hz": 1000, "ms": 1500}}]}

StartPhone = Callable[[GatewayUnderTest], PyVoipPhone]


@pytest.fixture(scope="module")
def python() -> Path:
    return pyvoip_python()


@pytest.fixture
def phone(python: Path, tmp_path: Path) -> Iterator[StartPhone]:
    """Starts a pyVoIP that registers; it is stopped after the test."""
    with ExitStack() as stack:

        def begin(gateway: GatewayUnderTest) -> PyVoipPhone:
            telephone = PyVoipPhone(
                python,
                tmp_path / "phone",
                registrar=gateway.sip,
                account=ACCOUNT,
                address=loopback_address(),
                voice=VOICE,
            )
            stack.callback(telephone.stop)
            assert telephone.wait_for("registered")["status"] == "REGISTERED"
            return telephone

        yield begin


@pytest.mark.peer("pyVoIP", "UDP", "registers with digest, calls an agent, hears it, is understood, hangs up")
def test_it_registers_and_calls_an_agent(start: RunGateway, phone: StartPhone) -> None:
    gateway = start(SCENARIO, further=SETTINGS)
    telephone = phone(gateway)
    telephone.command("call agent")
    telephone.wait_for("answered")
    gateway.emulator.wait_until(lambda: len(gateway.sessions[0].responses) == 2, timeout_s=15)
    time.sleep(2)
    telephone.command("hangup")
    telephone.wait_for("ended")
    session = gateway.only_session()
    expect_tone(telephone.heard(), 440, at_least_s=1.0)
    expect_tone(telephone.heard(), 1000, at_least_s=1.0)
    assert len(session.turns) == 1, "what it said was one turn of speech"


@pytest.mark.peer(
    "pyVoIP", "UDP", "registers, is called (REST) by its number, hears the agent, the agent's side hangs up"
)
def test_it_is_called_back(start: RunGateway, phone: StartPhone) -> None:
    gateway = start(SCENARIO, further=SETTINGS)
    telephone = phone(gateway)
    call = gateway.rest.call(ACCOUNT[0])
    telephone.wait_for("answered")
    gateway.rest.wait_for(call, "talking")
    gateway.emulator.wait_until(lambda: len(gateway.sessions[0].responses) == 2, timeout_s=15)
    time.sleep(2)
    gateway.rest.hang_up(call)
    telephone.wait_for("ended")
    assert not gateway.only_session().is_open
    expect_tone(telephone.heard(), 440, at_least_s=1.0)
    expect_tone(telephone.heard(), 1000, at_least_s=1.0)
