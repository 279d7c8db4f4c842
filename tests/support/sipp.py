"""Runs SIPp in a directory of its own, where its audio files have fixed names.

What it does is a file of tests/interop/sipp, or a scenario written step by step (tests/support/sipp_scenario.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.measure.processes import ChildProcess
from tests.support.network import free_sip_port
from tests.support.sipp_scenario import Scenario

TRANSPORTS = {"UDP": "u1", "TCP": "t1", "TLS": "t1"}
"""SIPp's own names. Debian's build has no TLS: it speaks TCP to a relay (tests/support/socat.py)."""

SCENARIOS = Path(__file__).parents[1] / "interop" / "sipp"


class Sipp:
    """One SIPp process on a loopback address of its own."""

    def __init__(  # what a run of SIPp is made of
        self,
        scenario: str | Scenario,
        directory: Path,
        *,
        address: str,
        target: tuple[str, int] | None = None,
        local_port: int | None = None,
        calls: int = 1,
        calls_per_second: int = 10,
        timeout_s: int = 40,
        transport: str = "UDP",
        audio: Mapping[str, bytes] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in (audio or {}).items():
            (directory / name).write_bytes(content)
        self.trace_path = directory / "messages.log"
        where = [f"{target[0]}:{target[1]}"] if target else []
        numbers = {"-m": calls, "-l": max(calls, 1), "-r": calls_per_second, "-p": local_port or free_sip_port(address)}
        words = [str(word) for pair in numbers.items() for word in pair]
        files = ["-trace_msg", "-message_file", "messages.log", "-trace_err", "-error_file", "errors.log"]
        limits = ["-timeout", f"{timeout_s}s", "-timeout_error", "-nostdin", "-bind_local"]
        path = (
            SCENARIOS / f"{scenario}.xml" if isinstance(scenario, str) else scenario.write(directory / "scenario.xml")
        )
        source = ["-sf", str(path), "-i", address, "-mi", address, "-t", TRANSPORTS[transport]]
        self.process = ChildProcess("sipp", ["sipp", *where, *source, *words, *files, *limits, *options], directory)
        self._timeout_s = timeout_s
        self._errors_path = directory / "errors.log"

    def expect_success(self) -> None:
        """Waits for the end; every call must have gone as its scenario says."""
        status = self.process.wait(self._timeout_s + 10)
        assert status == 0, (
            f"SIPp ended with {status}\n{self.errors}\n{self.process.errors[-1500:]}\n{self.trace[-6000:]}"
        )

    @property
    def errors(self) -> str:
        return self._errors_path.read_text(errors="replace") if self._errors_path.exists() else ""

    @property
    def trace(self) -> str:
        return self.trace_path.read_text(errors="replace") if self.trace_path.exists() else ""

    def stop(self) -> None:
        self.process.stop()
