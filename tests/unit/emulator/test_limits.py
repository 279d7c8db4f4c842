from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.emulator.limits import MessageMeter


def test_a_second_holds_the_budget_and_no_more() -> None:
    meter = MessageMeter(10)
    assert [meter.admit(5.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert meter.refused == 2
    assert meter.admit(5.5) is False
    assert meter.admit(6.01) is True


def test_an_even_stream_at_the_budget_always_passes() -> None:
    meter = MessageMeter(50)
    assert all(meter.admit(100 + number / 50 + 0.001) for number in range(500))


@given(st.lists(st.floats(0, 0.3), max_size=300))
def test_no_second_ever_admits_more_than_the_budget(gaps: list[float]) -> None:
    meter, now, admitted = MessageMeter(20), 1000.0, []
    for gap in gaps:
        now += gap
        if meter.admit(now):
            admitted.append(now)
        # Buckets are 100 ms wide, so the guarantee holds for any 900 ms.
        assert sum(at > now - 0.9 for at in admitted) <= 20
