"""Calls that we place, with SIPp as whoever is called: carriers, proxies that fork, PBXs that ask for a password."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.sip.events import CallAnswered, CallEnded, CallRedirected, CallRefused, CallRinging, EndCause, HopFailed
from tests.interop.conftest import RunGateway
from tests.support.dns_server import DnsServer
from tests.support.network import free_sip_port, loopback_address
from tests.support.peers import require
from tests.support.placing_phone import PlacingPhone
from tests.support.sip_peer import OFFER
from tests.support.sipp import Sipp
from tests.support.sipp_scenario import Scenario, in_body, in_header, offer
from tests.support.waiting import until

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("sipp_is_there")]

ALICE: dict[str, Any] = {"username": "alice", "password": "wonderland"}
transports = pytest.mark.parametrize("transport", ["UDP", "TCP"])


@pytest.fixture
def sipp_is_there() -> None:
    require("sipp")


class Called:
    """SIPp as the called side, on an address and port of its own."""

    def __init__(self, stack: ExitStack, directory: Path, scenario: Scenario, transport: str) -> None:
        self.address = loopback_address()
        self.port = free_sip_port(self.address)
        self.transport = transport
        self.uri = f"sip:{self.address}:{self.port};transport={transport.lower()}"
        self._sipp = Sipp(
            scenario, directory, address=self.address, local_port=self.port, transport=transport, timeout_s=30
        )
        stack.callback(self._sipp.stop)

    async def listens(self) -> None:
        await until(self._is_bound)

    def _is_bound(self) -> bool:
        kind = socket.SOCK_DGRAM if self.transport == "UDP" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.address, self.port))
            except OSError:
                return True
        return False

    async def is_content(self) -> None:
        await asyncio.to_thread(self._sipp.expect_success)

    @property
    def trace(self) -> str:
        return self._sipp.trace


class Stage:
    """The called sides of one test."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        self._stack = stack
        self._directory = directory
        self._count = 0

    def called(self, scenario: Scenario, transport: str = "UDP") -> Called:
        self._count += 1
        return Called(self._stack, self._directory / f"called{self._count}", scenario, transport)

    @asynccontextmanager
    async def phone(self, *sides: Called, **trunk: Any) -> AsyncIterator[PlacingPhone]:
        for side in sides:
            await side.listens()
        targets = trunk.pop("targets", [side.uri for side in sides])
        nameserver = trunk.pop("nameserver", None)
        async with PlacingPhone(loopback_address(), {"targets": targets, **trunk}, nameserver=nameserver) as phone:
            yield phone


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(stack, tmp_path)


def answering(scenario: Scenario) -> Scenario:
    """Answers, is acknowledged, and is hung up on."""
    scenario.respond(200, "OK", offer()).receive("ACK")
    return scenario.receive("BYE").respond(200, "OK")


async def talk_and_hang_up(phone: PlacingPhone, *sides: Called) -> None:
    await phone.told(CallAnswered)
    phone.hang_up()
    for side in sides:
        await side.is_content()
    assert phone.of(CallEnded)[-1].cause is EndCause.HUNG_UP
    await until(lambda: phone.endpoint.user_agent.calls == 0)


# Plainly


@transports
@pytest.mark.peer("SIPp", "{transport}", "a call of ours: 100, 180, 200, ACK to its Contact, BYE")
async def test_a_call_is_answered(stage: Stage, transport: str) -> None:
    scenario = Scenario("answers", "called").receive(
        "INVITE", in_body("m=audio [0-9]+ RTP/AVP 0"), in_header("To", "15550100@")
    )
    side = stage.called(answering(scenario.respond(100, "Trying").respond(180, "Ringing").pause(0.2)), transport)
    async with stage.phone(side) as phone:
        await phone.dial()
        await talk_and_hang_up(phone, side)
        assert [event.status for event in phone.of(CallRinging)] == [180]


