"""A call's provider leg: one connection and the one task that owns it from dialling to the closed socket."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from gateway.inworld.connection import RealtimeConnection, shared_tls_context
from gateway.inworld.endpoint import Endpoint
from gateway.inworld.errors import ProviderUnavailable


class InworldLeg:
    """Opens the session in a task of its own; ``close`` ends that task and the socket with it.

    ``on_released`` is called when the socket is really closed: only then is the account's session free again.
    """

    def __init__(
        self,
        connection: RealtimeConnection,
        endpoint: Endpoint,
        *,
        on_unavailable: Callable[[ProviderUnavailable], None],
        on_released: Callable[[InworldLeg], None],
    ) -> None:
        self._connection = connection
        self._endpoint = endpoint
        self._on_unavailable = on_unavailable
        self._on_released = on_released
        self._closing = asyncio.Event()
        self._is_connected = False
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to connect."""
        self.task = asyncio.create_task(self._live(), name="provider leg")
        # A task that is cancelled before its first step runs no line of its own, so no finally either.
        self.task.add_done_callback(self._released)

    def _released(self, _: asyncio.Task[None]) -> None:
        self._closing.set()
        self.task = None  # a cancelled one keeps its traceback, and that would keep this leg
        self._on_released(self)

    def flush(self) -> None:
        """Sends what the protocol core has to say and hands over its events."""
        if self._is_connected:
            self._connection.flush()

    def close(self) -> None:
        """Ends the session; nothing is said to the call any more. A second time does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self.task is None:
            self._on_released(self)
        elif not self._is_connected:
            self.task.cancel()

    async def _live(self) -> None:
        try:
            await self._connection.connect(self._endpoint, tls=self._tls())
            self._is_connected = True
            await self._closing.wait()
        except ProviderUnavailable as error:
            if not self._closing.is_set():
                self._on_unavailable(error)
        finally:
            await self._connection.close()

    def _tls(self) -> ssl.SSLContext | None:
        return shared_tls_context() if self._endpoint.is_secure else None
