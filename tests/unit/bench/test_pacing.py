from __future__ import annotations

import numpy as np
import pytest

from gateway.bench.pacing import judge_delivery, pacing_quantiles, quantiles
from gateway.measure.packet_log import ReceivedPacket


def packet(arrival_ms: float, sequence: int, timestamp: int) -> ReceivedPacket:
    return ReceivedPacket(int(1_700_000_000e9 + arrival_ms * 1e6), sequence & 0xFFFF, timestamp & 0xFFFFFFFF, 0, 1, b"")


def even(count: int, *, first_sequence: int = 0, first_timestamp: int = 0) -> list[ReceivedPacket]:
    return [packet(20 * n, first_sequence + n, first_timestamp + 160 * n) for n in range(count)]


def test_an_even_stream_has_no_error_even_where_counters_wrap() -> None:
    judged = judge_delivery(even(100, first_sequence=65500, first_timestamp=2**32 - 800))
    assert (judged.received, judged.lost, judged.slots_skipped) == (100, 0, 0)
    assert judged.errors_ms.max() < 0.001


def test_one_late_packet_is_off_by_its_lateness_alone() -> None:
    packets = even(101)
    packets[50] = packet(20 * 50 + 7.5, 50, 50 * 160)
    errors = judge_delivery(packets).errors_ms
    assert errors[50] == pytest.approx(7.5, abs=0.001)
    assert np.delete(errors, 50).max() < 0.001


def test_a_drifting_sender_is_off_by_its_drift() -> None:
    packets = [packet(20.2 * n, n, 160 * n) for n in range(101)]
    assert judge_delivery(packets).errors_ms.max() == pytest.approx(10.0, abs=0.01)


def test_a_missing_sequence_number_is_a_loss_and_a_repeat_is_not_a_gain() -> None:
    packets = even(10)
    del packets[4]
    assert judge_delivery(packets).lost == 1
    assert judge_delivery([*packets, packets[-1]]).lost == 1


def test_a_stall_that_moved_the_timestamp_is_skipped_time_not_loss() -> None:
    packets = even(10) + [packet(20 * n, n - 3, 160 * n) for n in range(13, 20)]
    judged = judge_delivery(packets)
    assert (judged.lost, judged.slots_skipped) == (0, 3)
    assert judged.errors_ms.max() < 0.001


def test_too_little_to_judge_is_judged_empty() -> None:
    assert judge_delivery([]).received == 0
    assert pacing_quantiles(judge_delivery(even(1)).errors_ms) is None


def test_quantiles_go_by_their_names() -> None:
    assert quantiles(range(101), p50=0.5, p95=0.95) == {"p50": 50.0, "p95": 95.0}
    assert pacing_quantiles(np.array([1.0, 1.0])) == {"p50": 1.0, "p99": 1.0, "p999": 1.0, "max": 1.0}
    assert quantiles([], p50=0.5) is None
