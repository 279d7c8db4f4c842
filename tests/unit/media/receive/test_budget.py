"""As much audio as real time has passed, and two seconds of slack."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.media.receive.budget import Budget


def spend(budget: Budget, samples: int, now: float) -> bool:
    if not budget.affords(samples, now):
        return False
    budget.samples -= samples
    return True


def test_two_seconds_may_come_at_once_and_no_more() -> None:
    budget = Budget()
    assert [spend(budget, 8000, 1.0) for _ in range(3)] == [True, True, False]


def test_time_refills_it() -> None:
    budget = Budget()
    assert spend(budget, 16_000, 1.0)
    assert not spend(budget, 800, 1.09)
    assert spend(budget, 800, 1.1)


def test_a_pause_of_any_length_allows_two_seconds_and_no_more() -> None:
    budget = Budget()
    assert spend(budget, 16_000, 1.0)
    assert not spend(budget, 16_001, 1000.0)
    assert spend(budget, 16_000, 1000.0)


def test_silence_is_covered_by_the_time_that_passed_however_long() -> None:
    budget = Budget()
    assert spend(budget, 16_000, 1.0)
    assert budget.covers(60 * 8000, 61.0)
    assert not budget.covers(8000, 61.0)


def test_what_is_to_be_left_over_is_left_over() -> None:
    budget = Budget()
    assert not budget.covers(8001, 1.0, spare=8000)
    assert budget.covers(8000, 1.0, spare=8000)
    assert spend(budget, 8000, 1.0)


def test_what_is_available_grows_with_time_and_is_never_negative() -> None:
    budget = Budget()
    budget.settle(24_000, 1.0)
    assert budget.available(1.0) == 0
    assert 8000 <= budget.available(3.0) <= 8200


def test_time_that_goes_back_gives_nothing() -> None:
    budget = Budget()
    assert spend(budget, 16_000, 5.0)
    budget.settle(0, 4.0)
    assert not spend(budget, 160, 5.0)


@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 300)), max_size=200))
def test_the_sum_never_exceeds_real_time_and_slack(steps: list[tuple[int, int]]) -> None:
    budget, now, spent = Budget(), 100.0, 0
    budget.settle(0, now)
    for samples, pause_ms in steps:
        now += pause_ms / 1000
        spent += samples * spend(budget, samples, now)
    assert spent <= 16_000 + (now - 100.0) * 8000 * 1.01 + 1


@given(st.lists(st.integers(0, 49), min_size=1, max_size=300))
def test_speech_that_is_held_up_by_less_than_a_second_is_always_afforded(held_up: list[int]) -> None:
    """Packets come in bursts of up to one second."""
    budget, sent = Budget(), 0
    for burst in held_up:
        sent += burst + 1
        assert all(spend(budget, 160, 1.0 + sent * 0.02) for _ in range(burst + 1))