@pytest.mark.peer("SIPp", "UDP", "486: refused, with the reason phrase and headers of the called side")
async def test_busy(stage: Stage) -> None:
    scenario = Scenario("busy", "called").receive("INVITE")
    side = stage.called(scenario.respond(486, "On The Phone", headers=["X-Line: 7"]).receive("ACK"))
    async with stage.phone(side) as phone:
        await phone.dial()
        refused = await phone.told(CallRefused)
        assert (refused.status, refused.reason, refused.headers.get("X-Line")) == (486, "On The Phone", "7")
        await side.is_content()


@transports
@pytest.mark.peer("SIPp", "{transport}", "nobody answers: CANCEL after the ringing time, 487, ACK")
async def test_ringing_time(stage: Stage, transport: str) -> None:
    scenario = Scenario("rings", "called").receive("INVITE").respond(180, "Ringing")
    scenario.receive("CANCEL").respond(200, "OK").respond(487, "Request Terminated", to_invite=True).receive("ACK")
    side = stage.called(scenario, transport)
    async with stage.phone(side) as phone:
        await phone.dial(ring_timeout_s=1.0)
        assert (await phone.told(CallEnded)).cause is EndCause.NO_ANSWER
        assert 0.9 < time.monotonic() - phone.begun_at < 2.5
        await side.is_content()


@pytest.mark.peer("SIPp", "UDP to TCP", "an INVITE of more than 1300 octets goes by TCP")
async def test_a_long_invite_goes_by_tcp(stage: Stage) -> None:
    side = stage.called(answering(Scenario("long", "called").receive("INVITE", in_header("Via", "TCP"))), "TCP")
    target = side.uri.replace("transport=tcp", "transport=udp")
    async with stage.phone(side, targets=[target]) as phone:
        await phone.dial(headers=(("X-Long", "x" * 700), ("X-Longer", "y" * 700)))
        await phone.told(CallAnswered)


@pytest.mark.peer("SIPp", "TCP to UDP", "an INVITE of more than 1300 octets goes by UDP where TCP is refused")
async def test_a_long_invite_goes_by_udp_where_tcp_is_refused(stage: Stage) -> None:
    side = stage.called(answering(Scenario("long", "called").receive("INVITE", in_header("Via", "UDP"))))
    async with stage.phone(side) as phone:
        await phone.dial(headers=(("X-Long", "x" * 700), ("X-Longer", "y" * 700)))
        await talk_and_hang_up(phone, side)
        assert time.monotonic() - phone.begun_at < 2


# Passwords


def asks(status: int, reason: str, nonce: str, extra: str = "") -> tuple[int, str, list[str]]:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    value = f'Digest realm="pbx", nonce="{nonce}", qop="auth", algorithm=MD5{extra}'
    return status, reason, [f"{name}: {value}"]


def challenged(scenario: Scenario, status: int = 401, nonce: str = "first", extra: str = "") -> Scenario:
    code, reason, headers = asks(status, "Who Are You", nonce, extra)
    return scenario.respond(code, reason, headers=headers).receive("ACK")


