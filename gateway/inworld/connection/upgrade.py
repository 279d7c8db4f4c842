"""Opens the WebSocket: socket, TLS, upgrade; and says in an operator's words why it did not work."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl

from picows import WSAutoPingStrategy, WSError, WSHandshakeError, WSListener, WSTransport, ws_connect

from gateway.base.redact import MASK, redact_text
from gateway.inworld.connection.dialing import open_socket
from gateway.inworld.endpoint import Endpoint
from gateway.inworld.errors import ProviderRefused, ProviderUnavailable, ProviderUnreachable

BODY_SHOWN = 500
"""Characters of a refusal's body that are kept."""
_LONGEST_RETRY_S = 3600

_library_logger = logging.getLogger("gateway.inworld.websocket")
# The library logs the upgrade request, Authorization included, at its lowest level: that level is kept shut here.
_library_logger.setLevel(logging.ERROR)


@functools.cache
def shared_tls_context() -> ssl.SSLContext:
    """The one client context: making one reads every root certificate, 20 ms during which no call would be served."""
    return ssl.create_default_context()


async def open_websocket(
    endpoint: Endpoint,
    key: str,
    listener: WSListener,
    *,
    tls: ssl.SSLContext | None,
    connect_s: float,
    ping_every_s: float,
    pong_within_s: float,
    max_frame_bytes: int,
) -> WSTransport:
    """The transport, after a 101. Raises ProviderUnreachable or ProviderRefused; leaves no socket behind."""
    opened: list[socket.socket] = []
    try:
        async with asyncio.timeout(connect_s):
            opened.append(await open_socket(endpoint.host, endpoint.port))
            transport, upgraded = await ws_connect(
                lambda _request, _response: listener,
                endpoint.session_url(key),
                ssl_context=(tls or shared_tls_context()) if endpoint.is_secure else None,
                socket_factory=lambda _url: opened[0],
                extra_headers=_headers(endpoint),
                websocket_handshake_timeout=None,  # ours covers the look-up, TCP and TLS as well
                max_redirects=0,  # the next host must not get our key
                enable_auto_ping=True,
                auto_ping_strategy=WSAutoPingStrategy.PING_PERIODICALLY,
                auto_ping_idle_timeout=ping_every_s - pong_within_s,
                auto_ping_reply_timeout=pong_within_s,
                max_frame_size=max_frame_bytes,
                logger_name=_library_logger,
            )
        if upgraded is None:  # the library's way to say that the peer hung up before it answered
            raise ProviderUnreachable(f"{endpoint.host} closed the connection during the upgrade")
    except (OSError, WSError) as error:
        _discard(opened)
        # The library keeps its errors in variables, where a traceback keeps them, and the whole connection, in turn.
        raise _explain(error, endpoint, connect_s) from error.with_traceback(None)
    except BaseException:  # of ours already, or not the provider's doing: cancellation, bugs
        _discard(opened)
        raise
    return transport


def _headers(endpoint: Endpoint) -> dict[str, str]:
    authorization = endpoint.authorization()
    return {} if authorization is None else {"Authorization": authorization.reveal()}


def _discard(opened: list[socket.socket]) -> None:
    """Shuts the socket down: the transport that owns it sees its end and closes it. Never closed under its feet."""
    for abandoned in opened:
        with contextlib.suppress(OSError):
            abandoned.shutdown(socket.SHUT_RDWR)


def _explain(error: OSError | WSError, endpoint: Endpoint, connect_s: float) -> ProviderUnavailable:
    """Our error for theirs."""
    where = f"{endpoint.host}:{endpoint.port}"
    if isinstance(error, WSHandshakeError):
        return _refusal(error, endpoint)
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        return ProviderUnreachable(
            f"TLS with {where} failed: {reason}; check inworld.url and the system's certificates"
        )
    if isinstance(error, TimeoutError):
        return ProviderUnreachable(
            f"{where}: {error}" if str(error) else f"{where} did not answer within {connect_s:g} s"
        )
    return ProviderUnreachable(f"{where} cannot be reached: {error}; check inworld.url and the network")


def _refusal(error: WSHandshakeError, endpoint: Endpoint) -> ProviderUnavailable:
    """Reads the status from the head itself: the library knows neither HTTP/1.0 nor statuses without a name."""
    head = (error.raw_header or b"").decode("latin-1")
    status_line, _, fields = head.partition("\r\n")
    parts = status_line.split(" ", 2)
    has_status = len(parts) > 1 and parts[0].upper().startswith("HTTP/") and parts[1].isdecimal()
    if not has_status or parts[1] == "101":
        return ProviderUnreachable(f"{endpoint.host} does not speak WebSocket: {_mask(str(error), endpoint)}")
    body = (error.raw_body or b"").decode("utf-8", "replace").strip()[:BODY_SHOWN]
    return ProviderRefused(int(parts[1]), _mask(body, endpoint), retry_after_s=_retry_after(fields))


def _retry_after(fields: str) -> int:
    for line in fields.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "retry-after" and value.strip().isdecimal():
            return min(max(int(value.strip()), 1), _LONGEST_RETRY_S)
    return 5


def _mask(text: str, endpoint: Endpoint) -> str:
    key = endpoint.api_key.reveal()
    return redact_text(text.replace(key, MASK) if key else text)
