from __future__ import annotations

import sys
from pathlib import Path

from gateway.bench.measurement import Measurement
from gateway.bench.stage import LoadPlan, Watched, end_meter, greeting_samples, ports_of, start_meter, start_provider
from gateway.measure.listening import level_dbfs, spells
from gateway.measure.processes import ChildProcess


def test_the_first_call_outlasts_the_window(tmp_path: Path) -> None:
    plan = LoadPlan(calls=100, seconds=30, calls_per_second=50, directory=tmp_path)
    assert plan.hold_s > plan.ramp_s + plan.seconds
    assert plan.ramp_s > 2
    assert plan.within("one").directory == tmp_path / "one"
    assert (tmp_path / "one").is_dir()


def test_meter_and_provider_start_say_where_they_are_and_end(tmp_path: Path) -> None:
    plan = LoadPlan(calls=2, seconds=1, calls_per_second=50, directory=tmp_path)
    provider = start_provider(plan)
    with provider.process, start_meter(plan, "127.0.0.1") as meter:
        assert len(ports_of(meter)) == 2
        assert provider.url.startswith("ws://127.0.0.1:")
        end_meter(meter)
        assert (tmp_path / "packets").exists()
        assert provider.end().append_ns == {}


def test_the_window_sees_who_used_the_processor(tmp_path: Path) -> None:
    busy = "import time\nwhile True: pass"
    with (
        ChildProcess("busy", [sys.executable, "-c", busy], tmp_path) as subject,
        ChildProcess("idle", [sys.executable, "-c", "input()"], tmp_path) as meter,
    ):
        row = Measurement(calls=1, seconds=0.5)
        window = Watched(subject, meter, None, 0).watch(row, 0.5)
    assert 0.5 <= window.seconds < 5
    assert row.cpu_us_per_call_second is not None
    assert row.cpu_us_per_call_second > 50_000
    assert row.meter_cpu_us_per_call_second is not None
    assert row.cpu_us_per_call_second > row.meter_cpu_us_per_call_second
    assert row.provider_cpu_us_per_call_second is None


def test_the_greeting_starts_with_its_first_sound() -> None:
    greeting = greeting_samples()
    assert 2 < len(greeting) / 8000 < 10
    assert spells(greeting)[0].start_ms <= 40
    assert level_dbfs(greeting[:5600]) > -40
