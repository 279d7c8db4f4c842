from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gateway.base.redact import Secret
from gateway.client import api as module
from gateway.client.api import ApiError, GatewayApi

TOKEN = "0123456789abcdef"


def face(handler: Any) -> GatewayApi:
    return GatewayApi("http://gw.example", Secret(TOKEN), transport=httpx.MockTransport(handler))


def sse(*sequences: int, last: str = "call.ringing") -> bytes:
    events = [{"sequence": number, "event": "call.ringing", "offset_s": 0} for number in sequences]
    events[-1]["event"] = last
    return "".join(f"id: {event['sequence']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def test_an_order_carries_the_token_and_the_idempotency_key() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={"id": "c-1"})

    with face(handler) as api:
        assert api.place({"to": "1"}, "key-1")["id"] == "c-1"
    assert seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert seen[0].headers["idempotency-key"] == "key-1"
    assert json.loads(seen[0].content) == {"to": "1"}


@pytest.mark.parametrize(
    ("answer", "words", "rule"),
    [
        (httpx.Response(403, json={"detail": "not there", "rule": "x.y", "status": 403}), r"not there \(x.y\)", "x.y"),
        (httpx.Response(502, text="<html>bad gateway</html>"), "502", ""),
        (httpx.Response(200, text="welcome to nginx"), "no gateway", ""),
        (httpx.Response(200, json=[]), "no gateway", ""),
    ],
)
def test_whatever_is_wrong_is_one_line(answer: httpx.Response, words: str, rule: str) -> None:
    with face(lambda _: answer) as api, pytest.raises(ApiError, match=words) as refused:
        api.read("c-1")
    assert refused.value.rule == rule
    assert TOKEN not in str(refused.value)


def test_nobody_there_is_one_line_too() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with face(handler) as api, pytest.raises(ApiError, match=r"no gateway answers at http://gw\.example"):
        api.calls()


def test_a_broken_stream_is_taken_up_after_the_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_S", 0.0)
    asked: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id"))
        if len(asked) == 2:
            raise httpx.ReadError("cut", request=request)
        return httpx.Response(200, content=sse(1, 2) if len(asked) == 1 else sse(3, 4, last="call.ended"))

    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield sse(1, 2)
            raise httpx.ReadError("cut")

    def first_breaks(request: httpx.Request) -> httpx.Response:
        answer = handler(request)
        return httpx.Response(200, stream=Broken()) if len(asked) == 1 else answer

    with face(first_breaks) as api:
        assert [event["sequence"] for event in api.follow("c-1")] == [1, 2, 3, 4]
    assert asked == [None, "2", "2"]


def test_a_token_that_is_no_header_value_is_no_trace_of_it() -> None:
    with pytest.raises(ApiError) as refused:
        GatewayApi("http://gw.example", Secret("tök€n\n"))
    assert "tök" not in str(refused.value)
