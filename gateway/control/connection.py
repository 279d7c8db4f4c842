"""One HTTP connection: too many of them, and requests whose head never ends, take no files from the calls."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 512
"""Event streams and everything else together. Files are what calls are made of, too: RTP, SIP and the provider."""

HEAD_TIME_S = 10.0
"""How long a connection may be open, or a request may have begun, without a complete head."""


UNREAD_TIME_S = 30.0
"""How long a peer may take to read what it asked for, or the next ``LEAST_READ`` octets of it."""

LEAST_READ = 65_536


class BoundedConnection(H11Protocol):
    """uvicorn's, which would wait for a request for ever and count none."""

    max_connections = MAX_CONNECTIONS
    head_time_s = HEAD_TIME_S
    unread_time_s = UNREAD_TIME_S
    _head_due: asyncio.TimerHandle | None = None
    _read_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One more, or one too many."""
        if len(self.connections) >= self.max_connections:
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Part of a request."""
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._stop_waiting()
        self._note_read()
        super().connection_lost(exc)

    # Who asks and does not read

    def pause_writing(self) -> None:
        """The peer takes no more for the moment."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """It reads on."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._note_read()

    def timeout_keep_alive_handler(self) -> None:
        """No other request has come; what is still unread is not waited for without end."""
        super().timeout_keep_alive_handler()
        self._await_reader()

    def _await_reader(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if self._read_due is None and unread:
            self._read_due = self.loop.call_later(self.unread_time_s, self._check_reader, unread)

    def _check_reader(self, unread: int) -> None:
        self._read_due = None
        if unread - self.transport.get_write_buffer_size() < LEAST_READ:
            self.transport.abort()
        else:
            self._await_reader()

    def _note_read(self) -> None:
        if self._read_due is not None:
            self._read_due.cancel()
            self._read_due = None

    # Who does not ask

    def _await_head(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()  # a whole head is here, and its request being answered
        elif self._head_due is None and not self.transport.is_closing():
            self._head_due = self.loop.call_later(self.head_time_s, self._close_without_head)

    def _stop_waiting(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _close_without_head(self) -> None:
        self._head_due = None
        self.transport.close()
        self._await_reader()
