from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.bench import runs
from gateway.bench.stage import LoadPlan


def plan(directory: Path) -> LoadPlan:
    return LoadPlan(calls=2, seconds=1.0, calls_per_second=50, directory=directory)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine")
def test_the_echo_is_measured_with_every_packet_coming_back(tmp_path: Path) -> None:
    row = runs.measure_echo(plan(tmp_path))
    assert row.packets_lost == 0
    assert 2 * 45 <= row.packets_received <= 2 * 60
    assert row.pacing_ms is None
    assert row.round_trip_ms is not None
    assert row.round_trip_ms["p50"] < 20
    assert row.cpu_us_per_call_second is not None
    assert row.uplink_added_ms is None
    assert any("no pacer" in note for note in row.notes)


def test_the_naive_bridge_is_measured_and_heard(tmp_path: Path) -> None:
    row = runs.measure_naive(plan(tmp_path))
    assert row.greetings_heard == 2
    assert row.packets_lost == 0
    assert row.uplink_added_ms is not None
    assert 0 < row.uplink_added_ms["p50"] < 100
    assert row.provider_cpu_us_per_call_second is not None
    assert row.setup_ms is None
