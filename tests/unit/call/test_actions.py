from __future__ import annotations

import json

from gateway.call.actions import FAREWELL_LIMIT_S, HANG_UP, TOOL_DECLARATIONS, Farewell, tool_failure, tool_success


def test_a_spoken_goodbye_is_played_out_before_the_line_closes() -> None:
    farewell = Farewell()
    assert farewell.begin(0.0, goodbye_was_spoken=True) is False
    assert not farewell.is_due(1.0, everything_was_played=False)
    assert farewell.is_due(2.0, everything_was_played=True)
    assert not farewell.is_due(3.0, everything_was_played=True)


def test_a_silent_hang_up_asks_for_a_goodbye_and_waits_for_that_response() -> None:
    farewell = Farewell()
    assert farewell.begin(0.0, goodbye_was_spoken=False) is True
    farewell.response_finished()  # of the response that called the tool
    assert not farewell.is_due(0.5, everything_was_played=True)
    farewell.response_started()
    assert not farewell.is_due(0.5, everything_was_played=True)
    farewell.response_finished()
    assert farewell.is_due(0.6, everything_was_played=True)


def test_a_goodbye_that_never_comes_is_not_waited_for_for_ever() -> None:
    farewell = Farewell()
    farewell.begin(5.0, goodbye_was_spoken=False)
    assert farewell.next_deadline() == 5.0 + FAREWELL_LIMIT_S
    assert not farewell.is_due(4.9 + FAREWELL_LIMIT_S, everything_was_played=True)
    assert farewell.is_due(5.0 + FAREWELL_LIMIT_S, everything_was_played=False)


def test_the_caller_speaking_up_calls_the_hang_up_off() -> None:
    farewell = Farewell()
    assert farewell.call_off() is False
    farewell.begin(0.0, goodbye_was_spoken=True)
    assert farewell.call_off() is True
    assert not farewell.is_due(99.0, everything_was_played=True)
    assert farewell.begin(100.0, goodbye_was_spoken=False) is True


def test_calling_the_tool_twice_asks_for_one_goodbye() -> None:
    farewell = Farewell()
    assert farewell.begin(0.0, goodbye_was_spoken=False) is True
    assert farewell.begin(0.1, goodbye_was_spoken=False) is False


def test_tool_outputs_are_json_strings_encoded_once() -> None:
    assert json.loads(tool_success(ended=True)) == {"ok": True, "ended": True}
    assert json.loads(tool_failure("no such tool")) == {"ok": False, "error": "no such tool"}


def test_the_declaration_is_flat_as_the_provider_wants_it() -> None:
    declaration = TOOL_DECLARATIONS[HANG_UP]
    assert declaration["type"] == "function"
    assert declaration["name"] == HANG_UP
    assert "function" not in declaration
