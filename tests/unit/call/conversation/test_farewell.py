from __future__ import annotations

from gateway.call.conversation.farewell import GOODBYE_LIMIT_S, GRACE_S, Farewell


def test_a_spoken_goodbye_is_played_out_and_a_moment_longer_before_the_line_closes() -> None:
    farewell = Farewell()
    assert farewell.begin(0.0, goodbye_was_spoken=True) is False
    assert not farewell.is_due(1.0, everything_was_played=False)
    assert not farewell.is_due(2.0, everything_was_played=True)
    assert farewell.next_deadline() == 2.0 + GRACE_S
    assert farewell.is_due(2.0 + GRACE_S, everything_was_played=True)
    assert not farewell.is_due(9.0, everything_was_played=True)


def test_audio_that_still_comes_puts_the_end_off() -> None:
    farewell = Farewell()
    farewell.begin(0.0, goodbye_was_spoken=True)
    farewell.is_due(2.0, everything_was_played=True)
    assert not farewell.is_due(2.0 + GRACE_S, everything_was_played=False)
    assert not farewell.is_due(5.0, everything_was_played=True)
    assert farewell.is_due(5.0 + GRACE_S, everything_was_played=True)


def test_a_silent_hang_up_asks_for_a_goodbye_and_waits_for_that_response() -> None:
    farewell = Farewell()
    assert farewell.begin(0.0, goodbye_was_spoken=False) is True
    farewell.response_finished()  # of the response that called the tool
    assert not farewell.is_due(0.5, everything_was_played=True)
    farewell.response_started()
    assert not farewell.is_due(0.5, everything_was_played=True)
    farewell.response_finished()
    farewell.is_due(0.6, everything_was_played=True)
    assert farewell.is_due(0.6 + GRACE_S, everything_was_played=True)


def test_a_goodbye_that_never_comes_is_not_waited_for_for_ever() -> None:
    farewell = Farewell()
    farewell.begin(5.0, goodbye_was_spoken=False)
    assert farewell.next_deadline() == 5.0 + GOODBYE_LIMIT_S
    assert not farewell.is_due(4.9 + GOODBYE_LIMIT_S, everything_was_played=True)
    assert farewell.is_due(5.0 + GOODBYE_LIMIT_S, everything_was_played=False)


def test_a_long_goodbye_that_has_arrived_is_played_to_its_end() -> None:
    farewell = Farewell()
    farewell.begin(0.0, goodbye_was_spoken=False)
    farewell.response_started()
    farewell.response_finished()
    assert not farewell.is_due(10 * GOODBYE_LIMIT_S, everything_was_played=False)


def test_the_caller_speaking_up_calls_the_hang_up_off() -> None:
    farewell = Farewell()
    assert farewell.call_off() is False
    farewell.begin(0.0, goodbye_was_spoken=True)
    assert farewell.call_off() is True
    assert farewell.next_deadline() is None
    assert not farewell.is_due(99.0, everything_was_played=True)
    assert farewell.begin(100.0, goodbye_was_spoken=False) is True


def test_calling_the_tool_twice_asks_for_one_goodbye() -> None:
    farewell = Farewell()
    assert farewell.begin(0.0, goodbye_was_spoken=False) is True
    assert farewell.begin(0.1, goodbye_was_spoken=False) is False
