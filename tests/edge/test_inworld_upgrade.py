"""Opening the WebSocket against servers that refuse, stall, hang up and talk nonsense; and over TLS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.inworld.connection import ConnectionLimits, RealtimeConnection, shared_tls_context
from gateway.inworld.endpoint import Endpoint
from gateway.inworld.errors import ProviderRefused, ProviderUnreachable
from gateway.inworld.protocol import RealtimeProtocol
from gateway.inworld.protocol_events import RealtimeEvent, SessionReady
from gateway.inworld.session import build_session
from tests.support.both_loops import on_both_loops

KEY = "c2VjcmV0LWtleTpzZWNyZXQ="

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def made(
    on_event: Callable[[RealtimeEvent], None] = lambda _event: None, limits: ConnectionLimits | None = None
) -> RealtimeConnection:
    protocol = RealtimeProtocol(build_session({}, audio_format="audio/pcmu", call_id="c"), IdSource(1))
    return RealtimeConnection(protocol, on_event=on_event, ids=IdSource(), limits=limits)


@asynccontextmanager
async def raw_server(peer: Peer) -> AsyncIterator[Endpoint]:
    """A TCP server that says what the test wants."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await peer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Endpoint(f"ws://127.0.0.1:{port}/api/v1/realtime/session", Secret(KEY))
    finally:
        server.close()
        await server.wait_closed()


def replying(reply: bytes) -> Peer:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()

    return peer


async def refusal(reply: bytes) -> ProviderRefused | ProviderUnreachable:
    events: list[RealtimeEvent] = []
    async with raw_server(replying(reply)) as endpoint:
        connection = made(events.append)
        with pytest.raises((ProviderRefused, ProviderUnreachable)) as raised:
            await connection.connect(endpoint)
        await connection.close()
    assert events == []
    return raised.value


@on_both_loops
async def test_bad_credentials_are_reported_with_status_body_and_remedy() -> None:
    error = await refusal(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 7\r\n\r\nbad key")
    assert isinstance(error, ProviderRefused)
    assert (error.http_status, error.body) == (401, "bad key")
    assert "inworld.api_key" in str(error)


@on_both_loops
async def test_a_limit_gives_a_retry_hint() -> None:
    error = await refusal(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n")
    assert isinstance(error, ProviderRefused)
    assert (error.http_status, error.retry_after_s) == (429, 17)
    assert "inworld.max_sessions" in str(error)


@on_both_loops
async def test_a_body_is_cut_at_500_characters_and_its_secrets_are_masked() -> None:
    body = f"key {KEY} refused; authorization: Basic {KEY}\n".encode() + b"x" * 4000
    error = await refusal(b"HTTP/1.1 403 Forbidden\r\n\r\n" + body)
    assert isinstance(error, ProviderRefused)
    assert KEY not in str(error)
    assert error.body.startswith("key *** refused; authorization: ***")
    assert len(error.body) <= 500


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (b"HTTP/1.1 499 Odd\r\n\r\n", 499),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\nproxy", 502),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", 200),
        (b"HTTP/1.1 503\r\n\r\n", 503),
    ],
    ids=["a status without a name", "an old proxy", "a web page", "no reason phrase"],
)
@on_both_loops
async def test_any_status_is_read(reply: bytes, status: int) -> None:
    error = await refusal(reply)
    assert isinstance(error, ProviderRefused)
    assert error.http_status == status


@on_both_loops
async def test_a_redirect_is_refused_because_the_next_host_must_not_get_our_key() -> None:
    error = await refusal(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/elsewhere\r\n\r\n")
    assert isinstance(error, ProviderRefused)
    assert error.http_status == 302


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x00\x01\x02\xff\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: wrong\r\n\r\n",
        b"x" * 70_000,
    ],
    ids=["ssh", "bytes", "wrong accept", "endless"],
)
@on_both_loops
async def test_nonsense_is_unreachable(reply: bytes) -> None:
    error = await refusal(reply)
    assert isinstance(error, ProviderUnreachable)
    assert "does not speak WebSocket" in str(error)


@on_both_loops
async def test_a_peer_that_hangs_up_before_answering_is_unreachable() -> None:
    assert "closed the connection during the upgrade" in str(await refusal(b""))


@on_both_loops
async def test_a_closed_port_is_unreachable() -> None:
    async with raw_server(replying(b"")) as endpoint:
        pass
    with pytest.raises(ProviderUnreachable, match="cannot be reached"):
        await made().connect(endpoint)


@on_both_loops
async def test_an_unknown_name_is_unreachable() -> None:
    with pytest.raises(ProviderUnreachable, match=r"cannot be reached|did not answer"):
        await made(limits=ConnectionLimits(connect_s=3)).connect(Endpoint("ws://gateway.invalid/x", Secret(KEY)))


@on_both_loops
async def test_silence_ends_at_the_connect_timeout_and_the_socket_goes() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()

    async with raw_server(silent) as endpoint:
        with pytest.raises(ProviderUnreachable, match=r"did not answer within 0\.2 s"):
            await made(limits=ConnectionLimits(connect_s=0.2)).connect(endpoint)
        await asyncio.wait_for(gone.wait(), 1)


