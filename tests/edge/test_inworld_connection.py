"""The protocol core over a real WebSocket on loopback: messages, ends, stalls."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import json
import struct
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.inworld.connection import ConnectionLimits, RealtimeConnection
from gateway.inworld.endpoint import Endpoint
from gateway.inworld.errors import ProviderUnreachable
from gateway.inworld.events import append_message, encode_audio
from gateway.inworld.protocol import ProtocolLimits, RealtimeProtocol
from gateway.inworld.protocol_events import (
    AudioReceived,
    ProviderFault,
    RealtimeEvent,
    ResponseStarted,
    SessionClosed,
    SessionReady,
    SpeechStarted,
)
from gateway.inworld.session import build_session
from tests.support.both_loops import on_both_loops
from tests.support.waiting import PATIENCE_S, until

Script = Callable[[ServerConnection], Awaitable[None]]
CREATED = '{"type":"session.created","session":{}}'
UPDATED = '{"type":"session.updated","session":{"id":"s1"}}'


class Caller:
    """One connection and everything it was told."""

    def __init__(self, limits: ConnectionLimits | None = None, protocol_limits: ProtocolLimits | None = None) -> None:
        session = build_session({}, audio_format="audio/pcmu", call_id="c")
        self.protocol = RealtimeProtocol(session, IdSource(1), limits=protocol_limits)
        self.connection = RealtimeConnection(self.protocol, on_event=self.on_event, ids=IdSource(), limits=limits)
        self.events: list[RealtimeEvent] = []
        self._changed = asyncio.Event()

    def on_event(self, event: RealtimeEvent) -> None:
        self.events.append(event)
        self._changed.set()

    async def wait_for(self, kind: type) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                self._changed.clear()
                await self._changed.wait()


def endpoint_at(port: int) -> Endpoint:
    return Endpoint(f"ws://127.0.0.1:{port}/api/v1/realtime/session", Secret("a2V5"))


@asynccontextmanager
async def service(script: Script, **options: Any) -> AsyncIterator[Endpoint]:
    """A WebSocket server by another author, which speaks the first lines and then follows the script."""

    async def handle(socket: ServerConnection) -> None:
        with suppress(ConnectionError):
            await script(socket)

    async with serve(handle, "127.0.0.1", 0, **options) as server:
        yield endpoint_at(server.sockets[0].getsockname()[1])


async def agree(socket: ServerConnection) -> dict[str, Any]:
    """The first three frames of a session; gives the client's."""
    await socket.send(CREATED)
    update = json.loads(await socket.recv())
    await socket.send(UPDATED)
    return dict(update)


@asynccontextmanager
async def ready(script: Script, limits: ConnectionLimits | None = None, **options: Any) -> AsyncIterator[Caller]:
    async def agreeing(socket: ServerConnection) -> None:
        await agree(socket)
        await script(socket)

    async with service(agreeing, **options) as endpoint:
        caller = Caller(limits)
        await caller.connection.connect(endpoint)
        await caller.wait_for(SessionReady)
        yield caller
        await caller.connection.close()


async def until_closed(socket: ServerConnection) -> None:
    await socket.wait_closed()


# --- messages -------------------------------------------------------------------------------------------------------


@on_both_loops
async def test_a_session_from_connect_to_close() -> None:
    heard: list[Any] = []
    closed: list[tuple[int | None, str | None]] = []

    async def script(socket: ServerConnection) -> None:
        heard.append(await agree(socket))
        heard.append(json.loads(await socket.recv()))
        await socket.send('{"type":"response.created","response":{"id":"r1"}}')
        delta = {"type": "response.output_audio.delta", "response_id": "r1", "item_id": "i1", "delta": "f38="}
        await socket.send(json.dumps(delta))
        await socket.wait_closed()
        closed.append((socket.close_code, socket.close_reason))

    async with service(script) as endpoint:
        caller = Caller()
        caller.connection.append_audio(b"\x7f" * 480)
        await caller.connection.connect(endpoint)
        audio = await caller.wait_for(AudioReceived)
        await caller.connection.close()
    assert audio == AudioReceived("r1", "i1", b"\x7f\x7f")
    assert heard[0]["type"] == "session.update"
    assert heard[1] == json.loads(append_message(b"\x7f" * 480))
    assert [type(event) for event in caller.events] == [SessionReady, ResponseStarted, AudioReceived, SessionClosed]
    assert caller.events[-1] == SessionClosed(1000, "", was_asked=True)
    assert closed == [(1000, "")]


