"""What every run of the bench needs around its subject: the plan, the provider, the meter, and the window itself."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gateway.bench.measurement import Cost, Measurement, Window, take_bystanders, take_cost
from gateway.bench.provider import GREETING_WAV, scenario_for
from gateway.bench.provider_log import ProviderRecord, read_provider_log
from gateway.measure import g711, rig
from gateway.measure.processes import ChildProcess, machine_busy_us
from gateway.measure.wav import read_wav

TALK_OVER_EVERY = 4
"""Every fourth caller interrupts whatever it hears."""

SETTLE_S = 1.0
"""Between the last answer and the start of the window."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What was asked for, and where its files go."""

    calls: int
    seconds: float
    calls_per_second: int
    directory: Path

    @property
    def ramp_s(self) -> float:
        """Until the last call is answered, generously."""
        return self.calls / self.calls_per_second + 3.0

    @property
    def hold_s(self) -> float:
        """How long each call lasts: the first one must outlast the window."""
        return self.ramp_s + SETTLE_S + self.seconds + 1.0

    def within(self, name: str) -> LoadPlan:
        """The same plan with a fresh directory for one run."""
        directory = self.directory / name
        directory.mkdir()
        return replace(self, directory=directory)


@dataclass(frozen=True, slots=True)
class Provider:
    """The emulator in a process of its own, which also notes when it heard and said what."""

    process: ChildProcess
    log_path: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{json.loads(self.process.first_line())['port']}{rig.PROVIDER_PATH}"

    def end(self) -> ProviderRecord:
        """Lets it write its log, and reads that."""
        self.process.end_input()
        self.process.wait(20)
        with self.log_path.open() as lines:
            return read_provider_log(lines)


def start_provider(plan: LoadPlan) -> Provider:
    """Starts the emulator with the bench's scenario."""
    scenario = plan.directory / "scenario.yaml"
    scenario.write_text(json.dumps(scenario_for(plan.calls)))  # JSON is YAML
    log_path = plan.directory / "provider.jsonl"
    command = [sys.executable, "-m", "gateway.bench.provider", "--scenario", str(scenario), "--log", str(log_path)]
    return Provider(ChildProcess("provider", command, plan.directory), log_path)


def start_meter(plan: LoadPlan, address: str, targets: Sequence[int] = ()) -> ChildProcess:
    """The callers' audio; with target ports on 127.0.0.1 it speaks first."""
    options = {
        "--calls": plan.calls,
        "--address": address,
        "--out": plan.directory / "packets",
        "--targets": json.dumps([["127.0.0.1", port] for port in targets]),
        "--talk-over-every": TALK_OVER_EVERY,
    }
    words = [str(word) for pair in options.items() for word in pair]
    return ChildProcess("meter", [sys.executable, "-m", "gateway.bench.rtp_meter", *words], plan.directory)


def end_meter(meter: ChildProcess) -> None:
    """Lets it write its log."""
    meter.end_input()
    meter.wait(60)


def ports_of(child: ChildProcess) -> list[int]:
    """The ports that a child printed."""
    ports: list[int] = json.loads(child.first_line())["ports"]
    return ports


@dataclass(frozen=True, slots=True)
class Watched:
    """The processes whose CPU is read at both ends of the window."""

    subject: ChildProcess
    meter: ChildProcess
    provider: ChildProcess | None
    rss_before_kb: int

    def watch(self, row: Measurement, seconds: float) -> Window:
        """The window itself."""
        present = [child for child in (self.subject, self.meter, self.provider) if child is not None]
        start_ns, busy_before_us, before = time.time_ns(), machine_busy_us(), [child.cpu_us() for child in present]
        time.sleep(seconds)
        end_ns, busy_after_us, after = time.time_ns(), machine_busy_us(), [child.cpu_us() for child in present]
        self.subject.expect_running()
        used = [later - earlier for earlier, later in zip(before, after, strict=True)]
        window = Window(start_ns, end_ns)
        row.seconds = round(window.seconds, 2)
        cost = Cost(used[0], self.rss_before_kb, self.subject.rss_kb())
        take_cost(row, cost, used[2] if self.provider is not None else None, used[1])
        take_bystanders(row, busy_after_us - busy_before_us - sum(used))
        return window


def greeting_samples() -> g711.Samples:
    """What the callers must hear, from its first sound, at 8000 Hz."""
    samples = read_wav(GREETING_WAV)
    sounds = np.flatnonzero(np.abs(samples) > 100)
    return samples[sounds[0] :] if len(sounds) else samples
