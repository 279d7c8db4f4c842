"""Kamailio as a carrier: the gateway registers there with digest, and calls come to the contact that it registered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from gateway.measure import g711, speech
from tests.interop.conftest import Call, RunGateway
from tests.support.audio import expect_tone
from tests.support.capture import Capture
from tests.support.certificates import Authority
from tests.support.gateway_under_test import run_gateway
from tests.support.kamailio import Kamailio
from tests.support.network import free_sip_port, loopback_address
from tests.support.pcap import rtp_flows
from tests.support.peers import require
from tests.support.sipp import Sipp
from tests.support.sipp_scenario import Check, Scenario, in_body, offer

pytestmark = pytest.mark.interop

TONE = {"greeting": {"tone": {"hz": 440, "ms": 20_000}}}
GOODBYE = {
    "greeting": {"tone": {"hz": 440, "ms": 600}},
    "turns": [{"tool": {"name": "hang_up"}, "after_tool": {"tone": {"hz": 1000, "ms": 600}}}],
}
SPEAKING_CALLER = g711.encode(
    np.concatenate([speech.silence(2.2), speech.synthesise(1.2, seed=62), speech.silence(12)])
)
AUDIO = in_body("m=audio [1-9][0-9]* RTP/AVP 0")
CONSUMED = Check("Proxy-Authorization", is_absent=True)
"""The carrier takes the credentials out once it has checked them."""
USER, PASSWORD = "15550100", "secret-of-the-trunk"

StartRegistrar = Callable[..., Kamailio]
transports = pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])


@pytest.fixture
def carrier(tmp_path: Path, authority: Authority) -> Iterator[StartRegistrar]:
    """Starts a registrar; it is stopped after the test."""
    require("kamailio", "sipp")
    with ExitStack() as stack:

        def begin(**defines: str | int) -> Kamailio:
            given = {"REALM": "carrier.example", "SECRET": PASSWORD, "MIN_EXPIRES": 60, "NONCE_EXPIRE": 30, **defines}
            started = Kamailio("registrar", tmp_path / "kamailio", given, authority=authority)
            stack.callback(started.stop)
            return started

        yield begin


def trunk(carrier: Kamailio, authority: Authority, transport: str, **more: object) -> dict[str, object]:
    """The settings of a trunk that registers at the carrier."""
    return {
        "targets": [carrier.uri(transport.lower())],
        "accept_from": [f"{carrier.address}/32"],
        "username": USER,
        "password": PASSWORD,
        "register": True,
        "tls": {"ca": str(authority.ca)},
        **more,
    }


@transports
@pytest.mark.peer("Kamailio", "{transport}", "registrar: we register with digest, it routes a call to our contact")
def test_a_call_comes_to_the_registered_contact(
    start: RunGateway, carrier: StartRegistrar, call: Call, authority: Authority, tmp_path: Path, transport: str
) -> None:
    require("tcpdump")
    exchange = carrier()
    gateway = start(TONE, authority=authority, further={"trunks": {"line": trunk(exchange, authority, transport)}})
    (contact,) = exchange.wait_for_contacts(1)
    assert gateway.address in contact
    steps = Scenario("through the registrar").invite().expect(200, AUDIO).ack().speak().pause(1.2).hang_up()
    with Capture(tmp_path, gateway.address) as capture:
        call(steps, exchange.sip, service=USER)
    heard = [flow.samples() for flow in rtp_flows(capture.datagrams()) if flow.source[0] == gateway.address]
    expect_tone(heard[0], 440, at_least_s=0.8)
    assert not gateway.only_session().is_open


@transports
@pytest.mark.peer("Kamailio", "{transport}", "registrar: the agent hangs up a call that it routed to our contact")
def test_the_agent_ends_a_call_to_the_registered_contact(
    start: RunGateway, carrier: StartRegistrar, call: Call, authority: Authority, transport: str
) -> None:
    exchange = carrier()
    gateway = start(GOODBYE, authority=authority, further={"trunks": {"line": trunk(exchange, authority, transport)}})
    exchange.wait_for_contacts(1)
    steps = Scenario("agent hangs up").invite().expect(200, AUDIO).ack().speak().receive("BYE").respond(200, "OK")
    call(steps, exchange.sip, service=USER, voice=SPEAKING_CALLER)
    assert gateway.only_session().close_code == 1000


@transports
@pytest.mark.peer("Kamailio", "{transport}", "registrar: the contact is taken back when the gateway stops")
def test_the_contact_is_taken_back_at_the_end(
    carrier: StartRegistrar, authority: Authority, tmp_path: Path, transport: str
) -> None:
    exchange = carrier()
    further = {"trunks": {"line": trunk(exchange, authority, transport)}}
    with run_gateway(tmp_path, TONE, authority=authority, further=further):
        exchange.wait_for_contacts(1)
    exchange.wait_for_contacts(0)


@transports
@pytest.mark.peer(
    "Kamailio", "{transport}", "carrier: a call placed over REST is challenged (407), answered and hung up"
)
def test_a_call_is_placed_through_the_carrier_that_challenges_it(
    start: RunGateway, carrier: StartRegistrar, authority: Authority, tmp_path: Path, transport: str
) -> None:
    exchange = carrier()
    callee = loopback_address()
    port = free_sip_port(callee)
    steps = Scenario("called", "called").receive("INVITE", AUDIO, CONSUMED).respond(180, "Ringing").pause(0.2)
    steps.respond(200, "OK", offer()).receive("ACK").receive("BYE").respond(200, "OK")
    phone = Sipp(steps, tmp_path / "sipp", address=callee, local_port=port)
    try:
        exchange.add_contact("15550199", f"sip:15550199@{callee}:{port}")
        line = trunk(exchange, authority, transport, allow_destinations=["*"], from_domain="carrier.example")
        gateway = start(TONE, authority=authority, further={"trunks": {"line": line}})
        placed = gateway.rest.call("15550199", trunk="line")
        gateway.rest.wait_for(placed, "talking")
        gateway.rest.hang_up(placed)
        phone.expect_success()
    finally:
        phone.stop()
