"""The edge of the emulator: one WebSocket server, one conversation for each socket, one timer for each conversation."""

from __future__ import annotations

import asyncio
import os
import socket as sockets
import ssl
import time
import weakref
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from gateway.base.clock import utc_now
from gateway.base.errors import GatewayError, SettingsError
from gateway.base.ids import IdSource
from gateway.emulator.admission import SESSION_PATH, Admitted, Turned, judge_upgrade
from gateway.emulator.conversation import CloseRequested, Conversation
from gateway.emulator.inspection import SessionRecord
from gateway.emulator.limits import MessageMeter
from gateway.emulator.scenario import Scenario
from gateway.emulator.scenario_file import load_scenario

LARGEST_MESSAGE_BYTES = 16 << 20
LARGEST_BACKLOG = 10_000
"""A client that does not read while it provokes more frames than this is cut off."""
DEFAULT_LISTEN = "127.0.0.1:8765"

_log = structlog.get_logger(component="emulator")


class Emulator:
    """An Inworld Realtime service on ``host:port`` (0: any free port) that behaves as ``scenario`` says.

    With ``record``, ``sessions`` keeps everything every session received and sent, in order of arrival; without it,
    only the live ones are there, with their counters. ``record_type`` may be a subclass that notes something else.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        record: bool = False,
        tls: ssl.SSLContext | None = None,
        record_type: type[SessionRecord] | None = None,
    ) -> None:
        self.scenario = scenario or load_scenario()
        self.sessions: list[SessionRecord] = []
        self.refused_upgrades: Counter[int] = Counter()
        self._host = host
        self._port = port
        self._record = record
        self._tls = tls
        self._record_type = record_type
        self._meter = MessageMeter(self.scenario.limits.max_messages_per_second)
        self._admitted: weakref.WeakKeyDictionary[ServerConnection, Admitted] = weakref.WeakKeyDictionary()
        self._sessions_opened = 0
        self._server: Server | None = None
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        self._server = await serve(
            self._serve,
            self._host,
            self._port,
            ssl=self._tls,
            process_request=self._process_request,
            compression=None,
            max_size=LARGEST_MESSAGE_BYTES,
            ping_interval=20,
            ping_timeout=20,
            close_timeout=2,
            server_header=None,
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every session and stop listening. May be called twice."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Emulator:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """What a client connects to; it adds ``?key=…&protocol=realtime``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'wss' if self._tls else 'ws'}://{host}:{self._port}{SESSION_PATH}"

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port

    @property
    def live_sessions(self) -> int:
        """Sockets that are open or just opening."""
        return len(self._admitted)

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Return once ``condition`` holds; it is asked again after everything that happens. Raises TimeoutError."""
        if condition():
            return
        waiter = (condition, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter[1]
        finally:
            self._waiters.remove(waiter)

    async def wait_for_session(self, index: int = 0, timeout_s: float = 5.0) -> SessionRecord:
        """The record of the nth session, once it is open."""
        await self.wait_until(lambda: len(self.sessions) > index, timeout_s)
        return self.sessions[index]

    async def wait_for_sent(
        self, record: SessionRecord, event_type: str, count: int = 1, timeout_s: float = 5.0
    ) -> None:
        """Return once ``count`` events of a type were sent in a recorded session."""
        await self.wait_until(lambda: len(record.sent_of(event_type)) >= count, timeout_s)

    def _notify(self) -> None:
        for condition, future in self._waiters:
            if not future.done() and condition():
                future.set_result(None)

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        verdict = judge_upgrade(request.path, request.headers, self.scenario, self.live_sessions)
        if isinstance(verdict, Admitted):
            self._admitted[connection] = verdict
            return None
        return self._turn_away(connection, verdict)

    def _turn_away(self, connection: ServerConnection, verdict: Turned) -> Response:
        self.refused_upgrades[verdict.status] += 1
        _log.warning("session refused", status=verdict.status, reason=verdict.message)
        return connection.respond(HTTPStatus(verdict.status), verdict.message + "\n")

    async def _serve(self, socket: ServerConnection) -> None:
        admitted = self._admitted[socket]
        record = (self._record_type or SessionRecord)(
            admitted.key, time.monotonic(), is_full=self._record, authorization_scheme=admitted.authorization_scheme
        )
        self.sessions.append(record)
        self._sessions_opened += 1
        seed = self.scenario.seed
        ids = IdSource(None if seed is None else seed * 1_000_003 + self._sessions_opened)
        conversation = Conversation(
            self.scenario, ids, record, now=time.monotonic(), wall_clock_s=int(utc_now().timestamp())
        )
        _log.info("session opened", key=record.key, live=self.live_sessions)
        try:
            await _Session(socket, conversation, self._meter, self._notify).run()
        finally:
            del self._admitted[socket]
            record.closed_at = time.monotonic()
            record.close_code = None if socket.close_code is None else int(socket.close_code)
            if not self._record:
                self.sessions.remove(record)
            self._notify()
            _log.info(
                "session closed",
                key=record.key,
                close_code=record.close_code,
                seconds=round(record.closed_at - record.opened_at, 1),
                **conversation.summary(),
            )


class _Session:
    """Feeds one conversation and sends what it says: the reader feeds messages, the writer timeouts."""

    def __init__(
        self, socket: ServerConnection, conversation: Conversation, meter: MessageMeter, notify: Callable[[], None]
    ) -> None:
        self._socket = socket
        self._conversation = conversation
        self._meter = meter
        self._notify = notify
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None

    async def run(self) -> None:
        """Until the socket closes."""
        self._conversation.connected(time.monotonic())
        self._wake.set()
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write())
                await self._read()
                writer.cancel()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                self._receive(message)
        except ConnectionClosed:
            return

    def _receive(self, message: str | bytes) -> None:
        now = time.monotonic()
        if not self._meter.admit(now):
            self._conversation.refuse_message(now)
        elif isinstance(message, str):
            self._conversation.receive_message(message.encode("utf-8", "surrogatepass"), now)
        else:
            self._conversation.receive_binary(now)
        if self._conversation.backlog > LARGEST_BACKLOG:
            self._socket.transport.abort()
        if self._conversation.backlog or self._conversation.next_deadline() != self._armed_for:
            self._wake.set()
        self._notify()

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._conversation.handle_timeout(time.monotonic())
                for message in self._conversation.take_outgoing():
                    await self._socket.send(message, text=True)
                close = self._conversation.next_event()
                if close is not None:
                    await self._close(close)
                self._arm_timer()
                self._notify()
        except ConnectionClosed:
            return

    async def _close(self, close: CloseRequested) -> None:
        if close.code is None:
            self._socket.transport.abort()
        else:
            await self._socket.close(close.code, close.reason)

    def _arm_timer(self) -> None:
        deadline = self._conversation.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = deadline
        if deadline is not None:
            delay_s = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake.set)


async def run_emulator(listen: str = DEFAULT_LISTEN, scenario_path: Path | str | None = None, **options: Any) -> None:
    """Serve until cancelled, for `gateway emulate`.

    Raises SettingsError for what it is given, GatewayError when the address cannot be had.
    """
    host, port = split_listen(listen)
    emulator = Emulator(load_scenario(scenario_path), host, port, **options)
    try:
        await emulator.start()
    except OSError as error:
        raise GatewayError(
            f"--listen: cannot listen on {listen}: {_reason(error)}; stop what uses it or give another"
        ) from error
    try:
        _log.info("emulator listening", url=emulator.url, scenario=str(scenario_path or "default"))
        await asyncio.get_running_loop().create_future()
    finally:
        await emulator.stop()


def _reason(error: OSError) -> str:
    # The event loops word it each in their own way, around the address that we have named already.
    if error.errno is None or isinstance(error, sockets.gaierror):
        return str(error.strerror or error).lower()
    return os.strerror(error.errno).lower()


def split_listen(listen: str) -> tuple[str, int]:
    """HOST:PORT, [HOST]:PORT or PORT alone, which means this machine only. Raises SettingsError."""
    host, _, port = listen.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise SettingsError([f"--listen: {listen!r} is not HOST:PORT; give for example {DEFAULT_LISTEN}"])
    return host.strip("[]") or "127.0.0.1", int(port)
