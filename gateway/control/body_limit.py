"""A bound on what a request may send before anybody has looked at it."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.control.problems import Problem, problem_response

MAX_BODY_BYTES = 64 * 1024
"""The longest order there can be (``models``), with room for its names."""
BODY_TIME_S = 20.0
"""A body that takes longer keeps a connection for nothing."""
_DRAINED_BYTES = 1024 * 1024
"""How much of a body that is too long is still read, so that its sender gets to read the answer."""


class BodyLimit:
    """Reads the body, at most so much of it, before the app is asked; a longer one is answered 413 and not read on."""

    def __init__(self, app: ASGIApp, *, max_bytes: int = MAX_BODY_BYTES, within_s: float = BODY_TIME_S) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._within_s):
                body = await self._read(Request(scope), receive)
        except TimeoutError:
            await self._refuse(Problem(408, "body_too_slow", "the body did not come in time"), scope, receive, send)
            return
        if body is None:
            too_long = Problem(413, "body_too_long", f"a request may have {self._max_bytes} bytes of body")
            await self._refuse(too_long, scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _refuse(self, problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        problem.headers["Connection"] = "close"
        await problem_response(problem, scope["path"])(scope, receive, send)

    async def _read(self, request: Request, receive: Receive) -> bytes | None:
        """The body; None when it is too long. A little more than allowed is still read, so that 413 gets through:
        a connection that is closed with bytes unread loses the answer."""
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or len(announced) > 12 or int(announced) > _DRAINED_BYTES:
            return None
        body = bytearray()
        length = 0
        while length <= _DRAINED_BYTES:
            message = await receive()
            if message["type"] != "http.request":
                break
            part: bytes = message.get("body", b"")
            length += len(part)
            if length <= self._max_bytes:
                body += part
            if not message.get("more_body", False):
                break
        return bytes(body) if length <= self._max_bytes else None


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body as one message; after it whatever else the client does, such as going away."""
    is_read = False

    async def again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
