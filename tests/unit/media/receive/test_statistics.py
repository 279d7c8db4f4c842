"""RFC 3550's receiver statistics."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gateway.media.receive.statistics import ReceiveStatistics


def feed(statistics: ReceiveStatistics, arrivals: list[float], *, start_ts: int = 0, step: int = 160) -> None:
    for index, arrival in enumerate(arrivals):
        statistics.count_audio(start_ts + index * step, arrival, 160)


def test_packets_on_time_have_no_jitter() -> None:
    statistics = ReceiveStatistics()
    feed(statistics, [10.0 + 0.02 * index for index in range(50)])
    assert statistics.jitter_ts == pytest.approx(0.0, abs=1e-6)
    assert (statistics.packets, statistics.octets) == (50, 8000)


def test_jitter_is_the_running_mean_of_rfc_3550_a8() -> None:
    statistics = ReceiveStatistics()
    arrivals = [10.0, 10.025, 10.040, 10.072, 10.080]
    feed(statistics, arrivals)
    expected = 0.0
    for before, after in pairwise(arrivals):
        difference = abs((after - before) * 8000 - 160)
        expected += (difference - expected) / 16
    assert statistics.jitter_ts == pytest.approx(expected, rel=1e-6)
    assert statistics.jitter_ms == pytest.approx(expected / 8, rel=1e-6)


def test_a_wrapping_timestamp_is_no_jitter() -> None:
    statistics = ReceiveStatistics()
    for index in range(10):
        statistics.count_audio((0xFFFF_FFFF - 500 + index * 160) & 0xFFFF_FFFF, 10 + 0.02 * index, 160)
    assert statistics.jitter_ts == pytest.approx(0.0, abs=1e-6)


def test_the_first_packet_of_a_source_has_nothing_to_be_compared_with() -> None:
    statistics = ReceiveStatistics()
    statistics.begin_source(65536)
    statistics.count_audio(5, 7.0, 160)
    assert statistics.jitter_ts == 0.0


def test_another_source_starts_its_own_jitter_and_keeps_the_losses_so_far() -> None:
    statistics = ReceiveStatistics()
    statistics.begin_source(65536)
    feed(statistics, [10.0, 10.03, 10.04])
    statistics.highest = 65536 + 4
    statistics.begin_source(70000)
    assert statistics.jitter_ts == 0.0
    statistics.highest = 70001
    assert statistics.expected == 5 + 2
    assert statistics.lost == 7 - 3


def test_packets_that_are_no_audio_count_but_say_nothing_of_jitter() -> None:
    statistics = ReceiveStatistics()
    feed(statistics, [10.0, 10.02])
    statistics.count_other(4)
    statistics.count_other(5)
    assert (statistics.packets, statistics.octets) == (4, 329)
    assert statistics.jitter_ts == pytest.approx(0.0, abs=1e-6)


def test_a_source_that_has_sent_nothing_has_lost_nothing() -> None:
    statistics = ReceiveStatistics()
    assert (statistics.expected, statistics.lost) == (0, 0)
    statistics.begin_source(70_000)
    assert (statistics.expected, statistics.lost) == (0, 0)


def test_duplicates_make_the_cumulative_loss_negative_as_rfc_3550_says() -> None:
    statistics = ReceiveStatistics()
    statistics.begin_source(65536)
    feed(statistics, [1.0, 1.0, 1.0])
    statistics.highest = 65537
    assert statistics.lost == -1


def test_the_fraction_lost_covers_the_time_since_the_last_report() -> None:
    statistics = ReceiveStatistics()
    statistics.begin_source(65536)
    feed(statistics, [1.0] * 75)
    statistics.highest = 65536 + 99
    assert statistics.take_fraction_lost() == 64
    feed(statistics, [2.0] * 10)
    statistics.highest += 10
    assert statistics.take_fraction_lost() == 0
    assert statistics.take_fraction_lost() == 0
    feed(statistics, [3.0] * 4)
    statistics.highest += 8
    assert statistics.take_fraction_lost() == 128
    feed(statistics, [4.0] * 9)
    statistics.highest += 8
    assert statistics.take_fraction_lost() == 0, "more came than were due"
    statistics.highest += 8
    assert statistics.take_fraction_lost() == 255