@on_both_loops
async def test_appends_go_out_at_once_and_in_order() -> None:
    heard: list[str | bytes] = []
    done = asyncio.Event()

    async def script(socket: ServerConnection) -> None:
        async for message in socket:
            heard.append(message)
            if len(heard) == 50:
                done.set()

    async with ready(script) as caller:
        for number in range(50):
            caller.connection.append_audio(bytes([number]) * 480)
        await asyncio.wait_for(done.wait(), 2)
    assert heard == [append_message(bytes([number]) * 480).decode() for number in range(50)]


@on_both_loops
async def test_fragmented_messages_are_joined_even_around_a_ping() -> None:
    async def script(socket: ServerConnection) -> None:
        async def pieces() -> AsyncIterator[str]:
            yield '{"type":"input_audio_buffer.'
            await socket.ping()
            yield 'speech_started",'
            yield '"item_id":"u1"}'

        await socket.send(pieces())
        await socket.wait_closed()

    async with ready(script) as caller:
        assert await caller.wait_for(SpeechStarted) == SpeechStarted("u1", None)


@on_both_loops
async def test_a_twelve_megabyte_message_is_received() -> None:
    audio = bytes(9 * 1024 * 1024)
    message = json.dumps({"type": "response.output_audio.delta", "response_id": "r1", "delta": encode_audio(audio)})
    assert len(message) > 12 * 1024 * 1024

    async def script(socket: ServerConnection) -> None:
        await socket.send(message)
        await socket.wait_closed()

    async with ready(script) as caller:
        event = await caller.wait_for(AudioReceived)
    assert event.audio == audio


@on_both_loops
async def test_a_message_over_the_limit_ends_the_session_with_1009() -> None:
    codes: list[int | None] = []

    async def script(socket: ServerConnection) -> None:
        async def pieces() -> AsyncIterator[str]:
            for _ in range(3):
                yield "x" * 50_000

        with suppress(Exception):
            await socket.send(pieces())
        await socket.wait_closed()
        codes.append(socket.close_code)

    async with ready(script, ConnectionLimits(max_message_bytes=100_000)) as caller:
        closed = await caller.wait_for(SessionClosed)
    assert (closed.code, closed.was_asked) == (1009, False)
    assert codes == [1009]


@on_both_loops
async def test_a_binary_frame_with_json_is_read_as_well() -> None:
    async def script(socket: ServerConnection) -> None:
        await socket.send(b'{"type":"input_audio_buffer.speech_started","item_id":"u2"}')
        await socket.wait_closed()

    async with ready(script) as caller:
        assert await caller.wait_for(SpeechStarted) == SpeechStarted("u2", None)


@on_both_loops
async def test_events_may_call_back_and_stay_in_order() -> None:
    heard: list[Any] = []
    done = asyncio.Event()

    async def script(socket: ServerConnection) -> None:
        await agree(socket)
        heard.append(json.loads(await socket.recv()))
        done.set()
        await socket.wait_closed()

    async with service(script) as endpoint:
        caller = Caller()

        def on_event(event: RealtimeEvent) -> None:
            caller.on_event(event)
            if isinstance(event, SessionReady):
                caller.protocol.request_response(asyncio.get_running_loop().time(), "Greet.")
                caller.connection.flush()

        caller.connection._on_event = on_event
        await caller.connection.connect(endpoint)
        await asyncio.wait_for(done.wait(), 2)
        await caller.connection.close()
    assert heard[0]["type"] == "response.create"


