"""One call's WebSocket: feeds the protocol core, sends its frames, hands over its events, keeps its one timer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from gateway.base.ids import IdSource
from gateway.inworld.connection.assembler import FrameFault, MessageAssembler
from gateway.inworld.connection.upgrade import open_websocket
from gateway.inworld.endpoint import Endpoint, new_session_key
from gateway.inworld.errors import ProviderUnreachable
from gateway.inworld.protocol import RealtimeProtocol
from gateway.inworld.protocol_events import RealtimeEvent

_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY
_CONTINUATION = WSMsgType.CONTINUATION
_CLOSE = WSMsgType.CLOSE
ABNORMAL_CLOSURE = 1006
NO_STATUS = 1005
"""RFC 6455 §7.4.1: what to call an end without a close frame, and a close frame without a code."""

_logger = logging.getLogger("gateway.inworld.connection")


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Times and sizes of one connection."""

    connect_s: float = 10.0
    """For name, TCP, TLS and upgrade together."""
    ping_every_s: float = 20.0
    pong_within_s: float = 10.0
    """At most half of ``ping_every_s``."""
    close_s: float = 2.0
    """For the peer to answer our close; then the socket is cut."""
    max_message_bytes: int = 16 * 1024 * 1024
    high_water_bytes: int = 32 * 1024
    """Unsent bytes from which on caller audio waits here."""
    backlog_bytes: int = 8_000
    """Caller audio that may wait, 1 s of G.711; the oldest goes first."""


@dataclass(slots=True)
class ConnectionStats:
    """Plain counts of one connection."""

    frames_sent: int = 0
    stalls: int = 0
    backlog_dropped_chunks: int = 0
    backlog_dropped_bytes: int = 0


