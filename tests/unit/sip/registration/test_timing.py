"""When to refresh and how long to wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.base.ids import IdSource
from gateway.sip.registration.timing import MAX_S, back_off_s, refresh_after_s


@given(st.integers(1, 700_000), st.integers(0, 1000))
def test_a_refresh_is_always_before_the_end_and_never_at_once(expires_s: int, seed: int) -> None:
    wait_s = refresh_after_s(expires_s, IdSource(seed))
    assert 0.4 * expires_s < wait_s <= max(0.9 * expires_s, expires_s - 600)
    assert wait_s >= min(4.5, 0.9 * expires_s)


def test_usual_intervals() -> None:
    for expires_s, earliest_s, latest_s in ((60, 27, 30), (600, 270, 300), (1200, 540, 600), (3600, 2700, 3000)):
        for seed in range(50):
            assert earliest_s <= refresh_after_s(expires_s, IdSource(seed)) <= latest_s


def test_trunks_that_began_together_do_not_stay_together() -> None:
    assert len({refresh_after_s(3600, IdSource(seed)) for seed in range(50)}) > 45


@given(st.integers(1, 10_000), st.integers(0, 1000))
def test_a_failure_waits_half_to_the_whole_of_its_time_and_never_above_the_longest(failures: int, seed: int) -> None:
    longest_s = min(MAX_S, 30 * 2.0 ** min(failures, 20))
    assert longest_s / 2 <= back_off_s(failures, IdSource(seed)) <= longest_s
