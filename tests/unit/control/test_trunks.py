from __future__ import annotations

from tests.support.rest import CONTROL, Operator, dialling_trunks
from tests.support.stage import Stage


async def test_trunks_and_accounts_are_shown_as_they_stand_and_without_secrets() -> None:
    trunks = dialling_trunks(options_s=1, password="not-for-eyes", username="alice", max_calls=3)
    accounts = {"1001": {"password": "hush-hush-hush"}}
    async with Stage(trunks=trunks, accounts=accounts, control=CONTROL) as stage, Operator(stage, "viewer") as viewer:
        listed = await viewer.get("/v1/trunks")
        assert [trunk["name"] for trunk in listed["trunks"]] == ["demo"]
        trunk = await viewer.get("/v1/trunks/demo")
        assert trunk == listed["trunks"][0] | {"liveness": trunk["liveness"]}
        assert (trunk["calls"], trunk["max_calls"], trunk["registration"]) == (0, 3, None)
        assert trunk["liveness"]["state"] in ("unknown", "up", "down")
        assert trunk["liveness"]["targets"][0]["target"] == "sip:127.0.0.9"
        assert (await viewer.get("/v1/accounts"))["accounts"] == [{"name": "1001", "contacts": []}]
        text = (await viewer.http.get("/v1/trunks")).text + (await viewer.http.get("/v1/accounts")).text
        assert "not-for-eyes" not in text
        assert "hush" not in text
        assert (await viewer.get("/v1/trunks/nowhere", 404))["rule"] == "trunks.unknown"


async def test_registering_anew_takes_an_admin_and_a_trunk_that_registers() -> None:
    registering = {"register": True, "username": "alice", "password": "not-for-eyes"}
    trunks = dialling_trunks() | {"carrier": dialling_trunks(accept_from=[], **registering)["demo"]}
    async with Stage(trunks=trunks, control=CONTROL) as stage:
        async with Operator(stage, "operator") as operator:
            assert (await operator.http.post("/v1/trunks/carrier/register")).status_code == 403
        async with Operator(stage, "admin") as admin:
            refused = await admin.http.post("/v1/trunks/demo/register")
            assert (refused.status_code, refused.json()["rule"]) == (409, "trunks.register")
            taken = await admin.http.post("/v1/trunks/carrier/register")
            assert taken.status_code == 202
            assert taken.json()["registration"]["registrar"].startswith("sip:127.0.0.9")
