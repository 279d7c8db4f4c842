from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from gateway.bench import load, runs
from gateway.bench.c_echo import NoCompilerError
from gateway.bench.load import run_load
from gateway.bench.measurement import Measurement
from gateway.bench.stage import LoadPlan


def console() -> Console:
    return Console(file=io.StringIO(), width=140)


def printed(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


def measured(plan: LoadPlan) -> Measurement:
    return Measurement(
        plan.calls, plan.seconds, cpu_us_per_call_second=900.0, greetings_heard=plan.calls, notes=["a note"]
    )


def without_compiler(_: LoadPlan) -> Measurement:
    raise NoCompilerError("no C compiler found")


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which SIPp seems to be installed; the runs are replaced, they have tests of their own."""
    (tmp_path / "sipp").write_text("#!/bin/sh\n")
    (tmp_path / "sipp").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(runs, "measure_gateway", measured)
    monkeypatch.setattr(load, "BASELINES", {"c_echo": without_compiler, "naive_asyncio": measured})


@pytest.mark.usefixtures("exchange")
def test_a_baseline_that_cannot_run_is_left_out_and_named(tmp_path: Path) -> None:
    to = console()
    assert run_load(3, 1.0, tmp_path / "load.json", console=to) == 0
    result = json.loads((tmp_path / "load.json").read_text())
    assert list(result["baselines"]) == ["naive_asyncio"]
    assert result["notes"] == ["a note", "C echo left out: no C compiler found"]
    assert "C echo left out" in printed(to)


@pytest.mark.usefixtures("exchange")
def test_baselines_can_be_left_out() -> None:
    to = console()
    assert run_load(3, 1.0, with_baselines=False, console=to) == 0
    assert "naive" not in printed(to)


@pytest.mark.usefixtures("exchange")
def test_a_call_that_failed_or_heard_no_greeting_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "measure_gateway", lambda plan: Measurement(plan.calls, 1.0, greetings_heard=2))
    assert run_load(3, 1.0, with_baselines=False, console=console()) == 1
    failed = Measurement(3, 1.0, greetings_heard=3, calls_failed=1)
    monkeypatch.setattr(runs, "measure_gateway", lambda _: failed)
    assert run_load(3, 1.0, with_baselines=False, console=console()) == 1


def test_without_sipp_nothing_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    to = console()
    assert run_load(1, 1.0, console=to) == 2
    assert "sip-tester" in printed(to)
