"""What answers, refusals and silence say of a trunk, on literal times."""

from __future__ import annotations

import pytest

from gateway.trunks.liveness import TrunkLiveness, TrunkState

A, B = "sip:a.example", "sip:b.example"


def ping(liveness: TrunkLiveness, now: float) -> list[str]:
    due = liveness.due(now)
    for target in due:
        liveness.sent(target, now)
    return due


def test_every_target_is_asked_at_once_and_then_at_intervals() -> None:
    liveness = TrunkLiveness((A, B), 30)
    assert ping(liveness, 100) == [A, B]
    assert ping(liveness, 101) == []
    liveness.answered(A, 200, 100, 100.05)
    liveness.answered(B, 200, 100, 100.1)
    assert liveness.next_deadline() == 130.05
    assert ping(liveness, 130.05) == [A]
    assert (liveness.state, liveness.since) == (TrunkState.UP, 100.05)
    health = liveness.health(A)
    assert (health.status, health.last_reply, health.misses) == (200, 100.05, 0)
    assert health.rtt_s == pytest.approx(0.05)


@pytest.mark.parametrize("status", [200, 401, 403, 404, 405, 407, 481, 486, 500, 501])
def test_any_answer_shows_that_somebody_is_there(status: int) -> None:
    liveness = TrunkLiveness((A,), 30)
    ping(liveness, 0)
    liveness.answered(A, status, 0, 0.1)
    assert liveness.state is TrunkState.UP


@pytest.mark.parametrize("status", [408, 503])
def test_who_answers_for_another_and_who_takes_no_calls_is_a_miss(status: int) -> None:
    liveness = TrunkLiveness((A,), 30)
    ping(liveness, 0)
    liveness.answered(A, status, 0, 1)
    assert liveness.state is TrunkState.UNKNOWN
    assert ping(liveness, 11) == [A], "asked again soon"
    liveness.answered(A, status, 11, 12)
    assert (liveness.state, liveness.since) == (TrunkState.DOWN, 12)
    assert liveness.health(A).last_reply == 12
    assert liveness.health(A).reason == f"answered {status}"


def test_down_after_two_misses_and_up_with_the_first_answer() -> None:
    liveness = TrunkLiveness((A,), 30)
    ping(liveness, 0)
    liveness.answered(A, 200, 0, 0)
    assert ping(liveness, 30) == [A]
    assert ping(liveness, 40) == [], "the first miss"
    assert liveness.state is TrunkState.UP
    assert ping(liveness, 50) == [A]
    assert ping(liveness, 60) == []
    assert (liveness.state, liveness.since) == (TrunkState.DOWN, 60)
    assert liveness.next_deadline() == 90, "now at the regular interval"
    assert ping(liveness, 90) == [A]
    liveness.answered(A, 200, 90, 90.2)
    assert (liveness.state, liveness.since) == (TrunkState.UP, 90.2)
    assert liveness.health(A).reason == ""


def test_a_late_answer_counts_and_forgives_the_miss() -> None:
    liveness = TrunkLiveness((A,), 30)
    ping(liveness, 0)
    ping(liveness, 10)
    assert liveness.health(A).misses == 1
    liveness.answered(A, 200, 0, 12)
    assert liveness.health(A).misses == 0
    assert liveness.state is TrunkState.UP


def test_a_trunk_is_up_while_one_target_is_and_down_only_when_all_are() -> None:
    liveness = TrunkLiveness((A, B), 30)
    for _ in range(2):
        liveness.missed(A, "no route", 1)
    assert liveness.state is TrunkState.UNKNOWN
    liveness.answered(B, 200, 0, 2)
    assert liveness.state is TrunkState.UP
    for _ in range(2):
        liveness.missed(B, "no answer", 3)
    assert (liveness.state, liveness.since) == (TrunkState.DOWN, 3)


def test_news_of_a_target_that_is_no_more_is_no_news() -> None:
    liveness = TrunkLiveness((A,), 30)
    liveness.answered(B, 200, 0, 1)
    liveness.missed(B, "no answer", 1)
    assert liveness.state is TrunkState.UNKNOWN