@on_both_loops
async def test_a_handler_that_flushes_is_not_called_from_within_itself() -> None:
    steps: list[str] = []
    async with ready(until_closed) as caller:

        def on_event(event: RealtimeEvent) -> None:
            steps.append(f"begin {type(event).__name__}")
            caller.connection.flush()
            steps.append(f"end {type(event).__name__}")

        caller.connection._on_event = on_event
        caller.connection.on_message(b'{"type":"response.done","response":{"id":"r1","status":"completed"}}')
        caller.connection._on_event = caller.on_event
    assert steps == ["begin ResponseStarted", "end ResponseStarted", "begin ResponseFinished", "end ResponseFinished"]


@on_both_loops
async def test_a_handler_that_fails_does_not_take_the_socket_down(caplog: pytest.LogCaptureFixture) -> None:
    async def script(socket: ServerConnection) -> None:
        await socket.send('{"type":"input_audio_buffer.speech_started"}')
        await socket.wait_closed()

    async with ready(script) as caller:
        told = caller.connection._on_event

        def on_event(event: RealtimeEvent) -> None:
            told(event)
            raise RuntimeError("a bug of ours")

        caller.connection._on_event = on_event
        caller.events.clear()
        caller.protocol.receive_message(b'{"type":"input_audio_buffer.speech_started"}', 0.0)
        caller.connection.flush()
        await caller.wait_for(SpeechStarted)
        assert caller.protocol.is_ready
    assert "a bug of ours" in caplog.text


@on_both_loops
async def test_the_one_timer_follows_the_protocols_deadlines() -> None:
    async def silent(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.wait_closed()

    async with service(silent) as endpoint:
        caller = Caller(protocol_limits=ProtocolLimits(session_created_s=0.05, session_updated_s=0.1))
        await caller.connection.connect(endpoint)
        fault = await caller.wait_for(ProviderFault)
        closed = await caller.wait_for(SessionClosed)
        await caller.connection.close()
    assert (fault.code, fault.is_fatal) == ("session_not_updated", True)
    assert (closed.code, closed.was_asked) == (1000, False)


# --- ends -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "reason"), [(1011, "upstream"), (1000, ""), (4001, "quota")])
@on_both_loops
async def test_a_close_of_the_service_is_the_end(code: int, reason: str) -> None:
    async def script(socket: ServerConnection) -> None:
        await socket.close(code, reason)

    async with ready(script) as caller:
        assert await caller.wait_for(SessionClosed) == SessionClosed(code, reason, was_asked=False)
        await caller.connection.close()
        caller.connection.append_audio(b"late")
        caller.connection.flush()


@on_both_loops
async def test_an_abrupt_drop_is_the_end() -> None:
    async def script(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with ready(script) as caller:
        closed = await caller.wait_for(SessionClosed)
    assert (closed.code, closed.was_asked) == (1006, False)


@on_both_loops
async def test_a_fatal_error_of_the_service_closes_the_socket() -> None:
    codes: list[int | None] = []

    async def script(socket: ServerConnection) -> None:
        await socket.send('{"type":"error","error":{"message":"Invalid authorization credentials"}}')
        await socket.wait_closed()
        codes.append(socket.close_code)

    async with ready(script) as caller:
        assert (await caller.wait_for(ProviderFault)).is_fatal
        await caller.wait_for(SessionClosed)
    assert codes == [1000]


@on_both_loops
async def test_close_is_idempotent_and_may_be_called_from_two_places() -> None:
    async with ready(until_closed) as caller:
        await asyncio.gather(caller.connection.close(), caller.connection.close())
        await caller.connection.close()
    assert [type(event) for event in caller.events].count(SessionClosed) == 1


@on_both_loops
async def test_close_before_connect_means_no_connection() -> None:
    async with service(until_closed) as endpoint:
        caller = Caller()
        await caller.connection.close()
        with pytest.raises(ProviderUnreachable):
            await caller.connection.connect(endpoint)
    assert caller.events == []


@on_both_loops
async def test_many_connections_leave_no_task_behind() -> None:
    async with service(_agree_and_wait) as endpoint:
        callers = [Caller() for _ in range(20)]
        await asyncio.gather(*(caller.connection.connect(endpoint) for caller in callers))
        await asyncio.gather(*(caller.wait_for(SessionReady) for caller in callers))
        await asyncio.gather(*(caller.connection.close() for caller in callers))
    assert all(isinstance(caller.events[-1], SessionClosed) for caller in callers)
    assert len({caller.connection.session_key for caller in callers}) == 20


@on_both_loops
async def test_a_closed_connection_needs_no_garbage_collector() -> None:
    async with service(_agree_and_wait) as endpoint:
        session = build_session({}, audio_format="audio/pcmu", call_id="c")
        events: list[RealtimeEvent] = []
        connection = RealtimeConnection(RealtimeProtocol(session, IdSource(1)), on_event=events.append, ids=IdSource())
        gone = weakref.ref(connection)
        gc.disable()
        try:
            await connection.connect(endpoint)
            await until(lambda: events)
            assert isinstance(events[0], SessionReady)
            await connection.close()
            del connection
            await until(lambda: gone() is None)
        finally:
            gc.enable()


async def _agree_and_wait(socket: ServerConnection) -> None:
    await agree(socket)
    await socket.wait_closed()


# --- servers that break the rules, by hand --------------------------------------------------------------------------

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode: int, payload: bytes = b"", *, is_final: bool = True) -> bytes:
    head = bytes([opcode | (0x80 if is_final else 0)])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    return head + bytes([126]) + struct.pack(">H", len(payload)) + payload


class RawSocket:
    """A server that upgrades and then says exactly what the test writes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def upgrade(self, *also: bytes) -> None:
        """Answers the upgrade, with ``also`` in the very same segment."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.writer.write(answer + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + b"".join(also))
        await self.writer.drain()


@asynccontextmanager
async def raw_service(script: Callable[[RawSocket], Awaitable[None]], **options: Any) -> AsyncIterator[Endpoint]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(RawSocket(reader, writer))
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, **options)
    try:
        yield endpoint_at(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


@on_both_loops
async def test_the_first_event_may_come_in_the_segment_of_the_upgrade() -> None:
    async def script(socket: RawSocket) -> None:
        await socket.upgrade(frame(1, CREATED.encode()))
        await socket.reader.readexactly(2)  # the session.update
        socket.writer.write(frame(1, UPDATED.encode()))
        await socket.reader.read()

    async with raw_service(script) as endpoint:
        caller = Caller(ConnectionLimits(close_s=0.1))
        await caller.connection.connect(endpoint)
        await caller.wait_for(SessionReady)
        await caller.connection.close()


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (frame(0, b"x"), 1002),
        (frame(1, b"{", is_final=False) + frame(1, b"}"), 1002),
    ],
    ids=["continuation of nothing", "message inside a message"],
)
@on_both_loops
async def test_broken_fragmentation_ends_the_session(frames: bytes, code: int) -> None:
    async def script(socket: RawSocket) -> None:
        await socket.upgrade(frames)
        await socket.reader.read()

    async with raw_service(script) as endpoint:
        caller = Caller(ConnectionLimits(close_s=0.1))
        await caller.connection.connect(endpoint)
        closed = await caller.wait_for(SessionClosed)
        await caller.connection.close()
    assert closed.code == code
    assert "framing" in closed.reason


