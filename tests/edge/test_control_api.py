"""The REST API against the real server: keys and roles, problem documents, idempotency, paging, bounds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.rest import CONTROL, TOKENS, Operator, assert_problem, dialling_trunks
from tests.support.stage import GREETING, Stage

JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def stage_with(role: str | None = "operator", **changes: object) -> AsyncIterator[tuple[Stage, Operator]]:
    settings = {"trunks": dialling_trunks(), "control": CONTROL} | changes
    async with Stage(GREETING, **settings) as stage, Operator(stage, role) as operator:
        yield stage, operator


async def test_without_keys_the_api_is_closed_and_says_how_to_open_it() -> None:
    async with stage_with(None, control={"listen": "127.0.0.1:0"}) as (_, operator):
        problem = await operator.get("/v1/calls", 403)
        assert problem["rule"] == "no_keys_configured"
        assert "control.keys" in problem["detail"]
        assert (await operator.http.get("/healthz")).status_code == 200


async def test_who_has_no_token_or_a_wrong_one_gets_401_with_the_scheme() -> None:
    async with stage_with(None) as (_, operator):
        for headers, rule in (
            ({}, "token_missing"),
            ({"Authorization": "Basic YTpi"}, "token_missing"),
            ({"Authorization": "Bearer nobody-has-this-one"}, "token_unknown"),
            ({"Authorization": f"Bearer {TOKENS['admin']}x"}, "token_unknown"),
        ):
            response = await operator.http.get("/v1/calls", headers=headers)
            assert_problem(response, 401)
            assert response.headers["www-authenticate"].startswith('Bearer realm="gateway"')
            assert response.json()["rule"] == rule
            assert "x-nobody" not in response.text
            assert TOKENS["admin"] not in response.text


async def test_a_viewer_looks_and_may_not_touch() -> None:
    async with stage_with("viewer") as (stage, viewer):
        assert (await viewer.get("/v1/calls"))["calls"] == []
        assert (await viewer.call(stage.phone.uri, 403))["rule"] == "role_too_low"
        assert (await viewer.http.delete("/v1/calls/c-1")).status_code == 403
        assert stage.gateway.directory.live == 0


async def test_every_error_is_a_problem_document() -> None:
    async with stage_with() as (_, operator):
        http = operator.http
        assert_problem(await http.get("/v1/nothing"), 404)
        assert_problem(await http.get("/v1/calls/c-unknown"), 404)
        assert_problem(await http.delete("/v1/calls/c-unknown"), 404)
        refused = await http.put("/v1/calls", json={})
        assert_problem(refused, 405)
        assert "POST" in refused.headers["allow"] or "GET" in refused.headers["allow"]
        assert_problem(await http.post("/v1/calls", content=b"{not json", headers=JSON), 422)
        deep = b'{"to": "1", "metadata": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"
        assert (await http.post("/v1/calls", content=deep, headers=JSON)).status_code in (400, 422)
        assert_problem(await http.get("/v1/calls?limit=0"), 422)
        assert_problem(await http.get("/v1/calls?state=flying"), 422)
        assert_problem(await http.get("/v1/calls?cursor=c-gone"), 422)
        assert_problem(await http.get("/v1/calls/c-unknown/events"), 404)
        assert_problem(await http.post("/v1/calls/c-unknown/hold"), 404)


@pytest.mark.parametrize(
    ("order", "where"),
    [
        ({}, "to"),
        ({"to": "1001", "unknown": 1}, "unknown"),
        ({"to": 'x"><sip:evil'}, "to"),
        ({"to": "1001\r\nX-Evil: 1"}, "to"),
        ({"to": "1001", "from": "a@b"}, "from"),
        ({"to": "1001", "from": "a\r\nVia: evil"}, "from"),
        ({"to": "1001", "headers": {"X-A": "one\r\nX-B: two"}}, "headers"),
        ({"to": "1001", "headers": {"X-A\r\nX-B": "two"}}, "headers"),
        ({"to": "1001", "headers": {"Via": "SIP/2.0/UDP evil"}}, "headers"),
        ({"to": "1001", "headers": {"contact": "<sip:evil>"}}, "headers"),
        ({"to": "1001", "variables": {"not a name": "x"}}, "variables"),
        ({"to": "1001", "ring_timeout_s": 0}, "ring_timeout_s"),
        ({"to": "1001", "metadata": {"x": "y" * 9000}}, "metadata"),
        ({"to": "1001", "metadata": {"x": float("nan")}}, "metadata"),
        ({"to": "1001", "metadata": {"x": "\ud800"}}, "metadata"),
        ({"to": "\ud800"}, "to"),
        ({"to": "1001", "webhook": "https://app.example/hook"}, "webhook"),
    ],
)
async def test_what_must_not_reach_sip_is_refused_with_its_place(order: dict[str, object], where: str) -> None:
    async with stage_with() as (stage, operator):
        response = await operator.http.post("/v1/calls", content=json.dumps(order).encode(), headers=JSON)
        assert_problem(response, 422)
        assert any(where in fault["where"] for fault in response.json()["faults"]), response.text
        assert "evil" not in response.text, "what was sent is not said back"
        assert stage.gateway.directory.live == 0


async def test_what_every_resource_answers_alike() -> None:
    async with stage_with() as (stage, operator):
        http = operator.http
        for headers in ({}, {"Content-Type": "text/plain"}):
            refused = await http.post("/v1/calls", content=b'{"to": "1001"}', headers=headers)
            assert_problem(refused, 415)
        options = await http.options("/v1/calls", headers={"Authorization": ""})
        assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
        call = await operator.call(stage.phone.uri)
        for path in ("/healthz", "/v1/calls", f"/v1/calls/{call['id']}", f"/v1/calls/{call['id']}/events"):
            head = await http.head(path)
            assert (head.status_code, head.content) == (200, b""), path
        assert (await http.head("/v1/calls/c-unknown")).status_code == 404
        assert (await http.head("/v1/calls", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_an_unknown_agent_or_a_broken_session_is_422() -> None:
    async with stage_with() as (stage, operator):
        assert (await operator.call(stage.phone.uri, 422, agent="nobody"))["rule"] == "agent_unknown"
        broken = await operator.call(stage.phone.uri, 422, session={"audio": "loud"})
        assert broken["rule"] == "session_invalid"
        assert stage.gateway.directory.live == 0
        assert stage.gateway.media.open_ports == 0


async def test_an_order_sent_twice_with_one_key_places_one_call() -> None:
    async with stage_with() as (stage, operator):
        first = await operator.call(stage.phone.uri, key="order-4711")
        again = await operator.call(stage.phone.uri, key="order-4711")
        assert again["id"] == first["id"]
        assert stage.gateway.directory.live == 1
        other = await operator.call(stage.phone.uri, 422, key="order-4711", metadata={"x": 1})
        assert other["rule"] == "idempotency_key_reused"
        assert (await operator.call(stage.phone.uri, 422, key="x" * 300))["rule"] == "idempotency_key_invalid"
        async with Operator(stage, "admin") as admin:
            theirs = await admin.call(stage.phone.uri, key="order-4711")
            assert theirs["id"] != first["id"], "keys belong to who sent them"


async def test_a_refused_order_may_be_tried_again_with_its_key() -> None:
    async with stage_with(node={"max_calls": 1}) as (stage, operator):
        first = await operator.call(stage.phone.uri)
        response = await operator.http.post(
            "/v1/calls", json={"to": stage.phone.uri}, headers={"Idempotency-Key": "again"}
        )
        assert_problem(response, 503)
        assert (response.json()["rule"], int(response.headers["retry-after"]) > 0) == ("node.max_calls", True)
        await operator.http.delete(f"/v1/calls/{first['id']}")
        await operator.call(stage.phone.uri, key="again")


async def test_a_key_whose_call_is_forgotten_places_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage_with(node={"max_calls": 10}, inworld={"max_sessions": 10}) as (stage, operator):
        first = await operator.call(stage.phone.uri, key="order-1")
        await operator.http.delete(f"/v1/calls/{first['id']}")
        monkeypatch.setattr(stage.gateway.records, "_max_calls", 1)
        await operator.call(stage.phone.uri)
        response = await operator.http.post(
            "/v1/calls", json={"to": stage.phone.uri}, headers={"Idempotency-Key": "order-1"}
        )
        assert_problem(response, 409)
        assert response.json()["rule"] == "idempotency_call_forgotten"


async def test_pages_go_on_where_the_last_one_ended() -> None:
    async with stage_with(node={"max_calls": 10}, inworld={"max_sessions": 10}) as (stage, operator):
        placed = [(await operator.call(stage.phone.uri))["id"] for _ in range(5)]
        first = await operator.get("/v1/calls?limit=2")
        assert [call["id"] for call in first["calls"]] == [placed[4], placed[3]]
        second = await operator.get(f"/v1/calls?limit=2&cursor={first['next']}")
        assert [call["id"] for call in second["calls"]] == [placed[2], placed[1]]
        last = await operator.get(f"/v1/calls?limit=2&cursor={second['next']}")
        assert ([call["id"] for call in last["calls"]], last["next"]) == ([placed[0]], None)
        assert (await operator.get("/v1/calls?direction=inbound"))["calls"] == []


async def test_a_body_that_is_too_long_is_413_whether_announced_or_not() -> None:
    async with stage_with() as (_, operator):
        long = json.dumps({"to": "1", "metadata": {"x": "y" * 100_000}}).encode()

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(long), 10_000):
                yield long[start : start + 10_000]

        for content in (long, chunks()):
            response = await operator.http.post("/v1/calls", content=content)  # type: ignore[arg-type]
            assert_problem(response, 413)


async def test_openapi_names_every_route_its_problems_and_the_bearer_scheme() -> None:
    async with stage_with(None) as (_, operator):
        schema = (await operator.http.get("/openapi.json")).json()
        place = schema["paths"]["/v1/calls"]["post"]
        assert set(place["responses"]) >= {"202", "401", "403", "422", "503"}
        assert schema["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
        assert "rule" in schema["components"]["schemas"]["ProblemDocument"]["properties"]
        assert (await operator.http.get("/docs")).status_code == 200


async def test_a_reload_changes_the_keys() -> None:
    async with stage_with() as (stage, operator):
        settings = stage.gateway.settings
        control = settings.control.model_copy(update={"keys": settings.control.keys[:1]})
        stage.gateway.reload(settings.model_copy(update={"control": control}))
        assert (await operator.http.get("/v1/calls")).status_code == 401


async def test_an_ended_call_takes_no_commands() -> None:
    async with stage_with() as (stage, operator):
        call = await operator.call(stage.phone.uri)
        early = await operator.http.post(f"/v1/calls/{call['id']}/hold")
        assert_problem(early, 409)
        assert early.json()["rule"] == "wrong_state"
        await operator.http.delete(f"/v1/calls/{call['id']}")
        late = await operator.http.post(f"/v1/calls/{call['id']}/hold")
        assert_problem(late, 409)
        assert late.json()["rule"] == "call_over"
