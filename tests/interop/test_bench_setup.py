"""`gateway bench setup` for five seconds: 75 calls a second through a real gateway, none of which may fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.peers import require

pytestmark = [pytest.mark.interop, pytest.mark.alone]


@pytest.mark.peer("SIPp", "UDP", "75 calls a second for 5 s (`gateway bench setup`): none fails")
def test_75_calls_a_second(tmp_path: Path) -> None:
    require("sipp")
    command = [sys.executable, "-m", "gateway", "bench", "setup", "--rate", "75", "--seconds", "5"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "setup.json")], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "setup.json").read_text())
    assert result["calls"] == 375
    assert result["calls_failed"] == 0
    assert result["setup_ms"].keys() == {"p50", "p95", "p99", "max"}
    assert "INVITE to 200" in done.stdout
