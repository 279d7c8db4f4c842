"""The app of a whole gateway; the API's behaviour is in tests/edge/test_control_api.py."""

from __future__ import annotations

from tests.support.rest import CONTROL, Operator
from tests.support.stage import Stage


async def test_health_needs_no_key_and_everything_under_v1_does() -> None:
    async with Stage(control=CONTROL) as stage, Operator(stage, None) as nobody:
        schema = (await nobody.http.get("/openapi.json")).json()
        assert (await nobody.http.get("/healthz")).status_code == 200
        for path, methods in schema["paths"].items():
            for method in methods:
                response = await nobody.http.request(method, path.format(call_id="c-1", name="demo"), json={})
                assert response.status_code == (401 if path.startswith("/v1/") else 200), path
