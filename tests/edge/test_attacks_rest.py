"""Attacks on the REST API by who has no key, or a key of too low a role, and by a browser that was lured here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.sip.digest import Credentials, DigestClient
from tests.support.rest import CONTROL, Operator, dialling_trunks
from tests.support.sip_peer import invite, request
from tests.support.sip_socket import SipSocket
from tests.support.stage import Stage

ORDER = {"to": "1001"}
DOORS = [
    ("GET", "/v1/calls"),
    ("POST", "/v1/calls"),
    ("GET", "/v1/calls/c-1"),
    ("DELETE", "/v1/calls/c-1"),
    ("GET", "/v1/calls/c-1/events"),
    ("POST", "/v1/calls/c-1/transfer"),
    ("POST", "/v1/calls/c-1/hold"),
    ("POST", "/v1/calls/c-1/resume"),
    ("GET", "/v1/trunks"),
    ("GET", "/v1/trunks/demo"),
    ("POST", "/v1/trunks/demo/register"),
    ("GET", "/v1/accounts"),
]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(trunks=dialling_trunks(), control=CONTROL) as stage:
        yield stage


def http(stage: Stage, **headers: str) -> httpx.AsyncClient:
    url = f"http://{stage.gateway.control.address}"
    return httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=10)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong-0123456789abcdef"},
        {"Authorization": "Basic b3BlcmF0b3ItMDEyMzQ1Njc4OWFiY2RlZg=="},
        {"Authorization": "operator-0123456789abcdef"},
        {"Cookie": "token=operator-0123456789abcdef"},
        {"X-Forwarded-User": "admin", "X-Original-URL": "/healthz"},
    ],
    ids=str,
)
async def test_without_a_key_every_door_is_401_and_no_body_is_looked_into(
    stage: Stage, headers: dict[str, str]
) -> None:
    async with http(stage, **headers) as client:
        for method, path in DOORS:
            bodies = (b'{"to": "1001"}', b"{", b"[" * 60_000, b'{"to": 1}', b"\xff")
            for body in bodies if (method, path) == ("POST", "/v1/calls") else bodies[:1]:
                given = {"content": body, "headers": {"Content-Type": "application/json"}}
                response = await client.request(method, path, **(given if method == "POST" else {}))  # type: ignore[arg-type]
                assert response.status_code == 401, (method, path, body[:9], response.text)
                assert response.json()["rule"] in {"token_missing", "token_unknown"}
        for path in ("/v1", "/v1/", "/v1/calls/", "/v1/nothing", "/v1calls"):
            assert (await client.get(path)).status_code in {401, 404}
    assert stage.gateway.directory.live == 0


async def test_no_way_of_writing_a_path_gets_round_the_key(stage: Stage) -> None:
    async with http(stage) as client:
        for path in ("//v1/calls", "/./v1/calls", "/V1/calls", "/%76%31/calls", "/docs/../v1/calls", "/v1%2Fcalls"):
            request = client.build_request("GET", path)
            request.url = request.url.copy_with(raw_path=path.encode())
            assert (await client.send(request)).status_code in {401, 404}, path


async def test_a_viewer_places_and_ends_nothing(stage: Stage) -> None:
    async with Operator(stage, "viewer") as viewer:
        for method, path in DOORS:
            if method != "GET":
                response = await viewer.http.request(method, path, json=ORDER)
                assert (response.status_code, response.json()["rule"]) == (403, "role_too_low"), path
    async with Operator(stage, "operator") as operator:
        response = await operator.http.post("/v1/trunks/demo/register")
        assert (response.status_code, response.json()["rule"]) == (403, "role_too_low")


@pytest.mark.parametrize("field", ["metadata", "session"])
@pytest.mark.parametrize("depth", [400, 900, 7000])
async def test_an_order_that_is_nested_too_deep_poisons_no_list(stage: Stage, field: str, depth: int) -> None:
    """It would be taken, and every list that has to write it again would fail."""
    async with Operator(stage) as operator:
        body = f'{{"to": "1001", "{field}": ' + '{"a":' * depth + "1" + "}" * (depth + 1)
        response = await operator.http.post("/v1/calls", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code in {400, 422}, response.text
        assert (await operator.get("/v1/calls"))["calls"] == []
        digits = '{"to": "1001", "metadata": {"a": ' + "9" * 4000 + ', "b": 1e308, "c": "\\u0000\\ud83d\\ude00"}}'
        await operator.http.post("/v1/calls", content=digits, headers={"Content-Type": "application/json"})
        await operator.get("/v1/calls")


async def test_a_page_in_a_browser_gets_nothing_but_what_needs_no_key(stage: Stage) -> None:
    """No cookie and no ambient right: a forged form is 401. No CORS: what is answered, another page cannot read. By DNS
    rebinding it can, and reads what anybody on this host may: health, metrics, the documentation."""
    async with http(stage, Origin="http://evil.example", Host="evil.example") as client:
        form = await client.post("/v1/calls", content=b'{"to":"1001"}', headers={"Content-Type": "text/plain"})
        assert form.status_code in {401, 415}
        preflight = await client.options("/v1/calls", headers={"Access-Control-Request-Method": "POST"})
        assert preflight.status_code in {204, 401, 405}
        for response in (form, preflight, await client.get("/healthz"), await client.get("/v1/calls/")):
            assert not [name for name in response.headers if name.startswith("access-control")]
            assert "evil.example" not in response.headers.get("location", "")
            assert "server" not in response.headers


async def test_no_secret_is_in_any_answer_or_metric(stage: Stage) -> None:
    trunks = dialling_trunks(username="acme", password="hunter2-secret", register=False)
    accounts = {"1001": {"password": "phone-secret"}}
    async with Stage(trunks=trunks, accounts=accounts, control=CONTROL) as other, Operator(other, "admin") as admin:
        assert "hunter2" not in repr(other.gateway.settings)
        await admin.call("1001", trunk="nobody", expect=404)
        paths = ["/v1/trunks", "/v1/trunks/demo", "/v1/accounts", "/v1/calls", "/metrics", "/readyz", "/openapi.json"]
        for path in paths:
            text = (await admin.http.get(path)).text
            for secret in ("hunter2", "phone-secret", "0123456789abcdef", "a2V5"):
                assert secret not in text, path


async def test_no_octets_of_a_peers_keep_the_calls_and_accounts_from_being_listed() -> None:
    """A Call-ID or a User-Agent that is no UTF-8 is good SIP; JSON can hold none."""
    changes: dict[str, Any] = {"trunks": dialling_trunks(), "accounts": {"1001": {"password": "right"}}}
    async with Stage(**changes, control=CONTROL) as stage, Operator(stage, "admin") as operator:
        url = stage.gateway.sip.listening[0]
        caller = SipSocket(stage, "127.0.0.9")
        named = [
            ("User-Agent", "BAD"),
            ("Contact", '<sip:1BAD@127.0.0.9>;+sip.instance="<BAD>"'),
            ("Path", "<sip:BAD@x;lr>"),
        ]
        try:
            data = invite(uri="sip:agent@gw", call_id="BAD", headers=[("P-Asserted-Identity", '"BAD" <sip:BAD@x>')])
            caller.socket.sendto(data.to_bytes().replace(b"BAD", b"\xff\xfe"), (url.host, url.port))
            asked = await caller.ask(request("REGISTER", uri="sip:gw"))
            assert asked is not None
            answers = DigestClient(Credentials("1001", Secret("right")), IdSource()).answer(asked, "REGISTER", "sip:gw")
            sent = request("REGISTER", uri="sip:gw", headers=[*(answers or ()), *named, ("Supported", "path")])
            sent.headers.set("To", "<sip:1001@gw>")
            caller.socket.sendto(sent.to_bytes().replace(b"BAD", b"\xff\xfe"), (url.host, url.port))
            await stage.phone.wait_until(lambda: len(stage.gateway.accounts.registrar) == 1, 5)
        finally:
            caller.close()
        (call,) = (await operator.get("/v1/calls"))["calls"]
        assert call["sip_call_id"] == "??"
        assert (await operator.get("/v1/accounts"))["accounts"][0]["contacts"][0]["user_agent"] == "??"
        for path in ("/v1/trunks", f"/v1/calls/{call['id']}"):
            await operator.get(path)
        for order in (
            '{"to": "\\ud800"}',
            '{"to": "1", "agent": "\\ud800"}',
            '{"to": "1", "trunk": "\\ud800"}',
            '{"\\ud800": 1}',
        ):
            headers = {"Content-Type": "application/json"}
            response = await operator.http.post("/v1/calls", content=order, headers=headers)
            assert response.status_code in {404, 422}, order
