"""REST dials a real telephone on loopback: what it heard, what the API said meanwhile, and what was left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from gateway.emulator.scenario import Scenario
from gateway.measure import g711
from tests.support.called_phone import CalledPhone
from tests.support.rest import CONTROL, Operator, assert_problem, dialling_trunks
from tests.support.stage import GREETING, NOTHING, Stage, leftovers


@asynccontextmanager
async def scene(scenario: Scenario = GREETING, **changes: Any) -> AsyncIterator[tuple[Stage, Operator]]:
    changes = {"trunks": dialling_trunks(), "control": CONTROL} | changes
    async with Stage(scenario, **changes) as stage, Operator(stage) as operator:
        yield stage, operator


async def until(condition: Callable[[], bool], phone: CalledPhone, limit_s: float = 5) -> None:
    await phone.wait_until(condition, limit_s)


async def test_the_phone_rings_is_picked_up_and_hears_the_greeting_at_once() -> None:
    async with scene() as (stage, operator):
        call = await operator.call(stage.phone.uri, metadata={"order": 4711}, variables={"name": "Ada"})
        assert (call["state"], call["direction"]) == ("queued", "outbound")
        offered = await stage.phone.wait_offered()
        assert offered.request.from_.uri.decoded_user == "+15550100"
        stage.phone.ring()
        await asyncio.sleep(0.5)
        ringing = await operator.get(f"/v1/calls/{call['id']}")
        assert ringing["state"] == "ringing"
        assert ringing["sip"] == {"status": 180, "reason": "Ringing"} | dict.fromkeys(
            ("q850_cause", "q850_text", "cause")
        )
        assert stage.phone.heard == []
        stage.phone.accept()
        await until(lambda: len(stage.phone.heard) >= 50, stage.phone)
        first = next(item for item in stage.phone.heard if stage.phone.is_voice(item))
        assert first.at - stage.phone.answered_at <= 0.06
        heard = g711.decode(b"".join(item.packet.payload for item in stage.phone.heard[5:45])).astype(float)
        peak = float(np.argmax(np.abs(np.fft.rfft(heard)))) * 8000 / len(heard)
        assert peak == pytest.approx(440, abs=5), "the agent's greeting, by its content"
        talking = await operator.get(f"/v1/calls/{call['id']}")
        assert (talking["state"], talking["codec"], talking["metadata"]) == ("talking", "PCMU", {"order": 4711})
        ended = await operator.http.delete(f"/v1/calls/{call['id']}")
        assert (ended.status_code, ended.json()["end_reason"]) == (200, "api")
        assert (await operator.http.delete(f"/v1/calls/{call['id']}")).json()["end_reason"] == "api"
        await until(lambda: stage.phone.ended_at is not None, stage.phone)
        await until(lambda: leftovers(stage.gateway) == NOTHING, stage.phone)
        events = [event["event"] for event in await operator.events(call["id"])]
        assert events[0] == "call.queued"
        assert events[-1] == "call.ended"
        after = await operator.events(call["id"], after=2)
        assert after[0]["sequence"] == 3
        listed = await operator.get("/v1/calls?state=ended&direction=outbound")
        assert [item["id"] for item in listed["calls"]] == [call["id"]]
        assert listed["calls"][0]["media"]["packets_sent"] > 40


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (486, (), "busy"),
        (603, (), "rejected"),
        (480, (("Reason", 'Q.850;cause=17;text="User busy"'),), "busy"),
        (500, (), "error"),
    ],
)
async def test_a_refusal_is_told_with_the_sip_status_the_phrase_and_the_networks_cause(
    status: int, headers: tuple[tuple[str, str], ...], reason: str
) -> None:
    async with scene() as (stage, operator):
        call = await operator.call(stage.phone.uri)
        await stage.phone.wait_offered()
        stage.phone.refuse(status, "Their Own Words", headers)
        await until(lambda: leftovers(stage.gateway) == NOTHING, stage.phone)
        ended = await operator.get(f"/v1/calls/{call['id']}")
        assert (ended["state"], ended["end_reason"]) == ("ended", reason)
        assert (ended["sip"]["status"], ended["sip"]["reason"]) == (status, "Their Own Words")
        assert ended["sip"]["q850_cause"] == (17 if headers else None)
        assert stage.events[-1].details["sip_status"] == status


async def test_delete_while_it_rings_is_a_cancel() -> None:
    async with scene() as (stage, operator):
        call = await operator.call(stage.phone.uri)
        await stage.phone.wait_offered()
        stage.phone.ring()
        await asyncio.sleep(0.1)
        assert (await operator.http.delete(f"/v1/calls/{call['id']}")).json()["state"] == "ended"
        await until(lambda: stage.phone.is_cancelled, stage.phone)
        await until(lambda: leftovers(stage.gateway) == NOTHING, stage.phone)
        assert stage.gateway.sip.user_agent.calls == 0


async def test_nobody_picks_up_within_the_ring_timeout() -> None:
    async with scene() as (stage, operator):
        call = await operator.call(stage.phone.uri, ring_timeout_s=1)
        await stage.phone.wait_offered()
        stage.phone.ring()
        await until(lambda: stage.phone.is_cancelled, stage.phone)
        ended = await operator.get(f"/v1/calls/{call['id']}")
        assert (ended["end_reason"], ended["sip"]["cause"]) == ("no_answer", "ring_timeout")


async def test_a_provider_that_refuses_while_it_rings_takes_the_call_back() -> None:
    async with scene(Scenario.model_validate({"faults": {"reject_upgrade": 401}})) as (stage, operator):
        call = await operator.call(stage.phone.uri)
        await until(lambda: stage.gateway.directory.live == 0, stage.phone)
        assert (await operator.get(f"/v1/calls/{call['id']}"))["end_reason"] == "provider_failed"
        await until(lambda: stage.phone.offered is None or stage.phone.is_cancelled, stage.phone)


async def test_the_callee_hangs_up() -> None:
    async with scene() as (stage, operator):
        call = await operator.call(stage.phone.uri)
        await stage.phone.wait_offered()
        stage.phone.accept()
        await until(lambda: len(stage.phone.heard) > 10, stage.phone)
        stage.phone.hang_up()
        await until(lambda: leftovers(stage.gateway) == NOTHING, stage.phone)
        ended = await operator.get(f"/v1/calls/{call['id']}")
        assert ended["end_reason"] == "caller_hung_up"
        assert ended["duration_s"] > 0


async def test_hold_is_silence_and_resume_is_not() -> None:
    async with scene(Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 20000}}})) as (stage, operator):
        call = await operator.call(stage.phone.uri)
        await stage.phone.wait_offered()
        stage.phone.accept()
        await until(lambda: len(stage.phone.heard) > 10, stage.phone)
        held = await operator.http.post(f"/v1/calls/{call['id']}/hold")
        assert (held.status_code, held.json()["state"]) == (202, "held")
        await asyncio.sleep(0.2)
        while_held = len(stage.phone.heard)
        await asyncio.sleep(0.5)
        assert not any(stage.phone.is_voice(item) for item in stage.phone.heard[while_held:])
        assert (await operator.http.post(f"/v1/calls/{call['id']}/hold")).status_code == 202, "held is held"
        resumed = await operator.http.post(f"/v1/calls/{call['id']}/resume")
        assert (resumed.status_code, resumed.json()["state"]) == (202, "talking")
        assert [event.name.value for event in stage.events if "call.held" in event.name.value] == ["call.held"]
        assert {"by": "gateway", "how": "sendonly"} in [event.details for event in stage.events]


async def test_custom_headers_reach_the_invite_with_their_variables() -> None:
    trunks = dialling_trunks(headers={"invite": {"X-Trunk": "{{trunk}}", "X-Both": "template"}})
    async with scene(trunks=trunks) as (stage, operator):
        await operator.call(
            stage.phone.uri, headers={"X-Who": "call for {{name}}", "X-Both": "order"}, variables={"name": "Ada"}
        )
        request = (await stage.phone.wait_offered()).request
        assert request.headers.get("X-Trunk") == "demo"
        assert request.headers.get("X-Who") == "call for Ada"
        assert request.headers.get_all("X-Both") == ["order"]


async def test_a_destination_that_no_trunk_may_call_is_403_with_the_rule_and_nothing_is_sent() -> None:
    async with scene() as (stage, operator):
        problem = await operator.call("+99155501", expect=403)
        assert problem["rule"] == "trunks.allow_destinations"
        assert stage.gateway.directory.live == 0
        assert (await operator.call("sip:1@192.0.2.1", expect=403))["rule"] == "trunks.allow_destinations"
        assert (await operator.call("1001", expect=404, trunk="nowhere"))["rule"] == "trunks.unknown"
        assert (await operator.get("/v1/calls"))["calls"] == []


async def test_a_redirect_is_followed_only_to_where_the_trunk_may_call() -> None:
    async with scene() as (stage, operator):
        second = CalledPhone("127.0.0.1")
        await second.start()
        try:
            await operator.call(stage.phone.uri)
            await stage.phone.wait_offered()
            stage.phone.refuse(302, headers=(("Contact", f"<{second.uri}>"),))
            await second.wait_offered()
            second.accept()
            await until(lambda: len(second.heard) > 20, second)
            second.hang_up()
            await until(lambda: leftovers(stage.gateway) == NOTHING, second)
            stage.phone.offered = None
            call = await operator.call(stage.phone.uri)
            await stage.phone.wait_offered()
            stage.phone.refuse(302, "Moved", headers=(("Contact", "<sip:+99155501@192.0.2.1>"),))
            await until(lambda: leftovers(stage.gateway) == NOTHING, stage.phone)
            ended = await operator.get(f"/v1/calls/{call['id']}")
            assert (ended["end_reason"], ended["sip"]["status"]) == ("rejected", 302)
        finally:
            await second.stop()


async def test_an_attended_transfer_names_the_other_call_by_its_dialog() -> None:
    async with scene() as (stage, operator):
        second = CalledPhone("127.0.0.1")
        await second.start()
        try:
            ids = []
            for phone in (stage.phone, second):
                ids.append((await operator.call(phone.uri))["id"])
                await phone.wait_offered()
                phone.accept()
                await until(lambda phone=phone: len(phone.heard) > 5, phone)  # type: ignore[misc]
            taken = await operator.http.post(f"/v1/calls/{ids[0]}/transfer", json={"to_call": ids[1]})
            assert taken.status_code == 202, taken.text
            await until(lambda: stage.phone.referred is not None, stage.phone)
            referred = stage.phone.referred
            assert referred is not None
            assert referred.target.startswith("sip:")
            assert second.offered is not None
            assert referred.replaces is not None
            assert second.offered.request.call_id in referred.replaces
        finally:
            await stage.gateway.stop()
            await second.stop()


async def test_orders_beyond_the_trunks_rate_are_429_and_say_when_to_come_again() -> None:
    trunks = dialling_trunks(calls_per_second=1)
    async with Stage(GREETING, trunks=trunks, control=CONTROL) as stage, Operator(stage) as operator:
        await operator.call(stage.phone.uri)
        refused = await operator.http.post("/v1/calls", json={"to": stage.phone.uri})
        assert_problem(refused, 429)
        assert refused.json()["rule"] == "trunks.calls_per_second"
        assert int(refused.headers["retry-after"]) >= 1
        metrics = stage.gateway.metrics.render().decode()
        assert 'gateway_orders_refused_total{rule="trunks.calls_per_second"} 1.0' in metrics
        await asyncio.sleep(1.1)
        await operator.call(stage.phone.uri)


async def test_calls_of_both_directions_fill_the_lines_of_a_trunk() -> None:
    async with scene(trunks=dialling_trunks(max_calls=1)) as (stage, operator):
        await stage.dial()
        refused = await operator.http.post("/v1/calls", json={"to": stage.phone.uri})
        assert_problem(refused, 503)
        assert refused.json()["rule"] == "trunks.max_calls"
        assert int(refused.headers["retry-after"]) >= 1


async def test_the_nodes_limit_counts_for_accounts_as_well() -> None:
    accounts = {"1001": {"password": "right"}}
    async with scene(node={"name": "node", "max_calls": 1}, accounts=accounts) as (stage, operator):
        await stage.dial()
        assert (await operator.call("1001", 503))["rule"] == "node.max_calls"