@on_both_loops
async def test_a_cancelled_connect_leaves_no_socket() -> None:
    gone = asyncio.Event()
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        gone.set()

    async with raw_server(silent) as endpoint:
        task = asyncio.create_task(made().connect(endpoint))
        await asyncio.wait_for(asked.wait(), 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 1)


@on_both_loops
async def test_the_request_carries_key_protocol_and_authorization_and_offers_nothing_more() -> None:
    requests: list[bytes] = []

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    async with raw_server(peer) as endpoint:
        connections = [made(), made()]
        for connection in connections:
            with pytest.raises(ProviderRefused):
                await connection.connect(endpoint)
    heads = [request.decode() for request in requests]
    for head, connection in zip(heads, connections, strict=True):
        path = f"/api/v1/realtime/session?key={connection.session_key}&protocol=realtime"
        assert head.startswith(f"GET {path} HTTP/1.1\r\n")
        assert f"\r\nAuthorization: Basic {KEY}\r\n" in head
        assert "Sec-WebSocket-Extensions" not in head
        assert "Sec-WebSocket-Protocol" not in head
        assert "Origin" not in head
    assert connections[0].session_key != connections[1].session_key


@on_both_loops
async def test_the_key_is_never_logged_not_even_at_the_lowest_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    for name in ("picows", "picows.client", "asyncio"):
        caplog.set_level(1, logger=name)
    logging.getLogger("probe").log(1, "captured")
    error = await refusal(b"HTTP/1.1 401 Unauthorized\r\n\r\nno")
    assert "captured" in caplog.text
    assert KEY not in caplog.text
    assert KEY not in str(error)


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, key and certificate in one file."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost", "-keyout", str(path.with_suffix(".key")), "-out", str(path)),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl command here")
    path.write_text(path.with_suffix(".key").read_text() + path.read_text())
    return path


@asynccontextmanager
async def tls_service(certificate: Path) -> AsyncIterator[Endpoint]:
    async def handle(socket: ServerConnection) -> None:
        await socket.send('{"type":"session.created","session":{}}')
        await socket.recv()
        await socket.send('{"type":"session.updated","session":{"id":"over-tls"}}')
        await socket.wait_closed()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serve(handle, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        yield Endpoint(f"wss://localhost:{port}/x", Secret(KEY))


@on_both_loops
async def test_a_session_over_tls(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    events: list[RealtimeEvent] = []
    ready = asyncio.Event()

    def on_event(event: RealtimeEvent) -> None:
        events.append(event)
        ready.set()

    async with tls_service(certificate) as endpoint:
        connection = made(on_event)
        await connection.connect(endpoint, tls=trusting)
        async with asyncio.timeout(2):
            await ready.wait()
        await connection.close()
    assert isinstance(events[0], SessionReady)
    assert events[0].session_id == "over-tls"


@on_both_loops
async def test_a_close_over_tls_that_is_not_answered_is_cut(certificate: Path) -> None:
    """Neither the WebSocket's close nor TLS's own farewell may hold a call back."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        writer.transport.abort()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0, ssl=context)
    endpoint = Endpoint(f"wss://localhost:{server.sockets[0].getsockname()[1]}/x", Secret(KEY))
    connection = made(limits=ConnectionLimits(close_s=0.2))
    await connection.connect(endpoint, tls=ssl.create_default_context(cafile=str(certificate)))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await connection.close()
    assert loop.time() - began < 1.0
    server.close()
    await server.wait_closed()


@on_both_loops
async def test_a_certificate_nobody_signed_is_refused_by_default(certificate: Path) -> None:
    async with tls_service(certificate) as endpoint:
        with pytest.raises(ProviderUnreachable, match=r"TLS with localhost:\d+ failed: self-signed certificate"):
            await made().connect(endpoint)


@on_both_loops
async def test_a_certificate_for_another_name_is_refused(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with tls_service(certificate) as endpoint:
        by_address = Endpoint(endpoint.url.replace("localhost", "127.0.0.1"), Secret(KEY))
        with pytest.raises(ProviderUnreachable, match="TLS with"):
            await made().connect(by_address, tls=trusting)


@on_both_loops
async def test_tls_to_a_peer_that_speaks_none_is_unreachable() -> None:
    async with raw_server(replying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as endpoint:
        with pytest.raises(ProviderUnreachable):
            await made(limits=ConnectionLimits(connect_s=1)).connect(
                Endpoint(endpoint.url.replace("ws://", "wss://"), Secret(KEY))
            )


@on_both_loops
async def test_a_tls_handshake_that_stalls_ends_at_the_connect_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(silent) as endpoint:
        with pytest.raises(ProviderUnreachable, match="did not answer"):
            await made(limits=ConnectionLimits(connect_s=0.3)).connect(
                Endpoint(endpoint.url.replace("ws://", "wss://"), Secret(KEY))
            )


def test_the_tls_context_is_built_once() -> None:
    assert shared_tls_context() is shared_tls_context()
    assert shared_tls_context().verify_mode is ssl.CERT_REQUIRED
    assert shared_tls_context().check_hostname
