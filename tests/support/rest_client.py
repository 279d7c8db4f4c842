"""The REST API of a gateway under test, as whoever integrates it would call it."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

TOKEN = "interop-test-token-0123456789abcdef"
KEY = {"name": "interop", "token": TOKEN, "role": "operator"}


class RestClient:
    """Every request on a connection of its own."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON."""
        connection = http.client.HTTPConnection(self._address, self._port, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def call(self, to: str, **order: Any) -> str:
        """Orders a call and returns its id."""
        status, view = self.request("POST", "/v1/calls", {"to": to, **order})
        assert status == 202, view
        return str(view["id"])

    def look_at(self, call: str) -> dict[str, Any]:
        status, view = self.request("GET", f"/v1/calls/{call}")
        assert status == 200, view
        found: dict[str, Any] = view
        return found

    def hang_up(self, call: str) -> None:
        status, view = self.request("DELETE", f"/v1/calls/{call}")
        assert status == 200, view

    def wait_for_calls(self, count: int, state: str, timeout_s: float = 15.0) -> list[str]:
        """Waits until so many calls are in a state; their ids."""
        deadline = time.monotonic() + timeout_s
        while True:
            _, found = self.request("GET", "/v1/calls")
            ids = [view["id"] for view in found["calls"] if view["state"] == state]
            if len(ids) == count:
                return ids
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def wait_for_end(self, call: str, reason: str) -> None:
        """Waits until the call has ended for this reason."""
        assert self.wait_for(call, "ended")["end_reason"] == reason

    def wait_for(self, call: str, *states: str, timeout_s: float = 15.0) -> dict[str, Any]:
        """Waits until the call is in one of these states."""
        deadline = time.monotonic() + timeout_s
        while (view := self.look_at(call))["state"] not in states:
            assert view["state"] != "ended", view
            assert time.monotonic() < deadline, view
            time.sleep(0.05)
        return view
