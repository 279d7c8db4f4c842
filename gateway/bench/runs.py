"""The three runs that are measured: the whole gateway, the C echo, the naive asyncio bridge."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gateway.bench import c_echo, sipp
from gateway.bench.measurement import (
    Measurement,
    Window,
    take_delivery,
    take_greetings,
    take_round_trips,
    take_set_ups,
    take_turns,
)
from gateway.bench.stage import (
    SETTLE_S,
    LoadPlan,
    Provider,
    Watched,
    end_meter,
    greeting_samples,
    ports_of,
    start_meter,
    start_provider,
)
from gateway.measure import packet_log, rig
from gateway.measure.packet_log import CallPackets
from gateway.measure.processes import ChildProcess, ProcessFailedError

AGENT = {"session": {"instructions": "You are measured."}, "greeting": {"instructions": "Greet the caller."}}


def measure_gateway(plan: LoadPlan) -> Measurement:
    """SIPp calls the gateway; the meter is the callers' audio; the emulator is the provider."""
    plan = plan.within("gateway")
    site = rig.choose_site(plan.calls)
    row = Measurement(plan.calls, plan.seconds)
    provider = start_provider(plan)
    with provider.process:
        settings = rig.gateway_settings(site, provider_url=provider.url, calls=plan.calls, agent=AGENT)
        with rig.start_gateway(settings, site, plan.directory) as gateway:
            window = _call_the_gateway(plan, row, site, gateway, provider)
        record = provider.end()
    calls = packet_log.load(plan.directory / "packets")
    take_delivery(row, calls, window)
    take_turns(row, calls, record)
    take_greetings(row, calls, greeting_samples())
    take_set_ups(row, calls, sipp.read_set_ups(_read(plan.directory / sipp.TRACE_NAME)))
    return row


def _call_the_gateway(
    plan: LoadPlan, row: Measurement, site: rig.Site, gateway: ChildProcess, provider: Provider
) -> Window:
    rss_before_kb = gateway.rss_kb()
    address = rig.loopback_address()
    with start_meter(plan, address) as meter:
        with start_sipp(plan, site, address, ports_of(meter), hold_s=plan.hold_s) as exchange:
            _wait_until_answered(plan, exchange)
            time.sleep(SETTLE_S)
            window = Watched(gateway, meter, provider.process, rss_before_kb).watch(row, plan.seconds)
            status = exchange.wait(plan.hold_s + plan.ramp_s + 45)
        end_meter(meter)
    if status:
        reason = sipp.EXIT_REASONS.get(status, f"exit status {status}")
        row.notes.append(f"SIPp: {reason}{_first_error(plan.directory)}")
    return window


def start_sipp(plan: LoadPlan, site: rig.Site, listener: str, ports: list[int], *, hold_s: float) -> ChildProcess:
    """SIPp, calling with these ports of ``listener`` in its SDP, each call for ``hold_s``."""
    sipp.write_ports(plan.directory / "ports.csv", listener, ports)
    command = sipp.sipp_command(
        sipp.require_sipp(),
        target=site.sip,
        local_address=rig.loopback_address(),
        calls=plan.calls,
        calls_per_second=plan.calls_per_second,
        hold_s=hold_s,
        ports_file=plan.directory / "ports.csv",
    )
    return ChildProcess("sipp", command, plan.directory)


def measure_echo(plan: LoadPlan) -> Measurement:
    """The C echo: the RTP alone."""
    plan = plan.within("echo")
    program = c_echo.compile_echo()
    with ChildProcess("echo", [program, str(plan.calls), "127.0.0.1"], plan.directory) as echo:
        row, calls, window = _measure_without_sip(plan, echo, None)
    take_delivery(row, calls, window)
    take_round_trips(row, calls, window)
    row.notes.append("it talks to no provider and has no SIP: uplink_added_ms, barge_in_ms, setup_ms do not exist")
    return row


def measure_naive(plan: LoadPlan) -> Measurement:
    """The naive asyncio bridge: RTP to the provider and back, without SIP."""
    plan = plan.within("naive")
    provider = start_provider(plan)
    with provider.process:
        command = [sys.executable, "-m", "gateway.bench.naive", "--calls", plan.calls, "--provider", provider.url]
        with ChildProcess("naive", [str(word) for word in command], plan.directory) as naive:
            row, calls, window = _measure_without_sip(plan, naive, provider)
        record = provider.end()
    take_delivery(row, calls, window)
    take_turns(row, calls, record)
    take_greetings(row, calls, greeting_samples())
    row.notes.append("it has no SIP: setup_ms does not exist for it")
    return row


def _measure_without_sip(
    plan: LoadPlan, subject: ChildProcess, provider: Provider | None
) -> tuple[Measurement, list[CallPackets], Window]:
    row = Measurement(plan.calls, plan.seconds)
    targets = ports_of(subject)
    rss_before_kb = subject.rss_kb()
    with start_meter(plan, "127.0.0.1", targets) as meter:
        ports_of(meter)
        time.sleep(2 + SETTLE_S)
        process = provider.process if provider is not None else None
        window = Watched(subject, meter, process, rss_before_kb).watch(row, plan.seconds)
        end_meter(meter)
    subject.end_input()
    subject.wait(20)
    return row, packet_log.load(plan.directory / "packets"), window


def _wait_until_answered(plan: LoadPlan, exchange: ChildProcess) -> None:
    """Until every call is answered or the time for it is over; those not answered count as failed later."""
    deadline = time.monotonic() + plan.ramp_s
    while time.monotonic() < deadline:
        set_ups = sipp.read_set_ups(_read(plan.directory / sipp.TRACE_NAME))
        if sum(set_up.answered_at is not None for set_up in set_ups) == plan.calls:
            return
        if not exchange.is_running:
            raise ProcessFailedError(f"SIPp ended before its calls were up{_first_error(plan.directory)}")
        time.sleep(0.1)


def _first_error(directory: Path) -> str:
    lines = [line for line in _read(directory / "errors.txt").splitlines() if line.strip()]
    return f" ({lines[0]})" if lines else ""


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
