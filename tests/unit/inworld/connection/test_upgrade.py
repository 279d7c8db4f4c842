"""What of a failed upgrade reaches the operator; the sockets themselves are in tests/edge/test_inworld_upgrade.py."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from picows import WSHandshakeError, WSListener

from gateway.base.redact import Secret
from gateway.inworld.connection import upgrade
from gateway.inworld.connection.upgrade import _explain, _retry_after, shared_tls_context
from gateway.inworld.endpoint import Endpoint
from gateway.inworld.errors import ProviderRefused, ProviderUnreachable

ENDPOINT = Endpoint("wss://api.example/x", Secret("c2VjcmV0"))


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ("Retry-After: 30", 30),
        ("retry-after:7\r\nX: y", 7),
        ("Retry-After: 0", 1),
        ("Retry-After: 999999", 3600),
        ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", 5),
        ("", 5),
    ],
)
def test_the_retry_hint_is_read_in_seconds_and_bounded(fields: str, seconds: int) -> None:
    assert _retry_after(fields) == seconds


@pytest.mark.parametrize("error", [asyncio.CancelledError(), ValueError("a bug")], ids=repr)
async def test_what_is_not_the_providers_doing_keeps_its_name(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(host: str, port: int) -> socket.socket:
        raise error

    monkeypatch.setattr(upgrade, "open_socket", fail)
    with pytest.raises(type(error)) as raised:
        await upgrade.open_websocket(
            ENDPOINT,
            "key",
            WSListener(),
            tls=None,
            connect_s=1,
            ping_every_s=20,
            pong_within_s=10,
            max_frame_bytes=1000,
        )
    assert raised.value is error


def test_every_failure_of_the_way_there_names_the_host() -> None:
    failures: list[OSError] = [OSError("no route"), TimeoutError(), ssl.SSLError(1, "[SSL] handshake failure")]
    for failure in failures:
        explained = _explain(failure, ENDPOINT, 10)
        assert isinstance(explained, ProviderUnreachable)
        assert "api.example:443" in str(explained)


def test_a_refusals_body_has_the_key_masked() -> None:
    refusal = WSHandshakeError("x", b"HTTP/1.1 401 No\r\nRetry-After: 2", b"your key c2VjcmV0 is bad")
    explained = _explain(refusal, ENDPOINT, 10)
    assert isinstance(explained, ProviderRefused)
    assert (explained.body, explained.retry_after_s) == ("your key *** is bad", 2)


def test_a_head_that_is_no_http_is_no_refusal() -> None:
    assert isinstance(_explain(WSHandshakeError("odd", b"\xff\xfe", b""), ENDPOINT, 10), ProviderUnreachable)
    assert isinstance(_explain(WSHandshakeError("odd"), ENDPOINT, 10), ProviderUnreachable)


def test_the_context_checks_names_and_signatures() -> None:
    assert shared_tls_context().check_hostname
    assert shared_tls_context().verify_mode is ssl.CERT_REQUIRED
