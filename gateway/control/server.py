"""The HTTP listener for operators, embedded in the gateway's own event loop and stopped with it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from gateway import __version__
from gateway.observability.metrics import Metrics


def build_app(metrics: Metrics, *, not_ready: Callable[[], str | None], serves_metrics: bool) -> FastAPI:
    """The routes. ``not_ready`` answers why new calls would be refused, or None when they would be taken."""
    app = FastAPI(title="Inworld SIP gateway", version=__version__)

    @app.get("/healthz", summary="The process is alive")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    @app.get("/readyz", summary="New calls would be taken", responses={503: {"description": "They would not"}})
    async def readyz() -> JSONResponse:
        reason = not_ready()
        if reason is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": reason}, status_code=503)

    if serves_metrics:

        @app.get("/metrics", summary="Prometheus metrics", response_class=Response)
        async def read_metrics() -> Response:
            return Response(metrics.render(), media_type=metrics.content_type)

    return app


class _EmbeddedServer(uvicorn.Server):
    """uvicorn without its signal handlers: the daemon decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ControlServer:
    """Serves an app on one address. ``start`` raises OSError when the address cannot be had."""

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        self._app = app
        self._address = (host, port)
        self._server: _EmbeddedServer | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = port

    @property
    def address(self) -> str:
        """``host:port`` as it really is."""
        host = f"[{self._address[0]}]" if ":" in self._address[0] else self._address[0]
        return f"{host}:{self.port}"

    async def start(self) -> None:
        """Binds at once (so that a taken port is an error here) and serves in a task of its own."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(self._address)
            listener.listen()
        except OSError:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app, log_config=None, access_log=False, lifespan="off", loop="none", timeout_graceful_shutdown=2
        )
        self._server = _EmbeddedServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="control server")

    async def stop(self) -> None:
        """Stops accepting, lets open requests finish for two seconds, closes. Safe to call twice."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await asyncio.gather(self._task, return_exceptions=True)
        self._server = self._task = None
