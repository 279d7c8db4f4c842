"""The door on real sockets: what comes back to whom, and that each refusal is in the log and in the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from tests.support.sip_peer import ack_for, invite, request
from tests.support.sip_socket import SipSocket
from tests.support.stage import Stage

SETTINGS: dict[str, Any] = {
    "trunks": {"demo": {"accept_from": ["127.0.0.1"], "calls_per_second": 2}},
    "accounts": {"1001": {"password": "right"}},
    "routes": [{"account": "1001", "agent": "demo"}, {"trunk": "demo", "agent": "demo"}],
    "protection": {"ban": {"failures": 3, "for_s": 1}, "requests_per_second": 200},
}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(**SETTINGS) as stage:
        yield stage


def bans(stage: Stage, change: str) -> float:
    value = stage.gateway.metrics.registry.get_sample_value("gateway_sip_bans_total", {"change": change})
    return value or 0.0


async def test_a_phone_calls_from_anywhere_with_its_password(stage: Stage) -> None:
    phone = SipSocket(stage, "127.77.7.1")
    try:
        sent, answer = await phone.prove("right", uri="sip:desk@gw")
        assert answer is not None
        assert answer.status == 200
        offered = stage.events[0].details
        assert (offered["account"], offered["trunk"], offered["rule"]) == ("1001", "", "routes[0]")
        ack = ack_for(sent, answer, uri=str(answer.contacts[0].uri))
        await phone.ask(ack, 0.05)
        bye = await phone.ask(request("BYE", to_tag=answer.to.tag, cseq=sent.cseq.number + 1), 5)
        assert bye is not None
        assert bye.status == 200, "inside its call nobody is asked again"
        assert stage.gateway.sip.user_agent.stats.requests_challenged == 1
    finally:
        phone.close()


async def test_guessing_ends_in_silence_and_is_told_everywhere(stage: Stage) -> None:
    guesser, other = SipSocket(stage, "127.77.7.2"), SipSocket(stage, "127.77.7.3")
    try:
        with structlog.testing.capture_logs() as lines:
            for number in range(3):
                _, answer = await guesser.prove("guess", "REGISTER", call_id=f"guess-{number}")
                assert answer is not None
                assert answer.status == 403
            assert await guesser.ask(request("REGISTER")) is None
            again = await other.ask(request("REGISTER"))
            assert again is not None, "others are heard"
            assert (stage.refusals("wrong_credentials"), stage.refusals("protection.ban")) == (3, 1)
            assert (bans(stage, "banned"), bans(stage, "released")) == (1, 0)
            await asyncio.sleep(1)
            assert await guesser.ask(request("REGISTER")) is not None
            assert bans(stage, "released") == 1
        said = [(line["event"], line.get("rule"), line.get("source")) for line in lines]
        assert ("request refused", "wrong_credentials", guesser.host) in said
        assert ("request refused", "protection.ban", guesser.host) in said
        assert ("source.banned", "protection.ban", guesser.host) in said
        assert ("source.released", "protection.ban", guesser.host) in said
        assert "guess" not in str([line for line in lines if line["event"] != "call.offered"]).replace("guesser", "")
    finally:
        guesser.close()
        other.close()


async def test_a_scanner_hears_nothing_and_is_counted(stage: Stage) -> None:
    scanner = SipSocket(stage, "127.77.7.4")
    try:
        assert await scanner.ask(request("OPTIONS", headers=[("User-Agent", "friendly-scanner")])) is None
        assert await scanner.ask(invite(uri="sip:900972592277524@gw")) is None
        assert await scanner.ask(request("OPTIONS")) is None
        assert (stage.refusals("protection.scanners"), stage.refusals("unknown_callers")) == (2, 1)
    finally:
        scanner.close()


async def test_a_flood_is_not_read_and_the_trunk_goes_on_undisturbed(stage: Stage) -> None:
    flooder = SipSocket(stage, "127.77.7.5")
    try:
        url = stage.gateway.sip.listening[0]
        data = request("REGISTER").to_bytes()
        for _ in range(600):
            flooder.socket.sendto(data, (url.host, url.port))
        await stage.dial()
        assert stage.refusals("protection.requests_per_second") > 100
        assert stage.gateway.sip.user_agent.stats.requests_challenged <= 300
    finally:
        flooder.close()


async def test_calls_that_nobody_confirms_take_no_more_sessions_than_they_may() -> None:
    """Forged INVITEs: whoever wrote them never sees our 200."""
    settings = {"trunks": {"demo": {"accept_from": ["127.0.0.1", "127.77.7.0/24"]}}}
    async with Stage(**settings, protection={"unconfirmed_invites": 2}) as stage:
        forger = SipSocket(stage, "127.77.7.6")
        try:
            statuses = []
            for number in range(4):
                reply = await forger.ask(invite(call_id=f"forged-{number}"), 5)
                statuses.append(reply.status if reply is not None else 0)
            assert statuses == [200, 200, 503, 503]
            assert stage.refusals("protection.unconfirmed_invites") == 2
            assert stage.gateway.assembly.sessions_open == 2
            await stage.dial()
            assert stage.gateway.directory.live == 3, "others call as ever"
        finally:
            forger.close()


async def test_a_trunk_that_calls_too_often_is_told_when_to_come_again(stage: Stage) -> None:
    trunk = SipSocket(stage, "127.0.0.1")
    try:
        replies = [await trunk.ask(invite(call_id=f"busy-{number}"), 3) for number in range(4)]
        refused = [reply for reply in replies if reply is not None and reply.status == 503]
        assert len(refused) >= 1
        assert refused[0].headers.get("Retry-After") == "2"
        assert stage.refusals("trunks.calls_per_second") == len(refused)
    finally:
        trunk.close()
