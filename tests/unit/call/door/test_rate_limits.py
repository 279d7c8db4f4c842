"""Buckets let through their rate and not more, and 100 000 sources cost no more memory than 10 000."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call.door.rate_limits import MAX_SOURCES, RateLimits, TokenBucket


@given(
    st.floats(min_value=0.1, max_value=1000),
    st.lists(st.floats(min_value=0, max_value=2, allow_subnormal=False), max_size=200),
)
def test_never_more_than_the_rate_and_one_second_at_once(rate: float, pauses: list[float]) -> None:
    bucket, now, taken = TokenBucket(rate, 100.0), 100.0, 0
    for pause in pauses:
        now += pause
        taken += bucket.take(now)
        assert taken <= max(1.0, rate) + rate * (now - 100.0) + 1e-6


@given(st.floats(min_value=0.1, max_value=1000))
def test_who_keeps_to_the_rate_is_never_refused(rate: float) -> None:
    bucket = TokenBucket(rate, 0.0)
    assert all(bucket.take(number / rate + number * 1e-9) for number in range(500))


def test_after_a_refusal_the_wait_is_told_and_long_enough() -> None:
    bucket = TokenBucket(0.5, 0.0)
    assert bucket.take(0.0)
    assert not bucket.take(0.0)
    assert bucket.wait_s() == pytest.approx(2.0)
    assert bucket.take(2.0)


def test_a_clock_that_stands_still_gives_nothing() -> None:
    bucket = TokenBucket(2, 50.0)
    assert [bucket.take(50.0), bucket.take(49.0), bucket.take(50.0)] == [True, True, False]


def test_each_source_has_a_bucket_of_its_own() -> None:
    limits = RateLimits(1)
    assert limits.take("a", 0.0)
    assert limits.take("b", 0.0)
    assert not limits.take("a", 0.5)
    assert limits.take("a", 1.0)


def test_a_hundred_thousand_sources_are_bounded_and_the_quietest_is_forgotten() -> None:
    limits = RateLimits(1)
    for number in range(100_000):
        limits.take(f"source {number}", number * 0.001)
        if number % 100 == 0:
            limits.take("busy", number * 0.001)
    assert len(limits) == MAX_SOURCES
    now = 99_999 * 0.001
    assert not limits.take("source 99999", now), "the last one is remembered"
    assert limits.take("source 0", now), "the first one is forgotten, and may begin anew"
    limits.take("busy", now)
    assert not limits.take("busy", now)


def test_another_rate_counts_anew_and_the_same_one_does_not() -> None:
    limits = RateLimits(1)
    limits.take("a", 0.0)
    limits.apply(1)
    assert not limits.take("a", 0.0)
    limits.apply(2)
    assert [limits.take("a", 0.0) for _ in range(3)] == [True, True, False]