@on_both_loops
async def test_frames_that_the_library_refuses_end_the_session_without_a_stray_exception() -> None:
    async def script(socket: RawSocket) -> None:
        await socket.upgrade(b"\x81\x82\x00\x00\x00\x00{}")  # a server must not mask
        await socket.reader.read()

    async with raw_service(script) as endpoint:
        caller = Caller(ConnectionLimits(close_s=0.1))
        await caller.connection.connect(endpoint)
        closed = await caller.wait_for(SessionClosed)
        await caller.connection.close()
    assert closed.code == 1006
    assert "masked" in closed.reason


@on_both_loops
async def test_a_close_without_a_code_is_told_as_such_and_answered_by_closing_the_socket() -> None:
    answered: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(socket: RawSocket) -> None:
        await socket.upgrade(frame(8))
        answered.put_nowait(await socket.reader.read())

    async with raw_service(script) as endpoint:
        caller = Caller(ConnectionLimits(close_s=60))  # so it is not this bound that closes the socket
        await caller.connection.connect(endpoint)
        assert await caller.wait_for(SessionClosed) == SessionClosed(1005, "", was_asked=False)
        answer = await asyncio.wait_for(answered.get(), PATIENCE_S)
        await caller.connection.close()
    assert answer[0] == 0x88


@on_both_loops
async def test_a_peer_that_answers_no_ping_is_dead() -> None:
    pings: list[bytes] = []

    async def script(socket: RawSocket) -> None:
        await socket.upgrade()
        pings.append(await socket.reader.read(100))
        await socket.reader.read()

    async with raw_service(script) as endpoint:
        caller = Caller(ConnectionLimits(ping_every_s=0.2, pong_within_s=0.1))
        await caller.connection.connect(endpoint)
        closed = await caller.wait_for(SessionClosed)
        await caller.connection.close()
    assert closed.code == 1006
    assert "ping" in closed.reason
    assert pings[0][0] == 0x89