def verify_digest(header: str, method: str, username: str, password: str) -> None:
    """By hand, as RFC 7616 §3.4 says for MD5 with qop auth: SIPp verifies only Authorization."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', header))
    ha1 = hashlib.md5(f"{username}:{given['realm']}:{password}".encode()).hexdigest()
    ha2 = hashlib.md5(f"{method}:{given['uri']}".encode()).hexdigest()
    text = f"{ha1}:{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}:{ha2}"
    assert given["response"] == hashlib.md5(text.encode()).hexdigest()


@transports
@pytest.mark.peer("SIPp", "{transport}", "401: SIPp works out the MD5 digest and finds ours right")
async def test_a_pbx_asks_for_the_password(stage: Stage, transport: str) -> None:
    scenario = challenged(Scenario("401", "called").receive("INVITE")).receive_credentials("alice", "wonderland")
    side = stage.called(answering(scenario), transport)
    async with stage.phone(side, **ALICE) as phone:
        await phone.dial()
        await talk_and_hang_up(phone, side)


@pytest.mark.peer("SIPp", "UDP", "407, then 401: proxy and PBX both get what they asked for")
async def test_a_proxy_and_a_pbx_ask(stage: Stage) -> None:
    scenario = challenged(Scenario("407", "called").receive("INVITE"), 407, "of-the-proxy")
    scenario.receive("INVITE", in_header("Proxy-Authorization", "of-the-proxy"))
    challenged(scenario, 401, "of-the-pbx").receive_credentials("alice", "wonderland")
    side = stage.called(answering(scenario))
    async with stage.phone(side, **ALICE) as phone:
        await phone.dial()
        await talk_and_hang_up(phone, side)
    answers = re.findall(r"(INVITE|BYE) sip:(?:.*\r?\n)+?Proxy-Authorization: Digest (.*)", side.trace)
    assert [method for method, _ in answers] == ["INVITE", "INVITE", "BYE"], "the BYE brings them without being asked"
    for method, value in answers:
        verify_digest(value, method, "alice", "wonderland")


@pytest.mark.peer("SIPp", "UDP", "a stale nonce is answered with the new one")
async def test_a_stale_nonce(stage: Stage) -> None:
    scenario = challenged(Scenario("stale", "called").receive("INVITE"))
    scenario.receive_credentials("alice", "wonderland")
    challenged(scenario, 401, "second", ", stale=true").receive("INVITE", in_header("Authorization", "second"))
    side = stage.called(answering(scenario))
    async with stage.phone(side, **ALICE) as phone:
        await phone.dial()
        await talk_and_hang_up(phone, side)


@pytest.mark.peer("SIPp", "UDP", "a wrong password is tried once and told as 401")
async def test_a_wrong_password(stage: Stage) -> None:
    scenario = challenged(Scenario("wrong", "called").receive("INVITE")).receive("INVITE")
    side = stage.called(challenged(scenario, 401, "another"))
    async with stage.phone(side, **{**ALICE, "password": "wrong"}) as phone:
        await phone.dial()
        assert (await phone.told(CallRefused)).status == 401
        await side.is_content()


# Elsewhere


@pytest.mark.peer("SIPp", "UDP", "302: the call goes where the Contact says")
async def test_a_redirect_is_followed(stage: Stage) -> None:
    other = stage.called(answering(Scenario("there", "called").receive("INVITE")))
    contact = f"Contact: <sip:+15550100@{other.address}:{other.port}>;q=0.8"
    scenario = Scenario("moved", "called").receive("INVITE").respond(302, "Moved", headers=[contact]).receive("ACK")
    side = stage.called(scenario)
    async with stage.phone(side, other, targets=[side.uri], allow_destinations=["*", "sip:*"]) as phone:
        await phone.dial()
        assert (await phone.told(CallRedirected)).status == 302
        await talk_and_hang_up(phone, side, other)
        assert phone.kinds == [CallRedirected, CallAnswered, CallEnded]


@pytest.mark.peer("SIPp", "UDP", "302 to a number that the trunk may not call is not followed")
async def test_a_redirect_to_an_expensive_number_is_not_followed(stage: Stage) -> None:
    contact = f"Contact: <sip:+19005550100@{loopback_address()}>"
    scenario = Scenario("moved", "called").receive("INVITE").respond(302, "Moved", headers=[contact]).receive("ACK")
    side = stage.called(scenario)
    async with stage.phone(side, allow_destinations=["+1555*"]) as phone:
        await phone.dial()
        assert (await phone.told(CallRefused)).status == 302
        await side.is_content()


@pytest.mark.peer("SIPp", "UDP", "503: the next target is asked, and for the next call at once")
async def test_a_target_that_is_full_makes_room_for_the_next(stage: Stage) -> None:
    full = Scenario("full", "called").receive("INVITE").respond(503, "Full", headers=["Retry-After: 60"]).receive("ACK")
    first, second = stage.called(full), stage.called(answering(Scenario("free", "called").receive("INVITE")))
    async with stage.phone(first, second) as phone:
        await phone.dial()
        await talk_and_hang_up(phone, first, second)
        assert phone.of(HopFailed)[0].retry_after_s == 60


@pytest.mark.peer("SIPp", "UDP", "SRV: a dead first server costs two seconds, and nothing for the next call")
async def test_a_dead_server_costs_two_seconds_once(stage: Stage) -> None:
    one = stage.called(answering(Scenario("alive", "called").receive("INVITE")))
    two = stage.called(answering(Scenario("alive too", "called").receive("INVITE")))
    dead = loopback_address()
    zone = {
        ("_sip._udp.carrier.test", "SRV"): [
            "10 0 5060 dead.carrier.test.",
            f"20 0 {one.port} one.carrier.test.",
            f"30 0 {two.port} two.carrier.test.",
        ],
        ("dead.carrier.test", "A"): [dead],
        ("one.carrier.test", "A"): [one.address],
        ("two.carrier.test", "A"): [two.address],
    }
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((dead, 5060))
        async with (
            DnsServer(zone) as names,
            stage.phone(one, two, targets=["sip:carrier.test"], nameserver=names.address) as phone,
        ):
            await phone.dial()
            await phone.told(CallAnswered)
            assert 1.9 < time.monotonic() - phone.begun_at < 3.0
            phone.hang_up()
            await one.is_content()
            phone.resolver.penalise("udp", (one.address, one.port))
            phone.events.clear()
            await phone.dial()
            await phone.told(CallAnswered)
            assert time.monotonic() - phone.begun_at < 1.0, "the dead one is asked last for a while"
            phone.hang_up()
            await two.is_content()


@pytest.mark.peer("SIPp", "TCP to UDP", "a target that takes no connection makes room at once")
async def test_a_refused_connection_makes_room_at_once(stage: Stage) -> None:
    side = stage.called(answering(Scenario("free", "called").receive("INVITE")))
    closed = f"sip:{loopback_address()}:{free_sip_port()};transport=tcp"
    async with stage.phone(side, targets=[closed, side.uri]) as phone:
        await phone.dial()
        await phone.told(CallAnswered)
        assert time.monotonic() - phone.begun_at < 1.0
        phone.hang_up()
        await side.is_content()


# Forks


@pytest.mark.peer("SIPp", "UDP", "a forking proxy: 183s with two To tags, then the 200 of one")
async def test_forked_early_media_and_the_answer_of_one(stage: Stage) -> None:
    scenario = Scenario("forks", "called").receive("INVITE")
    scenario.respond(183, "Progress", offer(), fork="-one").respond(183, "Progress", offer(2), fork="-two")
    scenario.pause(0.2).respond(200, "OK", offer(2), fork="-two").receive("ACK", in_header("To", "-two"))
    side = stage.called(scenario.receive("BYE", in_header("To", "-two")).respond(200, "OK"))
    async with stage.phone(side) as phone:
        await phone.dial()
        await talk_and_hang_up(phone, side)
        early = [event.early for event in phone.of(CallRinging)]
        assert len(set(early)) == 2
        assert all(event.body for event in phone.of(CallRinging))
        assert phone.endpoint.user_agent.dialogs == 0


async def test_two_forks_answer(stage: Stage) -> None:
    """SIPp takes messages in one order only, and here each fork has its own: so a plain socket plays the proxy."""
    async with proxy_that_forks() as (proxy, seen), stage.phone(targets=[f"sip:127.0.0.1:{proxy}"]) as phone:
        await phone.dial()
        await phone.told(CallAnswered)
        await until(lambda: ("BYE", "two") in seen)
        assert ("ACK", "one") in seen
        assert ("ACK", "two") in seen
        assert ("BYE", "one") not in seen
        assert phone.kinds == [CallAnswered]
        phone.hang_up()
        await until(lambda: ("BYE", "one") in seen)


@asynccontextmanager
async def proxy_that_forks() -> AsyncIterator[tuple[int, set[tuple[str, str]]]]:
    from gateway.sip.message import Request, make_response, parse_message

    seen: set[tuple[str, str]] = set()
    headers = [("Contact", "<sip:callee@127.0.0.1>"), ("Content-Type", "application/sdp")]

    class Proxy(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            message = parse_message(data)
            assert isinstance(message, Request)
            seen.add((message.method, message.to.tag or ""))
            if message.method == "INVITE":
                for fork in ("one", "two"):
                    ok = make_response(message, 200, to_tag=fork, headers=headers, body=OFFER)
                    self.transport.sendto(ok.to_bytes(), addr)
            elif message.method == "BYE":
                self.transport.sendto(make_response(message, 200).to_bytes(), addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Proxy, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1], seen
    finally:
        transport.close()


# Taken back


@transports
@pytest.mark.peer("SIPp", "{transport}", "CANCEL of ours while it rings: 200, 487, ACK")
async def test_we_cancel_while_it_rings(stage: Stage, transport: str) -> None:
    scenario = Scenario("cancelled", "called").receive("INVITE").respond(180, "Ringing")
    scenario.receive("CANCEL").respond(200, "OK").respond(487, "Request Terminated", to_invite=True).receive("ACK")
    side = stage.called(scenario, transport)
    async with stage.phone(side) as phone:
        await phone.dial()
        await phone.told(CallRinging)
        phone.hang_up()
        await side.is_content()
        assert phone.kinds == [CallEnded]
        await until(lambda: phone.endpoint.user_agent.calls == 0)


@transports
@pytest.mark.peer("SIPp", "{transport}", "the 200 crosses our CANCEL: ACK, then BYE")
async def test_the_200_crosses_our_cancel(stage: Stage, transport: str) -> None:
    scenario = Scenario("crosses", "called").receive("INVITE").respond(180, "Ringing").receive("CANCEL")
    scenario.respond(200, "OK", offer(), to_invite=True).receive("ACK").receive("BYE").respond(200, "OK")
    side = stage.called(scenario, transport)
    async with stage.phone(side) as phone:
        await phone.dial()
        await phone.told(CallRinging)
        phone.hang_up()
        await side.is_content()
        assert phone.kinds == [CallEnded], "the call is told as ended once, when we ended it"


@pytest.mark.peer("SIPp", "UDP", "CANCEL while the second target rings takes that one back")
async def test_we_cancel_the_second_target(stage: Stage) -> None:
    first = stage.called(Scenario("full", "called").receive("INVITE").respond(503, "Full").receive("ACK"))
    scenario = Scenario("cancelled", "called").receive("INVITE").respond(180, "Ringing")
    scenario.receive("CANCEL").respond(200, "OK").respond(487, "Request Terminated", to_invite=True).receive("ACK")
    second = stage.called(scenario)
    async with stage.phone(first, second) as phone:
        await phone.dial()
        await phone.told(CallRinging)
        phone.hang_up()
        for side in (first, second):
            await side.is_content()
        with contextlib.suppress(TimeoutError):
            await until(lambda: phone.of(CallAnswered), 0.2)
        assert phone.kinds == [HopFailed, CallEnded]


# By REST, with an agent


@pytest.mark.peer("SIPp", "UDP", "POST /v1/calls: SRV past a dead server, 401, answered; DELETE ends it with BYE")
async def test_an_agent_calls_by_rest_through_srv_and_a_password(stage: Stage, start: RunGateway) -> None:
    scenario = challenged(Scenario("carrier", "called").receive("INVITE")).receive_credentials("alice", "wonderland")
    side = stage.called(answering(scenario.respond(180, "Ringing")))
    dead = loopback_address()
    zone = {
        ("_sip._udp.carrier.test", "SRV"): ["10 0 5060 dead.carrier.test.", f"20 0 {side.port} live.carrier.test."],
        ("dead.carrier.test", "A"): [dead],
        ("live.carrier.test", "A"): [side.address],
    }
    trunk = {"targets": ["sip:carrier.test"], "allow_destinations": ["+1555*"], "options_s": 0, **ALICE}
    await side.listens()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((dead, 5060))
        async with DnsServer(zone) as names:
            gateway = await asyncio.to_thread(
                start,
                {"greeting": {"tone": {"hz": 440, "ms": 1500}}},
                further={"trunks": {"carrier": trunk}},
                nameserver=names.address,
            )
            rest = gateway.rest
            status, problem = await asyncio.to_thread(rest.request, "POST", "/v1/calls", {"to": "+19005550100"})
            assert (status, problem["rule"]) == (403, "trunks.allow_destinations")
            call = await asyncio.to_thread(rest.call, "+1 555 0100")
            await asyncio.to_thread(rest.wait_for, call, "talking")
            await asyncio.to_thread(rest.hang_up, call)
            await side.is_content()
    assert "wonderland" not in gateway.log
