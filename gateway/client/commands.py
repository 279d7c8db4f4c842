"""``gateway call``, ``gateway calls`` and ``gateway hangup``: what a person does with calls, over the REST API."""

from __future__ import annotations

import contextlib
import sys
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from gateway.client.api import GatewayApi

DEFAULT_URL = "http://127.0.0.1:8080"
USAGE_ERROR = 2

Url = Annotated[str, typer.Option("--url", envvar="GATEWAY_URL", help="Where the gateway's REST API is.")]
Token = Annotated[
    str,
    typer.Option(
        "--token", envvar="GATEWAY_TOKEN", show_default=False, help="Its bearer token; best set by the variable."
    ),
]
To = Annotated[str, typer.Argument(help="A number, a registered account or a sip: URI.")]
Agent = Annotated[str | None, typer.Option("--agent", help="Who speaks; else the only agent there is.")]
From = Annotated[str | None, typer.Option("--from", help="The number that calls; else the trunk's from_user.")]
Trunk = Annotated[str | None, typer.Option("--trunk", help="By which trunk; else the first that may.")]
Variables = Annotated[list[str] | None, typer.Option("--var", help="A variable of the call, NAME=VALUE; repeatable.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Show what happens until the call has ended.")]
State = Annotated[str | None, typer.Option("--state", help="Only calls in this state, such as talking.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="At most so many.")]
CallId = Annotated[str, typer.Argument(metavar="ID", help="As `gateway calls` shows it.")]


def call(
    to: To,
    *,
    agent: Agent = None,
    from_: From = None,
    trunk: Trunk = None,
    var: Variables = None,
    follow: Follow = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Call somebody through a running gateway.

    With --follow the exit code is 0 when the call was answered and ended in order, 10 busy, 11 no answer, 12 rejected,
    13 cancelled, else 1.
    """
    order: dict[str, Any] = {"to": to, "agent": agent, "from": from_, "trunk": trunk, "variables": _pairs(var or [])}
    with _api(url, token) as api:
        placed = api.place({key: value for key, value in order.items() if value}, uuid.uuid4().hex)
        if follow:
            _follow(api, placed)
        else:
            print(placed["id"])


def _follow(api: GatewayApi, placed: dict[str, Any]) -> NoReturn:
    from gateway.client.progress import console, exit_code, line_of

    out = console()
    out.print(f"{placed['id']}: calling {placed['to']} by {placed['trunk']}", markup=False)
    try:
        for event in api.follow(placed["id"]):
            out.print(line_of(event))
            if event["event"] == "call.ended":
                raise typer.Exit(exit_code(event.get("details") or {}))
    except KeyboardInterrupt:
        _fail(f"the call goes on; end it with: gateway hangup {placed['id']}", code=130)
    _fail("the gateway stopped telling of this call", code=1)


def calls(*, state: State = None, limit: Limit = 20, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """List live calls and those that ended lately, the latest first."""
    from gateway.client.progress import console, table_of

    with _api(url, token) as api:
        found = api.calls(limit=limit, **({"state": state} if state else {}))
    console().print(table_of(found))


def hangup(call_id: CallId, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """End a call, whatever its state."""
    with _api(url, token) as api:
        ended = api.end(call_id)
    print(f"{ended['id']}: {ended['end_reason']}")


def add_commands(app: typer.Typer) -> None:
    """The three of them."""
    for command in (call, calls, hangup):
        app.command()(command)


@contextlib.contextmanager
def _api(url: str, token: str) -> Iterator[GatewayApi]:
    """The REST API; what it refuses ends the command with one line."""
    from gateway.base.redact import Secret
    from gateway.client.api import ApiError, GatewayApi

    try:
        with GatewayApi(url, Secret(token)) as api:
            yield api
    except ApiError as error:
        hint = "; set GATEWAY_TOKEN" if error.status == 401 else ""
        _fail(f"{error}{hint}", code=USAGE_ERROR if 400 <= error.status < 500 else 1)


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            _fail(f"--var {text}: write NAME=VALUE", code=USAGE_ERROR)
        pairs[name] = value
    return pairs


def _fail(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(code)
