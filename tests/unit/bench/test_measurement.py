from __future__ import annotations

import numpy as np

from gateway.bench.measurement import (
    Cost,
    Measurement,
    Window,
    take_bystanders,
    take_cost,
    take_delivery,
    take_greetings,
    take_set_ups,
    take_turns,
)
from gateway.bench.provider_log import ProviderRecord
from gateway.bench.sipp import SetUp
from gateway.measure import g711, speech
from gateway.measure.packet_log import CallPackets, ReceivedPacket

SECOND = 10**9
GREETING = speech.synthesise(1.5, seed=5)


def call(payloads: list[bytes], *, start_ns: int = 0) -> CallPackets:
    packets = [
        ReceivedPacket(start_ns + n * SECOND // 50, n, 160 * n, 0, 1, payload) for n, payload in enumerate(payloads)
    ]
    return CallPackets(packets, np.arange(len(payloads), dtype=np.int64) * SECOND // 50 + start_ns)


GREETED = call(g711.frames(g711.encode(GREETING)) + [b"\xff" * 160] * 50)


def test_cost_is_per_call_second_and_memory_per_call() -> None:
    row = Measurement(calls=10, seconds=2.0)
    take_cost(row, Cost(cpu_us=20_000, rss_before_kb=1000, rss_loaded_kb=1500), provider_us=4000, meter_us=2000)
    assert row.cpu_us_per_call_second == 1000
    assert row.rss_kb_per_call == 50
    assert (row.provider_cpu_us_per_call_second, row.meter_cpu_us_per_call_second) == (200, 100)


def test_what_others_used_is_told_and_warned_of() -> None:
    row = Measurement(calls=1, seconds=2.0)
    take_bystanders(row, 100_000)
    assert row.bystanders_cpu_pct == 5
    assert row.notes == []
    take_bystanders(row, 1_000_000)
    assert "50 % of a core" in row.notes[0]
    take_bystanders(row, -5)
    assert row.bystanders_cpu_pct == 0


def test_pacing_and_loss_come_from_the_window_alone() -> None:
    late = call([b"\xff" * 160] * 300)
    del late.received[250]
    late.received.append(ReceivedPacket(7 * SECOND, 300, 300 * 160, 0, 1, b""))
    row = Measurement(calls=2, seconds=2.0)
    take_delivery(row, [late, GREETED], Window(0, 2 * SECOND))
    assert row.packets_lost == 0
    assert row.pacing_ms is not None
    assert row.pacing_ms["max"] < 0.01
    assert row.notes == []
    take_delivery(row, [late], Window(4 * SECOND, 8 * SECOND))
    assert row.packets_lost == 1
    assert row.pacing_ms["max"] > 900
    assert "received less" in row.notes[0]


def test_nothing_is_invented_where_nothing_was_seen() -> None:
    row = Measurement(calls=1, seconds=1.0)
    take_turns(row, [GREETED], ProviderRecord())
    assert row.uplink_added_ms is None
    assert row.barge_in_ms is None
    assert len(row.notes) == 2


def test_turn_figures_join_what_provider_and_meter_saw() -> None:
    record = ProviderRecord({(0, 3): 61_500_000}, {0: [SECOND // 2]})
    talking = call([b"\x20" * 160] * 26 + [b"\xff" * 160] * 100)
    row = Measurement(calls=1, seconds=1.0)
    take_turns(row, [talking], record)
    assert row.uplink_added_ms == {"p50": 1.5, "p99": 1.5}
    assert row.barge_in_ms == {"p50": 0.0, "p99": 0.0}
    assert row.barge_ins == 1


def test_who_heard_the_greeting_is_counted() -> None:
    row = Measurement(calls=2, seconds=1.0)
    take_greetings(row, [GREETED, call([b"\xff" * 160] * 100)], GREETING)
    assert row.greetings_heard == 1


def test_set_up_times_and_failures_are_those_of_sipp() -> None:
    row = Measurement(calls=3, seconds=1.0)
    start = call(g711.frames(g711.encode(GREETING)), start_ns=10 * SECOND)
    take_set_ups(row, [start, start], [SetUp(0, 9.9, 9.91, 12.0), SetUp(1, 9.9, 9.93, None), SetUp(2, 9.9, None, None)])
    assert row.calls_failed == 1
    assert row.setup_ms == {"p50": 20.0, "p95": 29.0}
    assert row.answer_to_voice_ms is not None
    assert 70 <= row.answer_to_voice_ms["p50"] <= 130
