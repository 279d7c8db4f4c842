"""`gateway bench setup`: R new calls a second for S seconds, each set up, held for a moment and torn down.

SIPp does the signalling. Every call has its provider session over a real WebSocket, its media ports and its greeting on
the wire; what is sent to the callers ends in a socket that nobody reads.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.base.errors import GatewayError
from gateway.bench import report, sipp
from gateway.bench.measurement import Quantiles
from gateway.bench.pacing import quantiles
from gateway.bench.runs import AGENT, start_sipp
from gateway.bench.sipp import SetUp
from gateway.bench.stage import LoadPlan, Provider, start_provider
from gateway.measure import rig
from gateway.measure.processes import ChildProcess, machine_busy_us

HOLD_S = 0.2
LIVES_AT_ONCE_S = 4.0
"""A call's resources at most: its set-up, its hold, its teardown, and its media ports' rest of two seconds after it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures. Times as SIPp saw them."""

    calls: int
    calls_per_second: int
    seconds: float
    calls_failed: int
    """Not answered, not ended by our BYE, or refused: anything but what the scenario says."""
    reached_calls_per_second: float | None
    setup_ms: Quantiles | None
    """INVITE to 200."""
    invites_repeated: int
    """INVITEs that SIPp sent again because nothing came within 500 ms."""
    gateway_cpu_ms_per_call: float
    provider_cpu_ms_per_call: float
    gateway_rss_growth_kb: int
    bystanders_cpu_pct: float
    """What everybody else on the machine used meanwhile, SIPp included, in % of one core."""
    notes: tuple[str, ...]


def run_setup(rate: int, seconds: float, json_path: Path | None = None, *, console: Console | None = None) -> int:
    """Measures, prints the figures and writes the JSON. 0: no call failed; 1: some did; 2: it could not run."""
    console = console or Console()
    try:
        sipp.require_sipp()
        with tempfile.TemporaryDirectory(prefix="gateway-bench-") as scratch:
            outcome = measure_setup(LoadPlan(round(rate * seconds), seconds, rate, Path(scratch)))
    except (GatewayError, OSError) as error:
        console.print(f"bench: {error}", style="red", markup=False)
        return 2
    print_outcome(console, outcome)
    if json_path is not None:
        report.write_json(json_path, as_json(outcome))
        console.print(f"written to {json_path}", highlight=False)
    return 0 if outcome.calls_failed == 0 else 1


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The figures and the machine they belong to."""
    return {**asdict(outcome), "notes": list(outcome.notes), "machine": report.machine()}


def measure_setup(plan: LoadPlan) -> Outcome:
    """One run."""
    at_once = round(plan.calls_per_second * LIVES_AT_ONCE_S)
    site = rig.choose_site(at_once)
    provider = start_provider(plan)
    with provider.process:
        settings = rig.gateway_settings(site, provider_url=provider.url, calls=at_once, agent=AGENT)
        with rig.start_gateway(settings, site, plan.directory) as gateway:
            outcome = _call(plan, site, gateway, provider)
        provider.end()
    return outcome


def _call(plan: LoadPlan, site: rig.Site, gateway: ChildProcess, provider: Provider) -> Outcome:
    watched = (gateway, provider.process)
    rss_before_kb = gateway.rss_kb()
    busy_before_us, before_us = machine_busy_us(), [process.cpu_us() for process in watched]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        address = rig.loopback_address()
        sink.bind((address, 0))
        with start_sipp(plan, site, address, [sink.getsockname()[1]], hold_s=HOLD_S) as exchange:
            status = exchange.wait(plan.calls / plan.calls_per_second + HOLD_S + 60)
    used_us = [process.cpu_us() - before for process, before in zip(watched, before_us, strict=True)]
    others_us = machine_busy_us() - busy_before_us - sum(used_us)
    trace = (plan.directory / sipp.TRACE_NAME).read_text(errors="replace")
    set_ups = sipp.read_set_ups(trace)
    return Outcome(
        calls=plan.calls,
        calls_per_second=plan.calls_per_second,
        seconds=plan.seconds,
        calls_failed=failed(plan.calls, set_ups, status),
        reached_calls_per_second=reached_rate(set_ups),
        setup_ms=setup_quantiles(set_ups),
        invites_repeated=repeated_invites(trace, set_ups),
        gateway_cpu_ms_per_call=round(used_us[0] / plan.calls / 1000, 2),
        provider_cpu_ms_per_call=round(used_us[1] / plan.calls / 1000, 2),
        gateway_rss_growth_kb=gateway.rss_kb() - rss_before_kb,
        bystanders_cpu_pct=round(max(others_us, 0) / plan.seconds / 10_000, 1),
        notes=_notes(status, plan.directory),
    )


def failed(calls: int, set_ups: Sequence[SetUp], status: int) -> int:
    """Calls without an answer or without our BYE; at least one when SIPp itself says that one failed."""
    whole = sum(set_up.answered_at is not None and set_up.ended_at is not None for set_up in set_ups)
    return max(calls - whole, 1 if status else 0)


def reached_rate(set_ups: Sequence[SetUp]) -> float | None:
    """New calls a second, from the first INVITE to the last."""
    if len(set_ups) < 2:
        return None
    times = [set_up.invited_at for set_up in set_ups]
    return round((len(times) - 1) / (max(times) - min(times)), 2)


def setup_quantiles(set_ups: Sequence[SetUp]) -> Quantiles | None:
    """INVITE to 200, ms."""
    times_ms = [(set_up.answered_at - set_up.invited_at) * 1e3 for set_up in set_ups if set_up.answered_at is not None]
    return quantiles(times_ms, p50=0.5, p95=0.95, p99=0.99, max=1.0)


def repeated_invites(trace: str, set_ups: Sequence[SetUp]) -> int:
    """INVITEs in SIPp's trace beyond the first of each call."""
    return trace.count("\tINVITE sip:") - len(set_ups)


def _notes(status: int, directory: Path) -> tuple[str, ...]:
    if not status:
        return ()
    errors = directory / "errors.txt"
    lines = errors.read_text(errors="replace").splitlines() if errors.exists() else []
    reason = sipp.EXIT_REASONS.get(status, f"exit status {status}")
    return (f"SIPp: {reason}", *[line for line in lines if line.strip()][:3])


def print_outcome(console: Console, outcome: Outcome) -> None:
    """The figures as a table of two columns."""
    table = Table(title=f"{outcome.calls_per_second} calls a second for {outcome.seconds:g} s", show_header=False)
    times = outcome.setup_ms
    for title, value in (
        ("calls", f"{outcome.calls}"),
        ("calls failed", f"{outcome.calls_failed}"),
        ("calls a second, reached", f"{outcome.reached_calls_per_second or 0:.2f}"),
        ("INVITE to 200 p50/p95, ms", "-" if times is None else f"{times['p50']:.2f} / {times['p95']:.2f}"),
        ("INVITE to 200 p99/max, ms", "-" if times is None else f"{times['p99']:.2f} / {times['max']:.2f}"),
        ("INVITEs repeated", f"{outcome.invites_repeated}"),
        ("gateway's CPU, ms a call", f"{outcome.gateway_cpu_ms_per_call:.2f}"),
        ("provider's CPU, ms a call", f"{outcome.provider_cpu_ms_per_call:.2f}"),
        ("gateway's memory grew by, kB", f"{outcome.gateway_rss_growth_kb}"),
        ("other programs and SIPp, % of a core", f"{outcome.bystanders_cpu_pct:.0f}"),
    ):
        table.add_row(title, value)
    console.print(table)
    for note in outcome.notes:
        console.print(note, style="yellow", highlight=False, markup=False)