class RealtimeConnection:
    """The edge of one session.

    ``connect`` once; then give commands to ``protocol`` and call ``flush``, or use ``append_audio``. ``on_event`` gets
    every event, ``SessionClosed`` last; it may call back in here. ``close`` in every case, also after SessionClosed.
    """

    def __init__(
        self,
        protocol: RealtimeProtocol,
        *,
        on_event: Callable[[RealtimeEvent], None],
        ids: IdSource,
        limits: ConnectionLimits | None = None,
    ) -> None:
        self.protocol = protocol
        self.stats = ConnectionStats()
        self.session_key = new_session_key(ids)
        """The ``key`` of the URL: what the provider's support asks for."""
        self._on_event = on_event
        self._limits = limits or ConnectionLimits()
        self._assembler = MessageAssembler(self._limits.max_message_bytes)
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._disconnected = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at: float | None = None
        self._cut_at: float | None = None
        self._is_congested = False
        self._is_abandoned = False
        self._is_delivering = False
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0

    # --- commands -------------------------------------------------------------------------------------------------

    async def connect(self, endpoint: Endpoint, *, tls: ssl.SSLContext | None = None) -> None:
        """Opens the socket; events follow, beginning with SessionReady or a fault.

        Raises ProviderRefused or ProviderUnreachable, and then no event ever comes.
        """
        limits = self._limits
        try:
            await open_websocket(
                endpoint,
                self.session_key,
                _Listener(self),
                tls=tls,
                connect_s=limits.connect_s,
                ping_every_s=limits.ping_every_s,
                pong_within_s=limits.pong_within_s,
                max_frame_bytes=limits.max_message_bytes,
            )
        except BaseException:
            self._abandon()
            raise
        if self._is_abandoned:  # close() came while we were connecting
            raise ProviderUnreachable("the call ended before the connection stood")

    def append_audio(self, chunk: bytes) -> None:
        """Caller audio. While the socket is behind, the latest second waits here, so that control frames pass it."""
        if self._is_congested:
            self._keep_back(chunk)
            return
        self.protocol.append_audio(chunk)
        self._send_outgoing()

    def flush(self) -> None:
        """After any command to the protocol: sends, hands over events, re-arms the timer."""
        self._send_outgoing()
        self._deliver_events()
        self._follow_close()
        self._rearm()

    async def close(self) -> None:
        """Ends the session within ``close_s`` and leaves neither socket nor timer nor task behind. Idempotent."""
        self.protocol.close(self._loop.time())
        transport = self._transport
        if transport is None:
            self._abandon()
            return
        self.flush()
        try:
            async with asyncio.timeout(self._limits.close_s):
                await asyncio.shield(self._disconnected)
        except TimeoutError:
            transport.disconnect(graceful=False)
            await asyncio.shield(self._disconnected)
        with contextlib.suppress(Exception):  # the library keeps a parser error for whoever waits; it was reported
            await transport.wait_disconnected()

    # --- the socket's side ----------------------------------------------------------------------------------------

    def on_open(self, transport: WSTransport) -> None:
        """The upgrade succeeded."""
        self._transport = transport
        if self._is_abandoned:
            transport.disconnect(graceful=False)
            return
        transport.underlying_transport.set_write_buffer_limits(high=self._limits.high_water_bytes)
        self.protocol.connected(self._loop.time())
        self.flush()

    def on_message(self, message: bytes) -> None:
        """One text message, whole."""
        self.protocol.receive_message(message, self._loop.time())
        self.flush()

    def on_frame(self, frame: WSFrame) -> None:
        """Any frame that is not a message by itself."""
        kind = frame.msg_type
        if kind == _CLOSE:
            self._on_close_frame(frame)
        elif kind in (_TEXT, _BINARY, _CONTINUATION):
            payload = frame.get_payload_as_bytes()
            try:
                message = self._assembler.add(payload, is_continuation=kind == _CONTINUATION, is_final=frame.fin)
            except FrameFault as fault:
                self._break_off(fault)
                return
            if message is not None:
                self.on_message(message)

    def on_congestion(self, *, is_congested: bool) -> None:
        """The socket's unsent bytes crossed the high water mark, or came down again."""
        self._is_congested = is_congested
        self.stats.stalls += is_congested
        while self._backlog and not self._is_congested:
            chunk = self._backlog.popleft()
            self._backlog_bytes -= len(chunk)
            self.append_audio(chunk)

    def on_gone(self) -> None:
        """The socket is closed."""
        self._session_ended(*self._how_it_ended())
        self._cut_at = None
        self._rearm()
        if not self._disconnected.done():
            self._disconnected.set_result(None)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _send_outgoing(self) -> None:
        transport = self._transport
        if transport is None:
            return
        for frame in self.protocol.take_outgoing():
            transport.send(_TEXT, frame)
            self.stats.frames_sent += 1

    def _deliver_events(self) -> None:
        """In order, also when a handler's command brings forth new events."""
        if self._is_delivering or self._is_abandoned:
            return
        event = self.protocol.next_event()
        if event is None:
            return
        self._is_delivering = True
        try:
            while event is not None:
                try:
                    self._on_event(event)
                except Exception:  # a handler's bug must not take the socket down with it
                    _logger.exception("handling %s failed", type(event).__name__)
                event = self.protocol.next_event()
        finally:
            self._is_delivering = False
        self._send_outgoing()

    def _follow_close(self) -> None:
        transport = self._transport
        if transport is None or not self.protocol.wants_close or transport.is_close_frame_sent:
            return
        transport.send_close(WSCloseCode.OK)
        self._cut_soon()

    def _keep_back(self, chunk: bytes) -> None:
        self._backlog.append(chunk)
        self._backlog_bytes += len(chunk)
        while self._backlog_bytes > self._limits.backlog_bytes:
            dropped = len(self._backlog.popleft())
            self._backlog_bytes -= dropped
            self.stats.backlog_dropped_chunks += 1
            self.stats.backlog_dropped_bytes += dropped

    def _on_close_frame(self, frame: WSFrame) -> None:
        """Tells the call at once: a TLS farewell may take its time."""
        code = frame.get_close_code()
        transport = self._transport
        if transport is not None:
            if not transport.is_close_frame_sent:
                transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)
            transport.disconnect()
        self._cut_soon()
        self._session_ended(code.value or NO_STATUS, frame.get_close_reason() or "")

    def _break_off(self, fault: FrameFault) -> None:
        if self._transport is not None:
            self._transport.send_close(fault.code, str(fault))
            self._transport.disconnect()
        self._cut_soon()
        self._session_ended(fault.code.value, f"the provider broke the WebSocket framing: {fault}")

    def _session_ended(self, code: int, reason: str) -> None:
        self.protocol.connection_closed(code, reason, self._loop.time())
        self.flush()

    def _how_it_ended(self) -> tuple[int, str]:
        handshake = self._transport.close_handshake if self._transport is not None else None
        if handshake is not None and handshake.recv is not None:
            return handshake.recv.code.value or NO_STATUS, handshake.recv.reason or ""
        if handshake is not None and handshake.sent is not None:
            if self.protocol.wants_close:
                return ABNORMAL_CLOSURE, "our close was not answered"
            return ABNORMAL_CLOSURE, handshake.sent.reason or "the provider broke the WebSocket framing"
        return ABNORMAL_CLOSURE, "the connection was cut"

    def _abandon(self) -> None:
        """No event will come any more."""
        self._is_abandoned = True
        self._session_ended(ABNORMAL_CLOSURE, "no connection")

    def _cut_soon(self) -> None:
        if self._cut_at is None:
            self._cut_at = self._loop.time() + self._limits.close_s
            self._rearm()

    def _rearm(self) -> None:
        deadline = self.protocol.next_deadline()
        if self._cut_at is not None and (deadline is None or self._cut_at < deadline):
            deadline = self._cut_at
        if deadline == self._armed_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_at = deadline
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        now = self._loop.time()
        self._timer = self._armed_at = None
        if self._cut_at is not None and now >= self._cut_at and self._transport is not None:
            self._cut_at = None
            self._transport.disconnect(graceful=False)
        self.protocol.handle_timeout(now)
        self.flush()


class _Listener(WSListener):
    """The library's callbacks; a whole text frame, the usual case, takes the short way."""

    def __init__(self, connection: RealtimeConnection) -> None:
        self._connection = connection

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._connection.on_open(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        connection = self._connection
        if frame.msg_type == _TEXT and frame.fin and connection._assembler.is_idle:
            connection.on_message(frame.get_payload_as_bytes())
        else:
            connection.on_frame(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._connection.on_gone()

    def pause_writing(self) -> None:
        self._connection.on_congestion(is_congested=True)

    def resume_writing(self) -> None:
        self._connection.on_congestion(is_congested=False)
