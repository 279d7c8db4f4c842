"""The REST API of a stage, as an operator's program uses it."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.support.stage import Stage

TOKENS = {role: f"{role}-0123456789abcdef" for role in ("viewer", "operator", "admin")}
KEYS = [{"name": role, "token": token, "role": role} for role, token in TOKENS.items()]
CONTROL = {"listen": "127.0.0.1:0", "metrics": True, "keys": KEYS}


def dialling_trunks(**fields: Any) -> dict[str, Any]:
    """The demo's trunk, allowed to call anybody on loopback."""
    allowed = {"allow_destinations": ["sip:*@127.0.0.1", "1*"], "from_user": "+15550100"}
    return {"demo": {"accept_from": ["127.0.0.0/8"], "targets": ["sip:127.0.0.9"], **allowed, **fields}}


class Operator:
    """One key's view of the API; every answer is checked to be JSON of the right kind."""

    def __init__(self, stage: Stage, role: str | None = "operator") -> None:
        headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
        self.http = httpx.AsyncClient(
            base_url=f"http://{stage.gateway.control.address}", headers=headers, trust_env=False, timeout=10
        )

    async def __aenter__(self) -> Operator:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def call(self, to: str, expect: int = 202, key: str | None = None, **fields: Any) -> Any:
        headers = {"Idempotency-Key": key} if key is not None else {}
        response = await self.http.post("/v1/calls", json={"to": to, **fields}, headers=headers)
        assert response.status_code == expect, response.text
        if expect >= 400:
            assert_problem(response, expect)
        return response.json()

    async def get(self, path: str, expect: int = 200) -> Any:
        response = await self.http.get(path)
        assert response.status_code == expect, response.text
        if expect >= 400:
            assert_problem(response, expect)
        return response.json()

    async def state(self, call_id: str) -> str:
        return str((await self.get(f"/v1/calls/{call_id}"))["state"])

    async def events(self, call_id: str, after: int = 0) -> list[dict[str, Any]]:
        """The whole stream of a call that ends, or has ended."""
        headers = {"Last-Event-ID": str(after)} if after else {}
        events = []
        async with self.http.stream("GET", f"/v1/calls/{call_id}/events", headers=headers) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line.removeprefix("data: ")))
        return events


def assert_problem(response: httpx.Response, status: int) -> None:
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert {"type", "title", "detail", "rule", "instance"} <= set(document)
