"""`gateway bench load`: N calls for S seconds through the whole gateway, then the same through the baselines.

Everything runs in processes of its own on loopback: SIPp for the signalling, the meter for the callers' audio, the
emulator as the provider. Each of the three runs gets fresh ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from gateway.base.errors import GatewayError
from gateway.bench import report, runs, sipp
from gateway.bench.measurement import Measurement
from gateway.bench.stage import LoadPlan

CALLS_PER_SECOND = 50
BASELINES: dict[str, Callable[[LoadPlan], Measurement]] = {
    "c_echo": runs.measure_echo,
    "naive_asyncio": runs.measure_naive,
}


def run_load(
    calls: int,
    seconds: float,
    json_path: Path | None = None,
    *,
    calls_per_second: int = CALLS_PER_SECOND,
    with_baselines: bool = True,
    console: Console | None = None,
) -> int:
    """Measures, prints the table and writes the JSON.

    0: every call was answered and heard the greeting; 1: not all; 2: it could not run, and the reason was printed.
    """
    console = console or Console()
    try:
        sipp.require_sipp()
        with tempfile.TemporaryDirectory(prefix="gateway-bench-") as scratch:
            plan = LoadPlan(calls, seconds, calls_per_second, Path(scratch))
            gateway, baselines, notes = _measure_all(plan, with_baselines, console)
    except (GatewayError, OSError) as error:
        console.print(f"bench: {error}", style="red", markup=False)
        return 2
    report.print_report(console, gateway, baselines, notes)
    if json_path is not None:
        report.write_json(json_path, report.as_json(gateway, baselines, notes))
        console.print(f"written to {json_path}", highlight=False)
    return 0 if gateway.calls_failed == 0 and gateway.greetings_heard == calls else 1


def _measure_all(
    plan: LoadPlan, with_baselines: bool, console: Console
) -> tuple[Measurement, dict[str, Measurement], list[str]]:
    console.print(f"gateway: {plan.calls} calls for {plan.seconds:g} s …", highlight=False)
    gateway = runs.measure_gateway(plan)
    baselines: dict[str, Measurement] = {}
    notes: list[str] = []
    for name, measure in BASELINES.items() if with_baselines else ():
        title = report.TITLES.get(name, name)
        console.print(f"{title}: the same …", highlight=False)
        try:
            baselines[name] = measure(plan)
        except GatewayError as error:
            notes.append(f"{title} left out: {error}")
    return gateway, baselines, notes
