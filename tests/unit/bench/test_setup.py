from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from gateway.bench import setup
from gateway.bench.setup import Outcome, failed, reached_rate, repeated_invites, run_setup, setup_quantiles
from gateway.bench.sipp import SetUp, read_set_ups

TRACE = """\
2026-11-20\t12:51:29.600\t100.000\tS\t1-77@127.0.0.2\tCSeq:1 INVITE\tINVITE sip:bench@127.0.0.1:5060 SIP/2.0
2026-11-20\t12:51:29.600\t100.500\tS\t1-77@127.0.0.2\tCSeq:1 INVITE\tINVITE sip:bench@127.0.0.1:5060 SIP/2.0
2026-11-20\t12:51:29.600\t100.510\tR\t1-77@127.0.0.2\tCSeq:1 INVITE\tSIP/2.0 200 OK
2026-11-20\t12:51:29.600\t100.700\tS\t1-77@127.0.0.2\tCSeq:2 BYE\tBYE sip:gateway@127.0.0.1:5060 SIP/2.0
2026-11-20\t12:51:29.600\t101.000\tS\t2-77@127.0.0.2\tCSeq:1 INVITE\tINVITE sip:bench@127.0.0.1:5060 SIP/2.0
2026-11-20\t12:51:29.600\t101.004\tR\t2-77@127.0.0.2\tCSeq:1 INVITE\tSIP/2.0 200 OK
"""


def outcome(calls_failed: int = 0) -> Outcome:
    return Outcome(
        calls=10,
        calls_per_second=5,
        seconds=2,
        calls_failed=calls_failed,
        reached_calls_per_second=5.0,
        setup_ms={"p50": 4.0, "p95": 7.25, "p99": 9.0, "max": 11.0},
        invites_repeated=0,
        gateway_cpu_ms_per_call=3.0,
        provider_cpu_ms_per_call=4.0,
        gateway_rss_growth_kb=100,
        bystanders_cpu_pct=1.0,
        notes=(),
    )


def test_a_call_counts_only_when_it_was_answered_and_ended() -> None:
    set_ups = read_set_ups(TRACE)
    assert failed(2, set_ups, 0) == 1
    assert failed(3, set_ups, 0) == 2
    assert failed(1, set_ups[:1], 0) == 0


def test_what_sipp_calls_a_failure_is_one() -> None:
    assert failed(1, [SetUp(0, 1.0, 1.1, 1.3)], 1) == 1


def test_the_times_come_from_the_first_invite_of_each_call() -> None:
    times = setup_quantiles(read_set_ups(TRACE))
    assert times is not None
    assert times["max"] == pytest.approx(510, abs=0.01)
    assert repeated_invites(TRACE, read_set_ups(TRACE)) == 1


def test_the_rate_is_between_the_first_and_the_last_invite() -> None:
    assert reached_rate([SetUp(number, 100 + number / 75, None, None) for number in range(751)]) == pytest.approx(75)
    assert reached_rate([]) is None


def test_the_figures_are_printed_and_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(setup.sipp, "require_sipp", lambda: "sipp")
    monkeypatch.setattr(setup, "measure_setup", lambda _: outcome())
    printed = io.StringIO()
    assert run_setup(5, 2, tmp_path / "setup.json", console=Console(file=printed, width=100)) == 0
    assert "4.00 / 7.25" in printed.getvalue()
    written = json.loads((tmp_path / "setup.json").read_text())
    assert written["setup_ms"]["p95"] == 7.25
    assert written["machine"]["cores"]


def test_a_failed_call_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup.sipp, "require_sipp", lambda: "sipp")
    monkeypatch.setattr(setup, "measure_setup", lambda _: outcome(1))
    assert run_setup(5, 2, console=Console(file=io.StringIO())) == 1


def test_without_sipp_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    printed = io.StringIO()
    assert run_setup(5, 2, console=Console(file=printed, width=200)) == 2
    assert "sip-tester" in printed.getvalue()
