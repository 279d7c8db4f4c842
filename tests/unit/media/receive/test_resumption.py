"""Late audio, or a sender whose clock stood still?"""

from __future__ import annotations

from gateway.media.receive.resumption import Resumption


def held(arrivals: list[float], *, step: int = 160) -> Resumption:
    resumption = Resumption()
    for index, at in enumerate(arrivals):
        resumption.hold(index * step, b"x" * step, at)
    return resumption


def test_packets_at_the_pace_of_speech_show_after_60_ms_that_the_senders_clock_stood_still() -> None:
    assert not held([1.00, 1.02, 1.04]).has_stood_still()
    assert held([1.00, 1.02, 1.04, 1.06]).has_stood_still()


def test_packets_in_a_rush_are_late() -> None:
    resumption = held([1.0 + 0.005 * index for index in range(40)])
    assert not resumption.has_stood_still()
    assert not resumption.is_paced()


def test_one_packet_shows_nothing() -> None:
    assert not held([1.0]).is_paced()


def test_it_has_ended_when_nothing_came_for_100_ms() -> None:
    resumption = held([1.0, 1.02])
    assert not resumption.has_ended(1.11)
    assert resumption.has_ended(1.12)
    assert not Resumption().has_ended(9.0)


def test_what_was_held_is_given_back_in_order_once() -> None:
    resumption = held([1.0, 1.02])
    assert resumption.take() == [(0, b"x" * 160, 1.0), (160, b"x" * 160, 1.02)]
    assert resumption.take() == []


def test_a_rush_without_end_is_not_kept_without_end() -> None:
    resumption = held([1.0 + 0.001 * index for index in range(1000)])
    assert len(resumption.take()) == 60


def test_what_proved_late_is_forgotten() -> None:
    resumption = held([1.0, 1.02, 1.04, 1.06])
    resumption.clear()
    assert not resumption.has_stood_still()
    assert resumption.take() == []


def test_timestamps_may_wrap_meanwhile() -> None:
    resumption = Resumption()
    for index in range(4):
        resumption.hold((0xFFFF_FFFF - 100 + index * 160) & 0xFFFF_FFFF, b"x", 1.0 + index * 0.02)
    assert resumption.has_stood_still()
