"""What SIP learned after RFC 3261, with SIPp: reliable ringing, UPDATE, session timers, INFO, REFER."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.conftest import Call, RunGateway
from tests.support.certificates import Authority
from tests.support.network import free_sip_port, loopback_address
from tests.support.peers import require
from tests.support.sipp import Sipp
from tests.support.sipp_scenario import Scenario, in_body, in_header, not_in_body, offer

pytestmark = pytest.mark.interop

TONE = {"greeting": {"tone": {"hz": 440, "ms": 20_000}}, "listening": {"minimum_speech_ms": 400}}
SLOW_AGENT = {**TONE, "faults": {"stall_session_updated_ms": 800}}
AUDIO = in_body("m=audio [1-9][0-9]* RTP/AVP 0")
ELSEWHERE = {"targets": ["sip:192.0.2.1"], "options_s": 0}
"""Where numbers are dialled, in the REFER of a transfer: nobody goes there in these tests."""
TIMER = ("Supported: timer",)
transports = pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])


def talking(name: str, *headers: str) -> Scenario:
    return Scenario(name).invite(headers=headers).expect(200, AUDIO).ack().pause(0.3)


@transports
@pytest.mark.peer(
    "SIPp", "{transport}", "the caller requires 100rel: 180, PRACK and its 200, then the answer (RFC 3262)"
)
def test_reliable_ringing(start: RunGateway, call: Call, authority: Authority, transport: str) -> None:
    gateway = start(SLOW_AGENT, authority=authority)
    steps = Scenario("reliable ringing").invite(headers=["Require: 100rel"]).expect_reliable(180)
    call(steps.expect(200, AUDIO, optional=()).ack(cseq=1).pause(0.3).hang_up(), gateway.at(transport), transport)


@transports
@pytest.mark.peer(
    "SIPp", "{transport}", "the agent is heard before the answer: 183 with SDP, acknowledged, then the 200"
)
def test_early_media(start: RunGateway, call: Call, authority: Authority, transport: str) -> None:
    trunks = {"loopback": {"accept_from": ["127.0.0.0/8"], "early_media": True}}
    greeting = {"greeting": {"tone": {"hz": 440, "ms": 800}}}
    gateway = start(greeting, authority=authority, further={"trunks": trunks})
    steps = Scenario("early media").invite(headers=["Supported: 100rel"])
    steps.expect_reliable(183, AUDIO).expect(200, optional=()).ack(cseq=1).pause(0.3)
    call(steps.hang_up(), gateway.at(transport), transport)


@transports
@pytest.mark.peer("SIPp", "{transport}", "UPDATE without SDP refreshes, UPDATE with SDP holds and resumes (RFC 3311)")
def test_update(start: RunGateway, call: Call, authority: Authority, transport: str) -> None:
    gateway = start(TONE, authority=authority)
    steps = talking("update").request("UPDATE").expect(200, optional=())
    held = offer(2, direction="sendonly")
    steps.request("UPDATE", held).expect(200, not_in_body("a=sendrecv"), AUDIO, optional=()).pause(0.3)
    steps.request("UPDATE", offer(3)).expect(200, AUDIO, not_in_body("a=recvonly"), optional=()).pause(0.3)
    call(steps.hang_up(), gateway.at(transport), transport)
    assert "call.held" in gateway.log
    assert "call.resumed" in gateway.log


@transports
@pytest.mark.peer(
    "SIPp", "{transport}", "Session-Expires too short: 422 with Min-SE; then accepted, refreshed by UPDATE"
)
def test_session_timers(start: RunGateway, call: Call, authority: Authority, transport: str) -> None:
    gateway = start(TONE, authority=authority)
    steps = Scenario("session timers").invite(headers=[*TIMER, "Session-Expires: 60"])
    steps.expect(422, in_header("Min-SE", "90")).ack_refusal()
    steps.invite(headers=[*TIMER, "Session-Expires: 90;refresher=uac", "Min-SE: 90"])
    steps.expect(200, AUDIO, in_header("Session-Expires", "90.*refresher=uac")).ack().pause(0.3)
    steps.request("UPDATE", headers=[*TIMER, "Session-Expires: 90;refresher=uac", "Min-SE: 90"])
    steps.expect(200, in_header("Session-Expires", "90.*refresher=uac"), optional=())
    steps.request("INVITE", offer(), headers=[*TIMER, "Session-Expires: 90;refresher=uac", "Min-SE: 90"])
    steps.expect(200, AUDIO, in_header("Session-Expires", "90")).ack()
    call(steps.hang_up(), gateway.at(transport), transport)


@transports
@pytest.mark.peer(
    "SIPp", "{transport}", "a key told by INFO (application/dtmf-relay) reaches the agent; other INFO gets 469"
)
def test_info(start: RunGateway, call: Call, authority: Authority, transport: str) -> None:
    gateway = start(TONE, authority=authority)
    steps = talking("info").request("INFO", "Signal=5\nDuration=160", content_type="application/dtmf-relay")
    steps.expect(200, optional=()).request("INFO", "x", content_type="text/x", headers=["Info-Package: unheard-of"])
    steps.expect(469, optional=()).pause(2)
    call(steps.hang_up(), gateway.at(transport), transport)
    told = [str(logged.event) for logged in gateway.only_session().received if "conversation.item" in logged.type]
    assert any("5" in text for text in told), told


@transports
@pytest.mark.peer("SIPp", "{transport}", "REFER from the caller is refused (603), and the call goes on")
def test_refer_from_the_caller(start: RunGateway, call: Call, authority: Authority, transport: str) -> None:
    gateway = start(TONE, authority=authority)
    steps = talking("refer from the caller").request("REFER", headers=["Refer-To: <sip:somebody@example.com>"])
    steps.expect(603, optional=()).pause(0.3).request("OPTIONS").expect(200, optional=())
    call(steps.hang_up(), gateway.at(transport), transport)


@transports
@pytest.mark.peer("SIPp", "{transport}", "blind transfer (REST): REFER, 202, NOTIFY 100 and 200, then our BYE")
def test_we_transfer_the_caller(start: RunGateway, call: Call, authority: Authority, transport: str) -> None:
    trunks = {"loopback": {"accept_from": ["127.0.0.0/8"], "allow_destinations": ["*"], **ELSEWHERE}}
    gateway = start(TONE, authority=authority, further={"trunks": trunks})
    steps = Scenario("transferred").invite().expect(200, AUDIO).ack()
    steps.receive("REFER", in_header("Refer-To", "15550122")).respond(202, "Accepted")
    steps.notify("SIP/2.0 100 Trying", "active;expires=60").notify("SIP/2.0 200 OK", "terminated;reason=noresource")
    steps.receive("BYE").respond(200, "OK")
    phone = call(steps, gateway.at(transport), transport, to_the_end=False)
    (live,) = gateway.rest.wait_for_calls(1, "talking")
    status, view = gateway.rest.request("POST", f"/v1/calls/{live}/transfer", {"to": "15550122"})
    assert status == 202, view
    phone.expect_success()
    assert gateway.rest.wait_for(live, "ended")["end_reason"] == "transferred"


@transports
@pytest.mark.peer("SIPp", "{transport}", "a transfer that fails (NOTIFY 486): the call comes back and goes on")
def test_a_transfer_that_fails(start: RunGateway, call: Call, authority: Authority, transport: str) -> None:
    trunks = {"loopback": {"accept_from": ["127.0.0.0/8"], "allow_destinations": ["*"], **ELSEWHERE}}
    gateway = start(TONE, authority=authority, further={"trunks": trunks})
    steps = Scenario("not transferred").invite().expect(200, AUDIO).ack().receive("REFER").respond(202, "Accepted")
    steps.notify("SIP/2.0 100 Trying", "active;expires=60").notify(
        "SIP/2.0 486 Busy Here", "terminated;reason=noresource"
    )
    steps.pause(0.3).request("OPTIONS").expect(200, optional=()).hang_up()
    phone = call(steps, gateway.at(transport), transport, to_the_end=False)
    (live,) = gateway.rest.wait_for_calls(1, "talking")
    assert gateway.rest.request("POST", f"/v1/calls/{live}/transfer", {"to": "15550122"})[0] == 202
    phone.expect_success()
    assert gateway.rest.wait_for(live, "ended")["end_reason"] == "caller_hung_up"


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.peer(
    "SIPp", "{transport}", "called: requires 100rel in its 183, gets PRACK; holds and resumes us; we hang up"
)
def test_the_called_side_requires_reliable_provisionals(start: RunGateway, tmp_path: Path, transport: str) -> None:
    require("sipp")
    callee = loopback_address()
    port = free_sip_port(callee)
    steps = Scenario("called, 100rel", "called").receive("INVITE", AUDIO, in_header("Supported", "100rel"))
    steps.respond(183, "Session Progress", offer(), headers=["Require: 100rel", "RSeq: 7001"])
    steps.receive("PRACK", in_header("RAck", "7001 [0-9]+ INVITE")).respond(200, "OK").pause(0.3)
    steps.respond_to_invite(200, "OK").receive("ACK").pause(0.3)
    steps.request("INVITE", offer(2, direction="sendonly")).expect(200, not_in_body("a=sendrecv")).ack().pause(0.3)
    steps.request("INVITE", offer(3)).expect(200, AUDIO, not_in_body("a=recvonly")).ack()
    steps.receive("BYE").respond(200, "OK")
    phone = Sipp(steps, tmp_path / "sipp", address=callee, local_port=port, transport=transport)
    try:
        target = f"sip:{callee}:{port};transport={transport.lower()}"
        gateway = start(
            TONE, further={"trunks": {"line": {"targets": [target], "allow_destinations": ["*"], "options_s": 0}}}
        )
        placed = gateway.rest.call("15550199", trunk="line")
        gateway.wait_for_log("call.resumed")
        gateway.rest.hang_up(placed)
        phone.expect_success()
    finally:
        phone.stop()
