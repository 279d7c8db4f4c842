"""The commands of an endpoint: each reaches the user agent of that name, with the time, and is driven at once."""

from __future__ import annotations

import inspect
import time
from typing import Any, cast

import pytest

from gateway.sip.invite.commands import CallCommands
from gateway.sip.transport.commands import EndpointCommands

GIVEN: dict[str, Any] = {
    "call": "c",
    "status": 183,
    "headers": [("X-A", "b")],
    "body": b"v=0",
    "is_reliable": True,
    "reason": "Why",
    "prefer_update": True,
    "renew": bytes,
    "target": "sip:a@b",
    "replaces": "other",
    "limit_s": 7.0,
    "refer_id": "4",
    "content_type": "application/dtmf",
}
COMMANDS = [name for name in vars(CallCommands) if not name.startswith("_")]


class _Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        signature = inspect.signature(getattr(CallCommands, name))

        def record(*args: Any, **kwargs: Any) -> None:
            bound = signature.bind(None, *args, **kwargs)
            bound.apply_defaults()
            self.calls.append((name, {key: value for key, value in bound.arguments.items() if key != "self"}))

        return record


class _Endpoint(EndpointCommands):
    def __init__(self) -> None:
        self.recorder = _Recorder()
        self.user_agent = cast(Any, self.recorder)
        self.driven = 0

    def drive(self) -> None:
        self.driven += 1


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_passed_on_whole(name: str) -> None:
    endpoint = _Endpoint()
    wanted = [key for key in inspect.signature(getattr(CallCommands, name)).parameters if key not in ("self", "now")]
    before = time.monotonic()
    getattr(endpoint, name)(**{key: GIVEN[key] for key in wanted})
    ((called, arguments),) = endpoint.recorder.calls
    now = arguments.pop("now")
    assert called == name
    assert arguments == {key: GIVEN[key] for key in wanted}
    assert before <= now <= time.monotonic()
    assert endpoint.driven == 1