@on_both_loops
async def test_a_close_that_is_not_answered_is_cut_after_the_bound() -> None:
    async def script(socket: RawSocket) -> None:
        await socket.upgrade()
        while await socket.reader.read(1000):
            pass

    async with raw_service(script) as endpoint:
        caller = Caller(ConnectionLimits(close_s=0.2))
        await caller.connection.connect(endpoint)
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(PATIENCE_S):
            await caller.connection.close()
        assert loop.time() - began >= 0.15
    assert caller.events == [SessionClosed(1006, "our close was not answered", was_asked=True)]


@on_both_loops
async def test_a_fatal_fault_cuts_a_peer_that_answers_no_close_without_anyones_help() -> None:
    async def script(socket: RawSocket) -> None:
        await socket.upgrade(frame(1, b'{"type":"error","error":{"message":"no"}}'))
        while await socket.reader.read(1000):
            pass

    async with raw_service(script) as endpoint:
        caller = Caller(ConnectionLimits(close_s=0.2))
        await caller.connection.connect(endpoint)
        await caller.wait_for(SessionClosed)
        await caller.connection.close()


@on_both_loops
async def test_a_stalled_socket_bounds_caller_audio_drops_the_oldest_and_passes_control_frames() -> None:
    resume = asyncio.Event()
    received = bytearray()

    async def script(socket: RawSocket) -> None:
        await socket.upgrade(frame(1, CREATED.encode()), frame(1, UPDATED.encode()))
        await resume.wait()
        while data := await socket.reader.read(65536):
            received.extend(data)

    async with raw_service(script, limit=1024) as endpoint:
        caller = Caller(ConnectionLimits(high_water_bytes=4096, backlog_bytes=4800, close_s=1.0))
        await caller.connection.connect(endpoint)
        await caller.wait_for(SessionReady)
        connection = caller.connection
        for _ in range(40_000):  # the kernel takes some megabytes first
            connection.append_audio(bytes(480))
            if connection.stats.stalls:
                break
        assert connection.stats.stalls == 1
        sent_before = connection.stats.frames_sent
        for number in range(100):
            connection.append_audio(bytes([number]) * 480)
        assert connection.stats.frames_sent == sent_before
        assert connection.stats.backlog_dropped_chunks == 90
        caller.protocol.request_response(asyncio.get_running_loop().time(), "Control passes.")
        connection.flush()
        assert connection.stats.frames_sent == sent_before + 1
        resume.set()
        await until(lambda: connection.stats.frames_sent >= sent_before + 11)
        await connection.close()
    messages = unmasked(bytes(received))
    assert json.loads(messages[-11])["response"] == {"instructions": "Control passes."}
    assert messages[-10:] == [append_message(bytes([number]) * 480) for number in range(90, 100)]


def unmasked(stream: bytes) -> list[bytes]:
    """The text messages of a client's byte stream."""
    messages, at = [], 0
    while at < len(stream):
        opcode, length = stream[at] & 0x0F, stream[at + 1] & 0x7F
        at += 2
        if length == 126:
            length, at = struct.unpack(">H", stream[at : at + 2])[0], at + 2
        mask, payload = stream[at : at + 4], stream[at + 4 : at + 4 + length]
        at += 4 + length
        if opcode == 1:
            repeated = (mask * (length // 4 + 1))[:length]
            plain = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
            messages.append(plain.to_bytes(length, "big"))
    return messages
