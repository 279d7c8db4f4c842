"""What `gateway bench load` says: ratios first, then the figures side by side, then what could not be measured."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.bench.measurement import Measurement, Quantiles

TITLES = {"gateway": "gateway", "naive_asyncio": "naive asyncio", "c_echo": "C echo"}


def ratios(gateway: Measurement, baselines: dict[str, Measurement]) -> dict[str, float]:
    """CPU of each baseline as a share of the gateway's: above 1 the baseline is dearer."""
    own = gateway.cpu_us_per_call_second
    return {
        name: round(baseline.cpu_us_per_call_second / own, 3)
        for name, baseline in baselines.items()
        if own and baseline.cpu_us_per_call_second is not None
    }


def as_json(gateway: Measurement, baselines: dict[str, Measurement], notes: list[str]) -> dict[str, Any]:
    """The whole result."""
    own = gateway.as_json()
    return {
        **own,
        "notes": [*own["notes"], *notes],
        "baselines": {name: baseline.as_json() for name, baseline in baselines.items()},
        "baseline_cpu_ratios": ratios(gateway, baselines),
        "machine": machine(),
    }


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Writes the result; makes the directory when it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """Where this was measured."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in _read(Path("/proc/cpuinfo")).splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


def print_report(console: Console, gateway: Measurement, baselines: dict[str, Measurement], notes: list[str]) -> None:
    """Ratios, table, notes."""
    for name, ratio in ratios(gateway, baselines).items():
        title = TITLES.get(name, name)
        comparison = (
            f"{ratio:.2f} times the gateway's CPU" if ratio >= 1 else f"the gateway takes {1 / ratio:.2f} times its CPU"
        )
        console.print(f"[bold]{title}[/bold]: {comparison}")
    console.print(_table({"gateway": gateway, **baselines}))
    for name, row in (("gateway", gateway), *baselines.items()):
        for note in row.notes:
            console.print(f"{TITLES.get(name, name)}: {note}", style="yellow", highlight=False)
    for note in notes:
        console.print(note, style="yellow", highlight=False)


def _table(rows: dict[str, Measurement]) -> Table:
    window = next(iter(rows.values()))
    table = Table(title=f"{window.calls} calls, {window.seconds:.0f} s with all of them up")
    table.add_column("")
    for name in rows:
        table.add_column(TITLES.get(name, name), justify="right")
    for title, cell in _LINES:
        table.add_row(title, *(cell(row) for row in rows.values()))
    return table


def _number(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.0f}{unit}"


def _quantiles(values: Quantiles | None, *names: str) -> str:
    return "-" if values is None else " / ".join(f"{values[name]:.2f}" for name in names)


_LINES: tuple[tuple[str, Callable[[Measurement], str]], ...] = (
    ("CPU, µs per call-second", lambda row: _number(row.cpu_us_per_call_second)),
    ("pacing p50/p99, ms", lambda row: _quantiles(row.pacing_ms, "p50", "p99")),
    ("pacing p99.9/max, ms", lambda row: _quantiles(row.pacing_ms, "p999", "max")),
    ("round trip p50/p99, ms", lambda row: _quantiles(row.round_trip_ms, "p50", "p99")),
    ("packets received", lambda row: _number(row.packets_received)),
    ("packets lost", lambda row: _number(row.packets_lost)),
    ("20 ms slots skipped", lambda row: _number(row.slots_skipped)),
    ("set-up p50/p95, ms", lambda row: _quantiles(row.setup_ms, "p50", "p95")),
    ("answer to voice p50/p95, ms", lambda row: _quantiles(row.answer_to_voice_ms, "p50", "p95")),
    ("uplink added p50/p99, ms", lambda row: _quantiles(row.uplink_added_ms, "p50", "p99")),
    ("barge-in p50/p99, ms", lambda row: _quantiles(row.barge_in_ms, "p50", "p99")),
    ("barge-ins measured", lambda row: _number(row.barge_ins)),
    ("memory per call, kB", lambda row: _number(row.rss_kb_per_call)),
    ("greetings heard", lambda row: _number(row.greetings_heard)),
    ("calls failed", lambda row: _number(row.calls_failed)),
    ("provider CPU, µs/call-s", lambda row: _number(row.provider_cpu_us_per_call_second)),
    ("meter CPU, µs/call-s", lambda row: _number(row.meter_cpu_us_per_call_second)),
    ("other programs, % of a core", lambda row: _number(row.bystanders_cpu_pct)),
)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
