"""One response.create at a time."""

from __future__ import annotations

import pytest

from gateway.inworld.arbiter import ResponseArbiter, ResponseRequest

PLAIN = ResponseRequest()
GREETING = ResponseRequest("Greet the caller.")


def asked(*requests: ResponseRequest) -> ResponseArbiter:
    arbiter = ResponseArbiter()
    for request in requests:
        arbiter.request(request)
    return arbiter


def test_a_request_goes_out_and_the_next_waits_for_its_response() -> None:
    arbiter = asked(GREETING, PLAIN)
    assert arbiter.take_next() is GREETING
    assert arbiter.take_next() is None
    arbiter.started()
    assert arbiter.take_next() is PLAIN


def test_plain_requests_are_one() -> None:
    arbiter = asked(PLAIN, PLAIN, ResponseRequest())
    assert arbiter.take_next() == PLAIN
    arbiter.started()
    assert arbiter.take_next() is None


@pytest.mark.parametrize("obstacle", ["is_cancelling", "is_blocked"])
def test_nothing_goes_out_during_a_cancel_or_a_foreign_response(obstacle: str) -> None:
    arbiter = asked(PLAIN)
    setattr(arbiter, obstacle, True)
    assert arbiter.take_next() is None
    arbiter.finished()
    assert arbiter.take_next() is PLAIN


def test_a_request_refused_while_a_response_was_active_is_made_again() -> None:
    arbiter = asked(GREETING)
    arbiter.take_next()
    arbiter.refused_while_active(is_ours=True)
    assert arbiter.take_next() is None
    arbiter.finished()
    assert arbiter.take_next() is GREETING


def test_a_refusal_counts_also_when_the_foreign_response_began_first() -> None:
    arbiter = asked(GREETING)
    arbiter.take_next()
    arbiter.started()
    arbiter.refused_while_active(is_ours=True)
    arbiter.finished()
    assert arbiter.take_next() is GREETING


def test_withdrawn_requests_do_not_come_back() -> None:
    arbiter = asked(GREETING, PLAIN)
    arbiter.take_next()
    assert arbiter.withdraw()
    arbiter.refused_while_active(is_ours=True)
    arbiter.finished()
    assert arbiter.take_next() is None
    assert not arbiter.withdraw()


def test_a_held_plain_request_is_served_by_any_response() -> None:
    arbiter = asked(PLAIN, GREETING)
    arbiter.is_held = True
    assert arbiter.take_next() is None
    arbiter.started()
    arbiter.finished()
    assert arbiter.take_next() is GREETING
    arbiter.started()
    assert arbiter.take_next() is None


def test_a_doomed_create_is_told_when_it_starts_and_only_then() -> None:
    arbiter = asked(PLAIN)
    arbiter.doom()
    arbiter.take_next()
    assert not arbiter.started()
    arbiter.request(PLAIN)
    arbiter.take_next()
    arbiter.doom()
    assert arbiter.started()
    assert not arbiter.started()


def test_a_doomed_create_that_is_refused_is_neither_repeated_nor_held_against_the_next() -> None:
    arbiter = asked(PLAIN)
    arbiter.take_next()
    arbiter.doom()
    arbiter.refused_while_active(is_ours=True)
    assert not arbiter.started()
    arbiter.finished()
    assert arbiter.take_next() is None


def test_requests_are_bounded() -> None:
    arbiter = asked(*(ResponseRequest(str(number)) for number in range(20)))
    first = arbiter.take_next()
    assert first == ResponseRequest("12")


def test_the_services_own_refused_answer_becomes_a_plain_request_and_never_repeats_an_old_one() -> None:
    arbiter = ResponseArbiter()
    arbiter.request(ResponseRequest("Greet the caller."))
    arbiter.take_next()
    arbiter.started()
    arbiter.refused_while_active(is_ours=False)
    arbiter.finished()
    assert arbiter.take_next() == ResponseRequest()


def test_an_unnamed_refusal_while_ours_is_in_flight_is_ours() -> None:
    arbiter = ResponseArbiter()
    arbiter.request(ResponseRequest("Greet the caller."))
    assert arbiter.is_expecting
    arbiter.take_next()
    assert arbiter.is_expecting
    arbiter.refused_while_active(is_ours=False)
    arbiter.finished()
    assert arbiter.take_next() == ResponseRequest("Greet the caller.")
