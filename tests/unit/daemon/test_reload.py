"""What a reload takes and what it leaves as it runs; test_gateway reloads a whole node."""

from __future__ import annotations

from gateway.daemon.reload import keep_what_is_bound
from tests.support.stage import settings_with

URL = "ws://127.0.0.1:1/x"


def test_what_needs_no_restart_is_taken_whole() -> None:
    running, wanted = settings_with(URL), settings_with(URL, node={"max_calls": 7})
    assert keep_what_is_bound(wanted, running) == (wanted, [])


def test_what_is_bound_stays_and_is_named_beside_what_is_taken() -> None:
    running = settings_with(URL, node={"name": "one"})
    wanted = settings_with(URL, node={"name": "two", "max_calls": 7}, media={"ports": "30000-30099"})
    taken, fixed = keep_what_is_bound(wanted, running)
    assert fixed == ["node.name", "media.ports"]
    assert (taken.node.name, taken.node.max_calls) == ("one", 7)
    assert taken.media.ports == running.media.ports


def test_the_embedded_emulator_neither_comes_nor_goes() -> None:
    running = settings_with(URL, inworld={"api_key": "real", "url": "wss://api.example.net/session"})
    wanted = settings_with(URL, inworld={"api_key": ""})
    taken, fixed = keep_what_is_bound(wanted, running)
    assert (taken.inworld, fixed) == (running.inworld, ["inworld.api_key"])
