"""What every resource does alike: HEAD and OPTIONS (RFC 9110 §9.3), Allow, and JSON as the only body it takes."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.control.problems import Problem, problem_response

JSON = "application/json"
_WITH_BODY = ("POST", "PUT", "PATCH")


class RequestForms:
    """Answers what no route has to know of; ``routes`` are those of the app behind it.

    HEAD is a GET whose body is left out, OPTIONS tells the methods and needs no token. A method that a path does not
    have is 405 with all that it has; a body that is not announced as JSON is 415, before it is looked at.
    """

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        methods = _methods_of(self._routes, scope) if scope["type"] == "http" else frozenset()
        if not methods:
            await self._app(scope, receive, send)
            return
        method, allow = scope["method"], {"Allow": ", ".join(sorted(methods))}
        if method == "OPTIONS":
            await Response(status_code=204, headers=allow)(scope, receive, send)
        elif method not in methods:
            fault = Problem(405, "method_not_allowed", f"{method} is not for this path", headers=allow)
            await problem_response(fault, scope["path"])(scope, receive, send)
        elif method in _WITH_BODY and not _is_json(Headers(scope=scope)):
            fault = Problem(415, "content_type", f"send Content-Type: {JSON}", headers={"Accept": JSON})
            await problem_response(fault, scope["path"])(scope, receive, send)
        elif method == "HEAD":
            await self._head(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_over = False

        async def hear() -> Message:
            return {"type": "http.disconnect"} if is_over else await receive()

        async def say(message: Message) -> None:
            nonlocal is_over
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                is_over = True
            elif message.get("more_body", False):
                raise OSError("a HEAD is over with its headers")  # how a stream is told that its reader has gone

        try:
            await self._app({**scope, "method": "GET"}, hear, say)
        except Exception:
            if not is_over:
                raise


def _methods_of(routes: Sequence[BaseRoute], scope: Scope) -> frozenset[str]:
    """What the path of this request can be asked; nothing when there is no such path."""
    found: set[str] = set()
    for route in routes:
        if route.matches(scope)[0] is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    if "GET" in found:
        found.add("HEAD")
    return frozenset(found | {"OPTIONS"}) if found else frozenset()


def _is_json(headers: Headers) -> bool:
    """Whether the body, if there is one, is announced as JSON."""
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return True
    return headers.get("content-type", "").partition(";")[0].strip().lower() == JSON
