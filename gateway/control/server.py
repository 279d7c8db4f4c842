"""The HTTP listener for operators, embedded in the gateway's own event loop and stopped with it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from gateway.control.connection import BoundedConnection


class _EmbeddedServer(uvicorn.Server):
    """uvicorn without its signal handlers: the daemon decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ControlServer:
    """Serves an app on one address. ``start`` raises OSError when the address cannot be had."""

    def __init__(self, app: FastAPI, *, host: str, port: int, on_stop: Callable[[], None] = lambda: None) -> None:
        """``on_stop`` ends what would keep requests open: streams."""
        self._app = app
        self._on_stop = on_stop
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
            self._app,
            http=BoundedConnection,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            loop="none",
            timeout_graceful_shutdown=2,
        )
        self._server = _EmbeddedServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="control server")

    async def stop(self) -> None:
        """Stops accepting, lets open requests finish for two seconds, closes. Safe to call twice."""
        if self._server is None or self._task is None:
            return
        self._on_stop()
        self._server.should_exit = True
        await asyncio.gather(self._task, return_exceptions=True)
        self._server = self._task = None
