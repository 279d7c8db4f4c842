"""``/healthz``, ``/readyz`` and ``/metrics``: what machines ask, without a key."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from gateway import __version__
from gateway.observability.metrics import Metrics


def health_router(metrics: Metrics, *, not_ready: Callable[[], str | None], serves_metrics: bool) -> APIRouter:
    """``not_ready`` answers why new calls would be refused, or None when they would be taken."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="The process is alive")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    @router.get("/readyz", summary="New calls would be taken", responses={503: {"description": "They would not"}})
    async def readyz() -> JSONResponse:
        reason = not_ready()
        if reason is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": reason}, status_code=503)

    if serves_metrics:

        @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
        async def read_metrics() -> Response:
            return Response(metrics.render(), media_type=metrics.content_type)

    return router
