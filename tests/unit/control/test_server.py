from __future__ import annotations

import httpx
import pytest

from gateway.control.server import ControlServer, build_app
from gateway.observability.metrics import Metrics


async def ask(path: str, *, not_ready: str | None = None, serves_metrics: bool = True) -> httpx.Response:
    metrics = Metrics()
    metrics.digits.inc()
    server = ControlServer(
        build_app(metrics, not_ready=lambda: not_ready, serves_metrics=serves_metrics), host="127.0.0.1", port=0
    )
    await server.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{server.port}{path}")
    finally:
        await server.stop()
        await server.stop()


async def test_a_live_process_says_so_with_its_version() -> None:
    response = await ask("/healthz")
    assert response.status_code == 200
    assert response.json()["status"] == "ok"


async def test_readiness_names_why_calls_would_be_refused() -> None:
    assert (await ask("/readyz")).status_code == 200
    refused = await ask("/readyz", not_ready="draining")
    assert refused.status_code == 503
    assert refused.json() == {"status": "not ready", "reason": "draining"}


async def test_metrics_are_served_on_their_own_switch() -> None:
    response = await ask("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "gateway_digits_total 1.0" in response.text
    assert (await ask("/metrics", serves_metrics=False)).status_code == 404


async def test_a_taken_port_is_an_error_at_start() -> None:
    app = build_app(Metrics(), not_ready=lambda: None, serves_metrics=False)
    first = ControlServer(app, host="127.0.0.1", port=0)
    await first.start()
    try:
        with pytest.raises(OSError, match="in use"):
            await ControlServer(app, host="127.0.0.1", port=first.port).start()
    finally:
        await first.stop()
