"""The arithmetic of pacing on literal times."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.pacing import LATENESS_BOUNDS_MS, PHASE_S, Grid, LatenessMeter, Seat, Wheel


def seat(wheel: Wheel[str], name: str, frame_ms: int = 20) -> Seat:
    taken = wheel.choose(frame_ms)
    wheel.enter(name, taken)
    return taken


def due(wheel: Wheel[str], ticks: range) -> list[tuple[int, str]]:
    return [(skipped, member) for skipped, members in wheel.due(ticks) for member in members]


class TestGrid:
    def test_ticks_fall_due_every_5_ms_from_the_origin(self) -> None:
        grid = Grid(100.0)
        for number in range(2000):
            assert grid.deadline == pytest.approx(100.0 + number * PHASE_S)
            assert grid.take_due(grid.deadline) == range(number, number + 1)

    def test_nothing_is_due_before_its_time(self) -> None:
        grid = Grid(100.0)
        grid.take_due(100.0)
        assert not grid.take_due(100.0049)
        assert grid.take_due(100.005) == range(1, 2)

    def test_a_late_wake_up_does_not_move_the_grid(self) -> None:
        grid = Grid(100.0)
        grid.take_due(100.004)
        assert grid.deadline == pytest.approx(100.005)

    def test_after_a_stall_all_missed_ticks_are_taken_together(self) -> None:
        grid = Grid(100.0)
        grid.take_due(100.0)
        assert grid.take_due(100.0521) == range(1, 11)
        assert grid.deadline == pytest.approx(100.055)

    def test_after_a_restart_nothing_of_before_is_overdue(self) -> None:
        grid = Grid(100.0)
        grid.take_due(100.0)
        grid.restart(500.0)
        assert grid.take_due(500.0) == range(1)

    @given(st.floats(0, 1e7), st.lists(st.floats(0, 0.5), max_size=60))
    def test_every_tick_is_taken_once_however_late(self, origin: float, delays: list[float]) -> None:
        grid = Grid(origin)
        now, taken = origin, []
        for delay in delays:
            now = max(now, grid.deadline) + delay
            taken += grid.take_due(now)
        assert taken == list(range(len(taken)))
        assert grid.deadline > now - 1e-6


class TestWheel:
    def test_four_calls_of_20_ms_sit_in_four_phases(self) -> None:
        wheel: Wheel[str] = Wheel()
        assert [seat(wheel, name).phase for name in "abcd"] == [0, 1, 2, 3]
        assert len(wheel) == 4

    def test_calls_spread_evenly_and_fill_the_holes_of_those_that_left(self) -> None:
        wheel: Wheel[str] = Wheel()
        seats = {str(number): seat(wheel, str(number)) for number in range(400)}
        assert set(Counter(taken.phase for taken in seats.values()).values()) == {100}
        for name in list(seats)[::4]:
            wheel.leave(name, seats[name])
        assert {seat(wheel, f"new {number}").phase for number in range(100)} == {0}

    @pytest.mark.parametrize("frame_ms", [10, 20, 30, 40, 50, 60])
    def test_each_stream_is_due_once_in_its_own_time(self, frame_ms: int) -> None:
        wheel: Wheel[str] = Wheel()
        seat(wheel, "other")
        seat(wheel, "a", frame_ms)
        times = [tick * 5 for tick in range(480) if (0, "a") in due(wheel, range(tick, tick + 1))]
        assert {after - before for before, after in pairwise(times)} == {frame_ms}

    def test_streams_of_different_lengths_share_the_load(self) -> None:
        wheel: Wheel[str] = Wheel()
        for number in range(60):
            seat(wheel, str(number), [10, 20, 30, 40, 60][number % 5])
        loads = [len(due(wheel, range(tick, tick + 1))) for tick in range(120)]
        assert max(loads) <= sum(loads) / len(loads) + 4

    def test_after_a_stall_each_stream_sends_once_and_hears_what_it_missed(self) -> None:
        wheel: Wheel[str] = Wheel()
        for name in "abcd":
            seat(wheel, name)
        seat(wheel, "fast", 10)
        seat(wheel, "slow", 60)
        after_stall = {member: skipped for skipped, member in due(wheel, range(1, 41))}
        assert len(due(wheel, range(1, 41))) == 6
        assert [after_stall[name] for name in "abcd"] == [9, 9, 9, 9]
        assert after_stall["fast"] == 19
        assert after_stall["slow"] in (2, 3)

    def test_a_stall_shorter_than_a_frame_skips_nothing(self) -> None:
        wheel: Wheel[str] = Wheel()
        for name in "abcd":
            seat(wheel, name)
        assert due(wheel, range(1, 4)) == [(0, "b"), (0, "c"), (0, "d")]

    @given(
        st.lists(st.sampled_from([10, 20, 30, 40, 50, 60]), min_size=1, max_size=20),
        st.lists(st.integers(1, 60), min_size=1, max_size=20),
    )
    def test_sent_and_skipped_frames_are_exactly_the_time_that_passed(
        self, lengths: list[int], runs: list[int]
    ) -> None:
        wheel: Wheel[str] = Wheel()
        seats = {f"{number}": seat(wheel, f"{number}", frame_ms) for number, frame_ms in enumerate(lengths)}
        accounted: Counter[str] = Counter()
        start = 0
        for run in runs:
            members = due(wheel, range(start, start + run))
            assert len({member for _, member in members}) == len(members)
            for skipped, member in members:
                accounted[member] += 1 + skipped
            start += run
        for name, taken in seats.items():
            assert accounted[name] == len(range(taken.phase, start, taken.period))

    def test_who_left_is_not_due_any_more(self) -> None:
        wheel: Wheel[str] = Wheel()
        taken = seat(wheel, "a")
        wheel.leave("a", taken)
        assert due(wheel, range(100)) == []
        assert len(wheel) == 0

    def test_leaving_while_the_due_members_are_being_served_disturbs_nothing(self) -> None:
        wheel: Wheel[str] = Wheel()
        seats = [wheel.choose(20) for _ in range(1)] * 3
        for name in "abc":
            wheel.enter(name, seats[0])
        ((_, members),) = wheel.due(range(seats[0].phase, seats[0].phase + 1))
        wheel.leave("b", seats[0])
        assert members == ("a", "b", "c")


class TestLateness:
    def test_ticks_are_sorted_into_the_bounds(self) -> None:
        meter = LatenessMeter()
        for late_s in (-0.001, 0.0, 0.00025, 0.0004, 0.007, 9.0):
            meter.note(late_s)
        snapshot = meter.snapshot()
        assert snapshot.ticks == 6
        assert snapshot.counts[0] == 3
        assert snapshot.counts[1] == 1
        assert snapshot.counts[LATENESS_BOUNDS_MS.index(10.0)] == 1
        assert snapshot.counts[-1] == 1
        assert snapshot.max_ms == 9000.0
        assert snapshot.total_ms == pytest.approx(0.25 + 0.4 + 7 + 9000)

    def test_percentiles_are_upper_bounds(self) -> None:
        meter = LatenessMeter()
        for _ in range(99):
            meter.note(0.0003)
        meter.note(0.004)
        assert meter.snapshot().percentile_ms(0.99) == 0.5
        assert meter.snapshot().percentile_ms(0.999) == 4.0

    def test_without_ticks_nothing_was_late(self) -> None:
        assert LatenessMeter().snapshot().percentile_ms(0.99) == 0.0
