from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.control.body_limit import BodyLimit

SCOPE: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v1/calls", "headers": []}


async def run(parts: list[bytes], *, announced: bytes | None = None) -> tuple[bytes | None, list[dict[str, Any]]]:
    """What the app got, and what was answered."""
    got: list[bytes] = []
    sent: list[dict[str, Any]] = []
    queue = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.append((await receive())["body"])

    async def receive() -> Any:
        return queue.pop(0) if queue else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = SCOPE | {"headers": [(b"content-length", announced)] if announced is not None else []}
    await BodyLimit(app, max_bytes=10)(scope, receive, send)
    return (got[0] if got else None), sent


async def test_a_body_in_pieces_reaches_the_app_whole() -> None:
    assert await run([b"abc", b"def", b""]) == (b"abcdef", [])


@pytest.mark.parametrize("parts", [[b"x" * 11], [b"x" * 6, b"x" * 6]])
async def test_a_longer_one_never_reaches_the_app(parts: list[bytes]) -> None:
    got, sent = await run(parts)
    assert got is None
    assert sent[0]["status"] == 413
    assert json.loads(sent[1]["body"])["rule"] == "body_too_long"


@pytest.mark.parametrize("announced", [b"99999999", b"1" * 5000, b"-1", b"x"])
async def test_a_length_that_is_absurd_is_not_even_read(announced: bytes) -> None:
    got, sent = await run([b"x"], announced=announced)
    assert got is None
    assert sent[0]["status"] == 413


async def test_a_body_that_never_comes_to_its_end_is_408() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    await BodyLimit(BodyLimit, within_s=0.01)(SCOPE, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 408


async def test_a_client_that_goes_away_in_the_middle_harms_nobody() -> None:
    got, _ = await run([])
    assert got == b""
