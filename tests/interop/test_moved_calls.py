"""Who talks to whom changes: a phone hands the agent on, two phones are connected, a phone takes the agent over."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from gateway.measure import g711, speech
from tests.interop.conftest import RunGateway
from tests.support.audio import expect_recording, expect_tone
from tests.support.baresip import USER, Baresip
from tests.support.capture import Capture
from tests.support.certificates import Authority
from tests.support.network import loopback_address
from tests.support.pcap import rtp_flows, sip_messages
from tests.support.peers import require
from tests.support.sipp import Sipp
from tests.support.sipp_scenario import Scenario, in_body

pytestmark = pytest.mark.interop

PHRASE = speech.synthesise(2.0, seed=41)
OTHER_PHRASE = speech.synthesise(2.0, seed=43)
VOICE = np.concatenate([speech.silence(2.5), PHRASE, speech.silence(40)])
OTHER_VOICE = np.concatenate([speech.silence(5), OTHER_PHRASE, speech.silence(40)])
"""It begins when the other one is over."""
GREETING_S = 1.5
GREETING = {"greeting": {"tone": {"hz": 440, "ms": round(GREETING_S * 1000)}}}
ECHO = {**GREETING, "turns": [{"echo": True}]}
TONE = {"greeting": {"tone": {"hz": 440, "ms": 20_000}}}
CALLERS = {"accept_from": ["127.0.0.0/8"], "allow_destinations": ["*"], "options_s": 0}
AUDIO = in_body("m=audio [1-9][0-9]* RTP/AVP 0")

StartPhone = Callable[..., Baresip]


@pytest.fixture
def phone(tmp_path: Path, authority: Authority) -> Iterator[StartPhone]:
    """Starts telephones, each in a directory of its name; they are stopped after the test."""
    require("baresip")
    with ExitStack() as stack:

        def begin(name: str, voice: g711.Samples) -> Baresip:
            address = loopback_address()
            telephone = Baresip(tmp_path / name, address=address, codec="PCMU", voice=voice, authority=authority)
            stack.callback(telephone.stop)
            return telephone

        yield begin


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
@pytest.mark.peer(
    "baresip", "{transport}", "its own transfer: the agent goes on with another baresip, the first is let go"
)
def test_a_phone_hands_the_agent_on(start: RunGateway, phone: StartPhone, authority: Authority, transport: str) -> None:
    desk, colleague = phone("desk", speech.silence(40)), phone("colleague", VOICE)
    trunk = {**CALLERS, "targets": [colleague.at(transport)], "follow_refer": True, "tls": {"ca": str(authority.ca)}}
    gateway = start(ECHO, authority=authority, further={"trunks": {"loopback": trunk}})
    desk.dial(gateway.uri_over(transport))
    desk.wait_for_event("CALL_ESTABLISHED")
    (live,) = gateway.rest.wait_for_calls(1, "talking")
    time.sleep(GREETING_S + 0.5)  # nothing that waits to be said goes along
    desk.transfer(colleague.at(transport).replace("sip:", f"sip:{USER}@"))
    colleague.wait_for_event("CALL_ESTABLISHED")
    desk.wait_for_event("CALL_CLOSED")
    gateway.emulator.wait_until(lambda: len(gateway.sessions[0].responses) == 2, timeout_s=15)
    answer = gateway.sessions[0].responses[1]
    gateway.emulator.wait_until(lambda: answer.finished_at is not None, timeout_s=15)
    assert answer.first_audio_at is not None
    heard_by = answer.first_audio_at + answer.audio_ms / 1000 + 0.5  # it is produced faster than it sounds
    gateway.emulator.wait_until(lambda: time.monotonic() > heard_by, timeout_s=30)
    view = gateway.rest.look_at(live)
    assert (view["state"], view["transfer"]["state"], view["transfer"]["by"]) == ("talking", "succeeded", "peer")
    colleague.hang_up()
    session = gateway.only_session()
    gateway.rest.wait_for_end(live, "caller_hung_up")
    desk.stop()
    colleague.stop()
    expect_tone(desk.heard(), 440, at_least_s=1.3)
    expect_recording(colleague.heard(), PHRASE, likeness=0.95)
    expect_recording(session.caller_samples(), PHRASE, likeness=0.97)


@pytest.mark.peer(
    "baresip",
    "UDP",
    "attended transfer (REST): it calls the other baresip, but without Replaces; our call with it ends",
)
def test_two_phones_are_connected(start: RunGateway, phone: StartPhone, tmp_path: Path) -> None:
    """baresip 1.0.0 knows no Replaces: the colleague's call with the agent stays, and is ended by us."""
    require("tcpdump")
    customer, colleague = phone("customer", VOICE), phone("colleague", OTHER_VOICE)
    gateway = start(GREETING, further={"trunks": {"loopback": {**CALLERS, "targets": ["sip:192.0.2.1"]}}})
    with Capture(tmp_path, gateway.address) as capture:
        colleague.dial(gateway.uri)
        own = colleague.wait_for_event("CALL_ESTABLISHED")["id"]
        (second,) = gateway.rest.wait_for_calls(1, "talking")
        customer.dial(gateway.uri)
        customer.wait_for_event("CALL_ESTABLISHED")
        (first,) = set(gateway.rest.wait_for_calls(2, "talking")) - {second}
        time.sleep(GREETING_S)  # a phone's recordings are named by the second
        assert gateway.rest.request("POST", f"/v1/calls/{first}/transfer", {"to_call": second})[0] == 202
        gateway.rest.wait_for_end(first, "transferred")
    colleague.wait_for(lambda event: event.get("type") == "CALL_ESTABLISHED" and event["id"] != own)
    replies = [(reply["status"], reply["reason"]) for reply in gateway.rest.look_at(first)["sip_replies"]]
    assert replies == [(202, "Accepted"), (100, "Trying"), (200, "OK")]
    sent = [text for _, text in sip_messages(capture.datagrams())]
    answer = next(text for text in sent if text.startswith("SIP/2.0 200") and own in text)
    tags = [re.findall(rf"(?m)^{name}:.*;tag=(\S+)", answer)[0] for name in ("From", "To")]
    wanted = "?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}>".format(own, *tags)
    refer = next(text for text in sent if text.startswith("REFER"))
    assert wanted in refer, refer
    time.sleep(9)  # both voices, one after the other
    gateway.rest.hang_up(second)
    customer.stop()
    colleague.stop()
    expect_recording(colleague.all_heard()[-1], PHRASE, likeness=0.95)
    expect_recording(customer.all_heard()[-1], OTHER_PHRASE, likeness=0.95)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.peer(
    "SIPp", "{transport}", "INVITE with Replaces: the agent goes on there, the replaced call gets our BYE"
)
def test_a_phone_takes_the_agent_over(start: RunGateway, tmp_path: Path, transport: str) -> None:
    require("sipp", "tcpdump")
    gateway = start(TONE, further={"trunks": {"loopback": {**CALLERS, "targets": ["sip:192.0.2.1"]}}})
    desk, customer = loopback_address(), loopback_address()
    replaced = Scenario("replaced").invite().expect(200, AUDIO).ack().receive("BYE").respond(200, "OK")
    with ExitStack() as stack:
        capture = stack.enter_context(Capture(tmp_path, gateway.address))

        def play(scenario: Scenario, address: str) -> Sipp:
            phone = Sipp(
                scenario,
                tmp_path / scenario.name,
                address=address,
                target=gateway.sip,
                transport=transport,
                options=["-s", "agent"],
            )
            stack.callback(phone.stop)
            return phone

        first = play(replaced, desk)
        (live,) = gateway.rest.wait_for_calls(1, "talking")
        gateway.emulator.wait_until(lambda: "ACK sip:" in first.trace)
        time.sleep(1)
        steps = Scenario("taking over").invite(headers=["Require: replaces", f"Replaces: {dialog_of(first)}"])
        second = play(steps.expect(200, AUDIO).ack().pause(2).hang_up(), customer)
        first.expect_success()
        assert gateway.rest.look_at(live)["state"] == "talking"
        second.expect_success()
        gateway.rest.wait_for_end(live, "caller_hung_up")
    assert gateway.only_session().close_code == 1000
    before, after = (
        next(flow for flow in rtp_flows(capture.datagrams()) if flow.destination[0] == heard_by)
        for heard_by in (desk, customer)
    )
    expect_tone(before.samples(), 440, at_least_s=0.8)
    expect_tone(after.samples(), 440, at_least_s=1.5)
    assert before.packets[-1].arrival_ns < after.packets[10].arrival_ns, "two far ends hear the agent at once"


def dialog_of(phone: Sipp) -> str:
    """The call of SIPp as a Replaces names it to the gateway."""
    _, answer = phone.trace.split("SIP/2.0 200", 1)
    call_id, to_tag, from_tag = (
        re.findall(pattern, answer)[0] for pattern in (r"Call-ID: (\S+)", r"\nTo:.*;tag=(\S+)", r"\nFrom:.*;tag=(\S+)")
    )
    return f"{call_id};to-tag={to_tag};from-tag={from_tag}"
