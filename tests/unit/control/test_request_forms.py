from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from gateway.control.request_forms import RequestForms


async def answer(request: Request) -> JSONResponse:
    return JSONResponse({"method": request.method})


ROUTES = [Route("/calls", answer, methods=["GET"]), Route("/calls", answer, methods=["POST"])]


async def ask(
    method: str, path: str = "/calls", *, body: bytes = b"", content_type: str | None = None, app: Any = None
) -> tuple[int, dict[str, str], bytes, list[str]]:
    """Status, headers, body, and the methods that reached the app."""
    reached: list[str] = []
    sent: list[dict[str, Any]] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["method"])
        response = app or JSONResponse({"seen": scope["method"]})
        await response(scope, receive, send)

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", str(len(body)).encode())] if body else []
    headers += [(b"content-type", content_type.encode())] if content_type else []
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "asgi": {"spec_version": "2.4"}}
    await RequestForms(behind, routes=ROUTES)(scope, receive, send)
    named = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], named, b"".join(message["body"] for message in sent[1:]), reached


async def test_options_tells_every_method_of_the_path() -> None:
    status, headers, body, reached = await ask("OPTIONS")
    assert (status, body, reached) == (204, b"", [])
    assert headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_a_method_that_the_path_does_not_have_is_405_with_all_that_it_has() -> None:
    status, headers, body, reached = await ask("DELETE")
    assert (status, headers["allow"], reached) == (405, "GET, HEAD, OPTIONS, POST", [])
    assert json.loads(body)["rule"] == "method_not_allowed"


async def test_a_path_that_is_not_ours_is_the_apps_to_refuse() -> None:
    assert (await ask("OPTIONS", "/nothing"))[3] == ["OPTIONS"]


async def test_head_is_get_without_its_body() -> None:
    status, headers, body, reached = await ask("HEAD")
    assert (status, body, reached) == (200, b"", ["GET"])
    assert headers["content-length"] == str(len(b'{"seen":"GET"}'))


async def test_the_head_of_a_stream_ends_the_stream() -> None:
    closed: list[bool] = []

    async def stream() -> Any:
        try:
            while True:
                yield b"event"
        finally:
            closed.append(True)

    status, _, body, _ = await ask("HEAD", app=StreamingResponse(stream()))
    assert (status, body) == (200, b"")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_a_body_that_is_not_announced_as_json_is_415(content_type: str | None) -> None:
    status, headers, body, reached = await ask("POST", body=b"{}", content_type=content_type)
    assert (status, headers["accept"], reached) == (415, "application/json", [])
    assert json.loads(body)["rule"] == "content_type"


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
async def test_json_passes_and_so_does_no_body_at_all(content_type: str) -> None:
    assert (await ask("POST", body=b"{}", content_type=content_type))[0] == 200
    assert (await ask("POST"))[0] == 200
