"""Calls in which things happen: transfers both ways and keys by INFO, on loopback, by the gateway's own REST API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.emulator.scenario import Scenario
from gateway.measure.g711 import decode
from gateway.measure.listening import tone_share
from tests.support.called_phone import CalledPhone
from tests.support.rest import CONTROL, Operator, dialling_trunks
from tests.support.stage import NOTHING, Stage, leftovers

LONG = Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 20000}}})


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[Stage, Operator, str]]:
    """A phone that was called and hears the agent."""
    async with Stage(LONG, trunks=dialling_trunks(), control=CONTROL) as stage, Operator(stage) as operator:
        call = await operator.call(stage.phone.uri)
        await stage.phone.wait_offered()
        stage.phone.accept()
        await stage.phone.wait_until(lambda: len(stage.phone.heard) > 10, 5)
        yield stage, operator, call["id"]


async def transfer(operator: Operator, call_id: str, expect: int = 202, **target: Any) -> Any:
    response = await operator.http.post(f"/v1/calls/{call_id}/transfer", json=target)
    assert response.status_code == expect, response.text
    return response.json()


async def test_a_blind_transfer_that_works_lets_the_phone_go_with_a_bye() -> None:
    async with talking() as (stage, operator, call_id):
        assert (await transfer(operator, call_id, to="1002"))["state"] == "transferring"
        await stage.phone.wait_until(lambda: stage.phone.referred is not None, 5)
        assert stage.phone.referred is not None
        assert stage.phone.referred.target == "sip:1002@127.0.0.9"
        stage.phone.take_referral()
        stage.phone.report_referral(180)
        stage.phone.report_referral(200)
        await stage.phone.wait_until(lambda: stage.phone.ended_at is not None, 5)
        await stage.phone.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)
        ended = await operator.get(f"/v1/calls/{call_id}")
        assert ended["end_reason"] == "transferred"
        assert (ended["transfer"]["state"], ended["transfer"]["sip_status"]) == ("succeeded", 200)


async def test_a_transfer_that_fails_brings_the_agent_back() -> None:
    async with talking() as (stage, operator, call_id):
        await transfer(operator, call_id, to="1002")
        await stage.phone.wait_until(lambda: stage.phone.referred is not None, 5)
        stage.phone.take_referral()
        stage.phone.report_referral(486)
        await stage.phone.wait_until(lambda: "transfer.progress" in stage.names()[-3:], 5)
        await stage.phone.wait_until(lambda: stage.events[-1].name.value == "turn.agent_started", 10)
        assert (await operator.get(f"/v1/calls/{call_id}"))["state"] == "talking"


async def test_a_phone_that_hangs_up_once_it_has_taken_the_transfer_was_transferred() -> None:
    async with talking() as (stage, operator, call_id):
        await transfer(operator, call_id, to="1002")
        await stage.phone.wait_until(lambda: stage.phone.referred is not None, 5)
        stage.phone.take_referral()
        stage.phone.report_referral(180)
        stage.phone.hang_up()
        await stage.phone.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)
        assert (await operator.get(f"/v1/calls/{call_id}"))["end_reason"] == "transferred"


async def test_what_may_not_be_called_may_not_be_transferred_to_and_one_target_is_needed() -> None:
    async with talking() as (stage, operator, call_id):
        assert (await transfer(operator, call_id, 403, to="+99155501"))["rule"] == "trunks.allow_destinations"
        assert (await transfer(operator, call_id, 422))["rule"] == "transfer_target"
        assert (await transfer(operator, call_id, 422, to="1", to_call="c-1"))["rule"] == "transfer_target"
        assert (await transfer(operator, call_id, 404, to_call="c-1"))["rule"] == "no_such_call"
        assert (await transfer(operator, call_id, 409, to_call=call_id))["rule"] == "wrong_state"
        assert stage.phone.referred is None


async def test_a_refer_of_the_phone_is_declined_and_counted_under_its_rule() -> None:
    async with talking() as (stage, operator, call_id):
        stage.phone.refer("sip:premium@elsewhere.example")
        await stage.phone.wait_until(lambda: stage.phone.refer_status == 603, 5)
        assert stage.refusals("refer_not_followed") == 1
        assert (await operator.get(f"/v1/calls/{call_id}"))["state"] == "talking"


async def test_a_refer_that_is_followed_takes_the_agent_in_the_middle_of_its_speech_to_the_second_phone() -> None:
    async with Stage(LONG, trunks=dialling_trunks(follow_refer=True)) as stage:
        first, second = stage.phone, CalledPhone("127.0.0.1")
        await second.start()
        try:
            await stage.dial()
            await first.wait_until(lambda: len(first.heard) > 25, 5)
            (call,) = stage.gateway.directory.calls
            first.refer(second.uri)
            await second.wait_offered()
            second.accept()
            await first.wait_until(lambda: first.ended_at is not None, 5)
            await second.wait_until(lambda: len(second.heard) > 60, 5)
            spoken = decode(b"".join(item.packet.payload for item in second.heard[10:60]))
            assert tone_share(spoken, 440) > 0.9, "the greeting goes on, and is no silence"
            assert list(stage.gateway.directory.calls) == [call]
            assert (len(stage.emulator.sessions), stage.gateway.assembly.sessions_open) == (1, 1)
            assert len(stage.emulator.sessions[0].responses) == 1, "greeted once"
            heard_ms = stage.emulator.sessions[0].caller_ms
            await second.wait_until(lambda: stage.emulator.sessions[0].caller_ms > heard_ms + 300, 5)
            second.hang_up()
            await second.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)
            assert stage.names().count("call.ended") == 1
        finally:
            await second.stop()


async def test_keys_by_info_are_keys() -> None:
    async with talking() as (stage, _, _call):
        stage.phone.press_by_info("7")
        await stage.phone.wait_until(lambda: "digit.received" in stage.names(), 5)
        digits = [event.details["digit"] for event in stage.events if event.name.value == "digit.received"]
        assert digits == ["7"]


async def test_a_trunk_with_early_media_hears_the_greeting_before_the_answer_reliably() -> None:
    greeting = Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 1000}}})
    async with Stage(greeting, trunks=dialling_trunks(early_media=True)) as stage:
        await stage.dial()
        phone = stage.phone
        early = [item for item in phone.heard if phone.is_voice(item) and item.at < phone.answered_at]
        assert len(early) >= 45, "a second of greeting"
        assert "call.answered" in stage.names()
        ringing = [event.details for event in stage.events if event.name.value == "call.ringing"]
        assert ringing[-1]["early_media"] is True
        assert stage.emulator.sessions[0].caller_ms < 200, "the agent heard nobody before the answer"
        phone.hang_up()
        await phone.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)
        assert stage.gateway.sip.user_agent.stats.requests_refused == 0, "PRACK was understood"
