"""Child processes of the bench: started with their output in files, asked what they cost, ended by their own pid.

CPU and memory are read from /proc (Linux): user plus system time of the process and of its living descendants.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.base.errors import GatewayError

_TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


class ProcessFailedError(GatewayError):
    """A child ended too early, did not become ready, or ended badly. Carries the end of what it printed."""


class ChildProcess:
    """One child. Its standard output and error are ``NAME.out`` and ``NAME.err`` in the directory given."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        directory: Path,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.output_path = directory / f"{name}.out"
        self.error_path = directory / f"{name}.err"
        with self.output_path.open("wb") as output, self.error_path.open("wb") as error:
            self._process = subprocess.Popen(  # noqa: S603 - commands are ours
                [str(word) for word in command],
                cwd=directory,
                env={**os.environ, **(environ or {})},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=error,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """Everything it printed so far."""
        return self.output_path.read_text(errors="replace")

    @property
    def errors(self) -> str:
        """Everything it wrote to its standard error so far."""
        return self.error_path.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def first_line(self, timeout_s: float = 15.0) -> str:
        """Waits for one whole line of output and returns it."""
        deadline = time.monotonic() + timeout_s
        while "\n" not in self.output:
            self.expect_running()
            if time.monotonic() > deadline:
                raise ProcessFailedError(self._say("printed nothing"))
            time.sleep(0.01)
        return self.output.split("\n", 1)[0]

    def expect_running(self) -> None:
        """Raises with the end of its output when it has ended."""
        if not self.is_running:
            raise ProcessFailedError(self._say(f"ended with {self._process.returncode}"))

    def end_input(self) -> None:
        """Closes its standard input."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()

    def wait(self, timeout_s: float) -> int:
        """Its exit status; raises when it takes longer."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ProcessFailedError(self._say(f"did not end within {timeout_s:g} s")) from None

    def stop(self, timeout_s: float = 5.0) -> int:
        """SIGTERM, then SIGKILL after ``timeout_s``; its exit status. Harmless when it has ended already."""
        self.end_input()
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def cpu_us(self) -> int:
        """CPU time used so far, µs, with that of its living descendants."""
        return sum(_cpu_us(pid) for pid in family_of(self.pid))

    def rss_kb(self) -> int:
        """Resident memory now, kB, with that of its living descendants."""
        return sum(_rss_kb(pid) for pid in family_of(self.pid))

    def _say(self, what: str) -> str:
        tail = (self.errors or self.output)[-2000:]
        return f"{self.name} (pid {self.pid}) {what}" + (f":\n{tail}" if tail else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def machine_busy_us() -> int:
    """CPU time that the whole machine has used since it started, µs: everything but idling and waiting for disks."""
    user, nice, system, _, _, interrupts, soft_interrupts, *_ = (
        int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + interrupts + soft_interrupts) * _TICK_US


def family_of(pid: int) -> list[int]:
    """A process and all its descendants that live."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent_of(int(entry.name))) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    family = [pid]
    for member in family:
        family.extend(children.get(member, []))
    return family


def _stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the command name; None when the process is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(")")[2].split()


def _parent_of(pid: int) -> int | None:
    fields = _stat_fields(pid)
    return None if fields is None else int(fields[1])


def _cpu_us(pid: int) -> int:
    fields = _stat_fields(pid)
    return 0 if fields is None else (int(fields[11]) + int(fields[12])) * _TICK_US


def _rss_kb(pid: int) -> int:
    fields = _stat_fields(pid)
    return 0 if fields is None else int(fields[21]) * _PAGE_KB
