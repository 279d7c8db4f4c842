from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from gateway.bench.measurement import Measurement
from gateway.bench.report import as_json, print_report, ratios, write_json

QUANTILES = {"p50": 0.1, "p99": 0.5, "p999": 0.8, "max": 1.0}


def rows() -> tuple[Measurement, dict[str, Measurement]]:
    gateway = Measurement(50, 30.0, cpu_us_per_call_second=1000.0, pacing_ms=QUANTILES, notes=["uplink_added_ms: why"])
    echo = Measurement(50, 30.0, cpu_us_per_call_second=250.0)
    naive = Measurement(50, 30.0, cpu_us_per_call_second=2500.0)
    return gateway, {"c_echo": echo, "naive_asyncio": naive}


def test_the_json_has_the_keys_of_the_contract(tmp_path: Path) -> None:
    gateway, baselines = rows()
    write_json(tmp_path / "new" / "load.json", as_json(gateway, baselines, ["no compiler"]))
    result = json.loads((tmp_path / "new" / "load.json").read_text())
    for key in ("calls", "cpu_us_per_call_second", "pacing_ms", "packets_lost", "uplink_added_ms", "barge_in_ms"):
        assert key in result
        assert key in result["baselines"]["c_echo"]
    assert {"setup_ms", "rss_kb_per_call", "baselines", "machine"} <= result.keys()
    assert result["pacing_ms"] == QUANTILES
    assert result["uplink_added_ms"] is None
    assert result["notes"] == ["uplink_added_ms: why", "no compiler"]


def test_ratios_compare_with_the_gateway() -> None:
    assert ratios(*rows()) == {"c_echo": 0.25, "naive_asyncio": 2.5}
    assert ratios(Measurement(1, 1.0), rows()[1]) == {}


def test_the_report_says_ratios_first_and_shows_what_is_missing() -> None:
    output = io.StringIO()
    print_report(Console(file=output, width=80), *rows(), ["the whole run: a note"])
    text = output.getvalue()
    assert text.index("2.50 times the gateway's CPU") < text.index("CPU, µs per call-second")
    assert "takes 4.00 times its CPU" in text
    assert "0.10 / 0.50" in text
    assert "0.80 / 1.00" in text
    assert text.index("gateway: uplink_added_ms: why") < text.index("the whole run: a note")
