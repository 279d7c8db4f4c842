"""Registration with SIPp on the other side: as a phone at our registrar, as the registrar of a trunk of ours."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.interop.conftest import RunGateway
from tests.support.network import free_sip_port, loopback_address
from tests.support.peers import require
from tests.support.sipp import Sipp

pytestmark = pytest.mark.interop

ACCOUNTS = {"1001": {"password": "secret-of-1001"}, "1002": {"password": "secret-of-1002"}}


def register(name: str, directory: Path, target: tuple[str, int], transport: str, *options: str) -> Sipp:
    require("sipp")
    words = ["-s", "1001", *options]
    return Sipp(name, directory, address=loopback_address(), target=target, transport=transport, options=words)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.peer("SIPp", "{transport}", "registers with MD5, is listed, asks for too little (423), takes itself back")
def test_a_phone_registers_and_leaves(start: RunGateway, tmp_path: Path, transport: str) -> None:
    gateway = start({}, further={"accounts": ACCOUNTS})
    register("register", tmp_path / "sipp", gateway.at(transport), transport).expect_success()
    gateway.wait_for_log("account.unregistered")
    assert gateway.log.count("account.registered") == 1


@pytest.mark.parametrize(
    ("username", "password", "rule"),
    [
        ("1001", "guess", "wrong_credentials"),
        ("nobody", "guess", "wrong_credentials"),
        ("1002", "secret-of-1002", "registration_hijack"),
    ],
    ids=["password", "name", "hijack"],
)
@pytest.mark.peer("SIPp", "UDP", "registers 1001 with the credentials of {username}: 403, rule {rule}")
def test_nobody_registers_for_somebody_else(
    start: RunGateway, tmp_path: Path, username: str, password: str, rule: str
) -> None:
    gateway = start({}, further={"accounts": ACCOUNTS})
    phone = register("register_refused", tmp_path / "sipp", gateway.sip, "UDP", "-au", username, "-ap", password)
    phone.expect_success()
    gateway.wait_for_log(rule)
    assert "account.registered" not in gateway.log
    assert password not in gateway.log


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.peer("SIPp", "{transport}", "is the registrar of a trunk: MD5 challenge, 423, nonce used again, goodbye")
def test_a_trunk_registers_and_takes_it_back_when_a_reload_says_so(
    start: RunGateway, tmp_path: Path, transport: str
) -> None:
    require("sipp")
    address = loopback_address()
    port = free_sip_port(address)
    carrier = Sipp("registrar", tmp_path / "sipp", address=address, local_port=port, transport=transport)
    trunk = {
        "targets": [f"sip:{address}:{port};transport={transport.lower()}"],
        "username": "acme",
        "password": "secret-of-acme",
        "register": True,
        "register_expires_s": 60,
        "options_s": 0,  # SIPp knows no OPTIONS while it waits for the goodbye
    }
    gateway = start({}, further={"trunks": {"carrier": trunk}})
    gateway.wait_for_log("trunk.registered")
    path = gateway.directory / "gateway.yaml"
    path.write_text(path.read_text().replace('"register": true', '"register": false'))
    os.kill(gateway.process.pid, signal.SIGHUP)
    carrier.expect_success()
    gateway.wait_for_log("trunk.unregistered")
    assert "secret-of-acme" not in gateway.log
