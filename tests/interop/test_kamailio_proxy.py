"""Kamailio as a record-routing proxy between a phone with a private Contact and the gateway.

The phone (SIPp) names an address in its Contact that nobody can reach. Whatever the gateway sends within the call gets
there only when it goes to the proxy, carries the Route set and keeps the Contact that the proxy wrote.
"""

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
from tests.support.gateway_under_test import GatewayUnderTest
from tests.support.kamailio import Kamailio
from tests.support.pcap import rtp_flows
from tests.support.peers import require
from tests.support.sipp_scenario import Scenario, in_body, in_header, not_in_body, offer

pytestmark = pytest.mark.interop

TONE = {"greeting": {"tone": {"hz": 440, "ms": 20_000}}, "listening": {"minimum_speech_ms": 400}}
GOODBYE = {
    "greeting": {"tone": {"hz": 440, "ms": 600}},
    "turns": [{"tool": {"name": "hang_up"}, "after_tool": {"tone": {"hz": 1000, "ms": 600}}}],
}
SPEAKING_CALLER = g711.encode(
    np.concatenate([speech.silence(2.2), speech.synthesise(1.2, seed=61), speech.silence(12)])
)
PRIVATE_CONTACT = "10.99.1.2:5066"
AUDIO = in_body("m=audio [1-9][0-9]* RTP/AVP 0")

StartProxy = Callable[..., Kamailio]
both_legs = pytest.mark.parametrize(
    ("phone", "trunk"), [("UDP", "udp"), ("TCP", "tcp"), ("UDP", "tcp"), ("TCP", "udp"), ("TLS", "tls"), ("UDP", "tls")]
)


@pytest.fixture
def proxy(tmp_path: Path, authority: Authority) -> Iterator[StartProxy]:
    """Starts a proxy in front of a gateway, which it reaches over one transport."""
    require("kamailio", "sipp")
    with ExitStack() as stack:

        def begin(gateway: GatewayUnderTest, transport: str, *, advertised: str = "") -> Kamailio:
            address, port = gateway.at(transport.upper())
            where = f"sip:{address}:{port};transport={transport}"
            defines = {"GATEWAY": gateway.address, "GATEWAY_URI": where}
            started = Kamailio("proxy", tmp_path / "kamailio", defines, advertised=advertised, authority=authority)
            stack.callback(started.stop)
            return started

        yield begin


def phone_behind_nat(name: str) -> Scenario:
    return Scenario(name, contact_host=PRIVATE_CONTACT)


@both_legs
@pytest.mark.peer(
    "Kamailio", "{phone} to {trunk}", "record-routing proxy: the phone holds, resumes and hangs up through it"
)
def test_the_phone_ends_the_call(
    start: RunGateway, proxy: StartProxy, call: Call, authority: Authority, tmp_path: Path, phone: str, trunk: str
) -> None:
    require("tcpdump")
    gateway = start(TONE, authority=authority)
    edge = proxy(gateway, trunk)
    steps = (
        phone_behind_nat("through a proxy").invite().expect(200, AUDIO, in_header("Record-Route", "lr")).ack().speak()
    )
    steps.pause(1).request("INVITE", offer(2, direction="sendonly")).expect(200, not_in_body("a=sendrecv")).ack()
    steps.pause(0.5).request("INVITE", offer(3)).expect(200, AUDIO).ack().pause(0.5).hang_up()
    with Capture(tmp_path, gateway.address) as capture:
        call(steps, edge.at(phone), phone)
    heard = [flow.samples() for flow in rtp_flows(capture.datagrams()) if flow.source[0] == gateway.address]
    expect_tone(heard[0], 440, at_least_s=0.8)
    assert not gateway.only_session().is_open


@both_legs
@pytest.mark.peer(
    "Kamailio", "{phone} to {trunk}", "record-routing proxy: the agent's BYE finds a phone with a private Contact"
)
def test_the_agent_ends_the_call(
    start: RunGateway, proxy: StartProxy, call: Call, authority: Authority, phone: str, trunk: str
) -> None:
    gateway = start(GOODBYE, authority=authority)
    edge = proxy(gateway, trunk)
    steps = phone_behind_nat("agent hangs up through a proxy").invite().expect(200, AUDIO).ack().speak()
    call(steps.receive("BYE").respond(200, "OK"), edge.at(phone), phone, voice=SPEAKING_CALLER)
    assert gateway.only_session().close_code == 1000


@pytest.mark.parametrize(
    ("phone", "trunk"),
    [("UDP", "udp"), ("TCP", "tcp"), ("TLS", "tls")],
)
@pytest.mark.peer(
    "Kamailio", "{phone} to {trunk}", "after hold and resume the agent's BYE still gets through the proxy"
)
def test_the_agent_ends_a_call_that_was_held(
    start: RunGateway, proxy: StartProxy, call: Call, authority: Authority, phone: str, trunk: str
) -> None:
    gateway = start(GOODBYE, authority=authority)
    edge = proxy(gateway, trunk)
    steps = phone_behind_nat("held, then the agent hangs up").invite().expect(200, AUDIO).ack().speak().pause(0.7)
    steps.request("INVITE", offer(2, address="0.0.0.0")).expect(200).ack().pause(0.5)
    steps.request("INVITE", offer(3)).expect(200, AUDIO).ack()
    call(steps.receive("BYE").respond(200, "OK"), edge.at(phone), phone, voice=SPEAKING_CALLER)
    assert gateway.only_session().close_code == 1000


@pytest.mark.parametrize(
    ("phone", "trunk"),
    [("UDP", "udp"), ("TCP", "tcp"), ("TLS", "tls")],
)
@pytest.mark.peer("Kamailio", "{phone} to {trunk}", "proxy that advertises an unreachable address: BYE from the {who}")
@pytest.mark.parametrize("who", ["phone", "agent"])
def test_a_proxy_with_a_private_advertised_address(
    start: RunGateway, proxy: StartProxy, call: Call, authority: Authority, phone: str, trunk: str, who: str
) -> None:
    gateway = start(GOODBYE, authority=authority)
    edge = proxy(gateway, trunk, advertised="10.88.3.4:5070")
    steps = phone_behind_nat("private Record-Route").invite()
    steps.expect(200, AUDIO, in_header("Record-Route", "10.88.3.4")).ack().speak()
    steps = steps.pause(1).hang_up() if who == "phone" else steps.receive("BYE").respond(200, "OK")
    call(steps, edge.at(phone), phone, voice=SPEAKING_CALLER)
    assert gateway.only_session().close_code == 1000


@pytest.mark.peer("Kamailio", "UDP to udp", "CANCEL while it rings, through the proxy: 487, and the session is freed")
def test_a_call_cancelled_through_the_proxy(start: RunGateway, proxy: StartProxy, call: Call) -> None:
    gateway = start({**TONE, "faults": {"stall_session_updated_ms": 60_000}})
    edge = proxy(gateway, "udp")
    call(phone_behind_nat("cancel").invite().expect(180, optional=(100,)).pause(0.3).cancel(), edge.sip)
    assert not gateway.only_session().is_open
