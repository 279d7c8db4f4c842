"""`gateway bench load` as a whole, small: real SIPp calls through a real gateway, and every figure of its contract."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.peers import require

pytestmark = [pytest.mark.interop, pytest.mark.alone]


@pytest.mark.peer("SIPp", "UDP", "`gateway bench load`, small: every caller hears the greeting")
def test_a_small_load_is_measured(tmp_path: Path) -> None:
    require("sipp")
    command = [sys.executable, "-m", "gateway", "bench", "load", "--calls", "4", "--seconds", "6"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "load.json")], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "load.json").read_text())
    assert result["calls"] == result["greetings_heard"] == 4
    assert result["calls_failed"] == 0
    assert result["packets_lost"] == 0
    assert result["packets_received"] > 4 * 6 * 45
    assert result["cpu_us_per_call_second"] > 0
    assert result["pacing_ms"].keys() == {"p50", "p99", "p999", "max"}
    assert result["setup_ms"].keys() == {"p50", "p95"}
    assert result["uplink_added_ms"].keys() == {"p50", "p99"}
    assert result["barge_in_ms"].keys() == {"p50", "p99"}, "the interrupting caller was not noticed"
    assert result["rss_kb_per_call"] is not None
    assert "naive_asyncio" in result["baselines"]
    assert "the gateway's CPU" in done.stdout or "times its CPU" in done.stdout
