"""The REST API of a gateway, as its own commands use it. Errors are one line each, with the rule that decided."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx

from gateway.base.errors import GatewayError
from gateway.base.redact import Secret

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
"""A gateway that is alive answers at once; this leaves room for a bad network."""
STREAM_SILENCE_S = 45.0
"""Three heartbeats: a stream that is silent for so long is broken, and is opened anew."""
_RETRY_S = 1.0
_MAX_RETRIES = 20
"""In a row, before a broken stream is given up: as long as a restart of the gateway takes."""


class ApiError(GatewayError):
    """The gateway said no, or did not say anything. ``status`` is 0 when there was no answer."""

    def __init__(self, text: str, *, status: int = 0, rule: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.rule = rule


class GatewayApi:
    """One gateway. A context manager: leaving it closes the connections."""

    def __init__(self, url: str, token: Secret, *, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
        timeout = httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            self._http = httpx.Client(
                base_url=url, headers=headers, timeout=timeout, trust_env=False, transport=transport
            )
        except (httpx.InvalidURL, ValueError, UnicodeError) as error:
            raise ApiError("the URL or the token cannot be used: check --url and GATEWAY_TOKEN") from error
        self._url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def place(self, order: Mapping[str, Any], idempotency_key: str) -> dict[str, Any]:
        """Calls somebody; answers with the call."""
        return self._ask("POST", "/v1/calls", json=order, headers={"Idempotency-Key": idempotency_key})

    def calls(self, **filters: str | int) -> list[dict[str, Any]]:
        """Calls, the latest first."""
        found = self._ask("GET", "/v1/calls", params=filters)["calls"]
        assert isinstance(found, list)
        return found

    def read(self, call_id: str) -> dict[str, Any]:
        """One call."""
        return self._ask("GET", f"/v1/calls/{call_id}")

    def end(self, call_id: str) -> dict[str, Any]:
        """Ends a call, whatever its state."""
        return self._ask("DELETE", f"/v1/calls/{call_id}")

    def follow(self, call_id: str) -> Iterator[dict[str, Any]]:
        """Each event of a call, from its first to its end; a stream that breaks is taken up where it broke."""
        seen = retries = 0
        while True:
            try:
                for event in self._stream(call_id, seen):
                    seen, retries = event["sequence"], 0
                    yield event
                    if event["event"] == "call.ended":
                        return
            except httpx.TransportError as error:
                retries += 1
                if retries > _MAX_RETRIES:
                    raise ApiError(f"the stream of events broke and cannot be opened again: {error}") from error
                time.sleep(_RETRY_S)
            else:
                return  # the gateway closed it in order: the call's events are not kept any more, or it stops

    def _stream(self, call_id: str, after: int) -> Iterator[dict[str, Any]]:
        headers = {"Last-Event-ID": str(after)} if after else {}
        timeout = httpx.Timeout(STREAM_SILENCE_S, connect=CONNECT_TIMEOUT_S)
        with self._http.stream("GET", f"/v1/calls/{call_id}/events", headers=headers, timeout=timeout) as answer:
            if answer.status_code != 200:
                answer.read()
                raise _error_of(answer)
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise ApiError(f"no gateway answers at {self._url}: {error or type(error).__name__}") from error
        if answer.status_code >= 400:
            raise _error_of(answer)
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ApiError(f"what answers at {self._url} is no gateway", status=answer.status_code)
        return document


def _error_of(answer: httpx.Response) -> ApiError:
    try:
        problem = answer.json()
        text, rule = f"{problem['detail']} ({problem['rule']})", str(problem["rule"])
    except (ValueError, KeyError, TypeError):
        text, rule = f"HTTP {answer.status_code} {answer.reason_phrase}", ""
    return ApiError(text, status=answer.status_code, rule=rule)
