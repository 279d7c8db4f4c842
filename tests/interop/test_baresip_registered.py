"""baresip as a phone of ours: it registers with its password, calls the agent, is called, and takes itself back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from gateway.measure import speech
from tests.interop.conftest import RunGateway
from tests.support.audio import expect_tone
from tests.support.baresip import Account, Baresip
from tests.support.gateway_under_test import GatewayUnderTest
from tests.support.network import loopback_address
from tests.support.peers import require

pytestmark = pytest.mark.interop

ACCOUNTS = {"1001": {"password": "secret-of-1001"}}
TONE = {"greeting": {"tone": {"hz": 440, "ms": 3000}}}
VOICE = np.concatenate([speech.silence(2.5), speech.synthesise(2.0, seed=41), speech.silence(40)])


@contextmanager
def registered(gateway: GatewayUnderTest, directory: Path, transport: str) -> Iterator[Baresip]:
    """A phone that is account 1001; nothing but its password lets it in, for there is no trunk."""
    require("baresip")
    account = Account("1001", "secret-of-1001", gateway.at(transport), transport)
    phone = Baresip(directory / "phone", address=loopback_address(), codec="PCMU", voice=VOICE, account=account)
    try:
        gateway.wait_for_log("account.registered")
        yield phone
    finally:
        phone.stop()


def start_for_phones(start: RunGateway) -> GatewayUnderTest:
    return start(TONE, further={"accounts": ACCOUNTS, "trunks": {}})


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.peer("baresip", "{transport}", "registers at the gateway, calls the agent, hears it, unregisters")
def test_a_registered_phone_calls_the_agent(start: RunGateway, tmp_path: Path, transport: str) -> None:
    gateway = start_for_phones(start)
    with registered(gateway, tmp_path, transport) as phone:
        phone.dial(gateway.uri_over(transport))
        phone.wait_for_event("CALL_ESTABLISHED")
        gateway.emulator.wait_until(lambda: len(gateway.sessions) > 0)
        time.sleep(2)
        phone.hang_up()
        phone.wait_for_event("CALL_CLOSED")
    gateway.wait_for_log("account.unregistered")
    expect_tone(phone.heard(), 440, at_least_s=1.0)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.peer("baresip", "{transport}", "registers at the gateway and is called as its account")
def test_a_registered_phone_is_called(start: RunGateway, tmp_path: Path, transport: str) -> None:
    gateway = start_for_phones(start)
    with registered(gateway, tmp_path, transport) as phone:
        call = gateway.rest.call("1001")
        phone.wait_for_event("CALL_ESTABLISHED")
        gateway.rest.wait_for(call, "talking")
        time.sleep(2)
        phone.hang_up()
        assert gateway.rest.wait_for(call, "ended")["end_reason"] == "caller_hung_up"
    expect_tone(phone.heard(), 440, at_least_s=1.0)
