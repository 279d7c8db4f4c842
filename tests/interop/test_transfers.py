"""Transfers as telephones live through them: baresip is sent elsewhere, and one caller is connected to another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.measure import speech
from tests.interop.conftest import Call, RunGateway
from tests.support.baresip import Baresip
from tests.support.certificates import Authority
from tests.support.network import free_sip_port, loopback_address
from tests.support.peers import require
from tests.support.sipp import Sipp
from tests.support.sipp_scenario import Scenario, in_body, in_header, offer

pytestmark = pytest.mark.interop

TONE = {"greeting": {"tone": {"hz": 440, "ms": 20_000}}, "listening": {"minimum_speech_ms": 400}}
AUDIO = in_body("m=audio [1-9][0-9]* RTP/AVP 0")
CALLERS = {"accept_from": ["127.0.0.0/8"], "allow_destinations": ["*"], "options_s": 0}


@pytest.fixture
def telephone(tmp_path: Path, authority: Authority) -> Iterator[Baresip]:
    """A silent baresip, stopped after the test."""
    require("baresip", "sipp")
    voice = speech.silence(40)
    phone = Baresip(tmp_path / "phone", address=loopback_address(), codec="PCMU", voice=voice, authority=authority)
    yield phone
    phone.stop()


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
@pytest.mark.peer("baresip", "{transport}", "blind transfer (REST): it takes our REFER, calls there, our call ends")
def test_baresip_is_transferred(
    start: RunGateway, telephone: Baresip, authority: Authority, tmp_path: Path, transport: str
) -> None:
    colleague = loopback_address()
    port = free_sip_port(colleague)
    steps = Scenario("colleague", "called").receive("INVITE", AUDIO).respond(180, "Ringing").pause(0.2)
    steps.respond(200, "OK", offer()).receive("ACK").receive("BYE").respond(200, "OK")
    with ExitStack() as stack:
        other = Sipp(steps, tmp_path / "sipp", address=colleague, local_port=port)
        stack.callback(other.stop)
        trunks = {"loopback": {**CALLERS, "targets": [f"sip:{colleague}:{port}"]}}
        gateway = start(TONE, authority=authority, further={"trunks": trunks})
        telephone.dial(gateway.uri_over(transport))
        telephone.wait_for_event("CALL_ESTABLISHED")
        (live,) = gateway.rest.wait_for_calls(1, "talking")
        status, view = gateway.rest.request("POST", f"/v1/calls/{live}/transfer", {"to": "15550122"})
        assert status == 202, view
        gateway.rest.wait_for_end(live, "transferred")
        telephone.hang_up()
        other.expect_success()


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
@pytest.mark.peer("SIPp", "{transport}", "attended transfer (REST): the REFER names our other call in Replaces")
def test_a_caller_is_connected_to_another(
    start: RunGateway, call: Call, authority: Authority, tmp_path: Path, transport: str
) -> None:
    trunks = {"loopback": {**CALLERS, "targets": ["sip:192.0.2.1"]}}
    gateway = start(TONE, authority=authority, further={"trunks": trunks})
    waiting = Scenario("colleague").invite().expect(200, AUDIO).ack().pause(3).hang_up()
    address, options = loopback_address(), ["-s", "agent"]
    other = Sipp(waiting, tmp_path / "colleague", address=address, target=gateway.sip, options=options)
    try:
        (second,) = gateway.rest.wait_for_calls(1, "talking")
        steps = Scenario("transferred").invite().expect(200, AUDIO).ack()
        steps.receive("REFER", in_header("Refer-To", "Replaces=")).respond(202, "Accepted")
        steps.notify("SIP/2.0 200 OK", "terminated;reason=noresource").receive("BYE").respond(200, "OK")
        phone = call(steps, gateway.at(transport), transport, to_the_end=False)
        first = next(one for one in gateway.rest.wait_for_calls(2, "talking") if one != second)
        status, view = gateway.rest.request("POST", f"/v1/calls/{first}/transfer", {"to_call": second})
        assert status == 202, view
        phone.expect_success()
        gateway.rest.wait_for_end(first, "transferred")
        other.expect_success()
    finally:
        other.stop()
