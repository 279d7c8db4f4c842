from __future__ import annotations

import httpx
from fastapi import FastAPI

from gateway.control.health import health_router
from gateway.control.server import ControlServer
from gateway.observability.metrics import Metrics


def app_of(metrics: Metrics, *, not_ready: str | None, serves_metrics: bool) -> FastAPI:
    app = FastAPI()
    app.include_router(health_router(metrics, not_ready=lambda: not_ready, serves_metrics=serves_metrics))
    return app


async def ask(path: str, *, not_ready: str | None = None, serves_metrics: bool = True) -> httpx.Response:
    metrics = Metrics()
    metrics.digits.inc()
    server = ControlServer(
        app_of(metrics, not_ready=not_ready, serves_metrics=serves_metrics), host="127.0.0.1", port=0
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
