from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.base.clock import Deadlines, earliest, utc_now


def test_the_earliest_deadline_is_published() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.next_deadline() is None
    deadlines.set("timer_b", 32.0)
    deadlines.set("timer_a", 0.5)
    assert deadlines.next_deadline() == 0.5


def test_setting_again_replaces_the_deadline_in_both_directions() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("timer_a", 0.5)
    deadlines.set("timer_a", 1.5)
    assert deadlines.next_deadline() == 1.5
    assert deadlines.pop_due(1.0) == []
    deadlines.set("timer_a", 0.25)
    assert deadlines.pop_due(1.0) == ["timer_a"]
    assert deadlines.pop_due(9.0) == []


def test_a_cleared_deadline_never_falls_due() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("timer_h", 1.0)
    deadlines.set("timer_i", 2.0)
    deadlines.clear("timer_h")
    deadlines.clear("never set")
    assert "timer_h" not in deadlines
    assert deadlines.pop_due(5.0) == ["timer_i"]


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.one_of(st.none(), st.floats(0, 100)))))
def test_it_behaves_like_a_plain_dictionary(steps: list[tuple[str, float | None]]) -> None:
    deadlines: Deadlines[str] = Deadlines()
    model: dict[str, float] = {}
    for key, at in steps:
        if at is None:
            deadlines.clear(key)
            model.pop(key, None)
        else:
            deadlines.set(key, at)
            model[key] = at
        assert deadlines.next_deadline() == min(model.values(), default=None)
        assert len(deadlines) == len(model)
    due = deadlines.pop_due(50.0)
    assert sorted(due) == sorted(key for key, at in model.items() if at <= 50.0)
    assert [model[key] for key in due] == sorted(model[key] for key in due)


def test_earliest_ignores_what_is_not_set() -> None:
    assert earliest(None, 3.0, 2.0, None) == 2.0
    assert earliest(None, None) is None


def test_wall_time_carries_its_zone() -> None:
    assert utc_now().tzinfo is datetime.UTC
