from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from gateway.measure.processes import ChildProcess, ProcessFailedError, family_of, machine_busy_us


def python(name: str, program: str, directory: Path) -> ChildProcess:
    return ChildProcess(name, [sys.executable, "-u", "-c", program], directory)


def test_a_child_is_read_and_ended_by_its_pid(tmp_path: Path) -> None:
    with python("talker", "print('ready'); input()", tmp_path) as child:
        assert child.first_line() == "ready"
        assert child.is_running
        assert family_of(child.pid) == [child.pid]
        pid = child.pid
    assert not Path(f"/proc/{pid}").exists()


def test_a_child_that_ends_with_its_input_need_not_be_killed(tmp_path: Path) -> None:
    child = python("reader", "import sys; sys.stdin.read(); sys.exit(7)", tmp_path)
    child.end_input()
    assert child.wait(10) == 7
    assert child.stop() == 7


def test_a_child_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    child = python("deaf", program, tmp_path)
    child.first_line()
    assert child.stop(timeout_s=0.2) == -9


def test_what_a_child_says_when_it_fails_is_in_the_error(tmp_path: Path) -> None:
    child = python("broken", "raise SystemExit('no such trunk')", tmp_path)
    with pytest.raises(ProcessFailedError, match="no such trunk"):
        child.first_line()
    assert child.wait(5) == 1


def test_a_child_that_does_not_end_is_reported(tmp_path: Path) -> None:
    with python("slow", "input()", tmp_path) as child, pytest.raises(ProcessFailedError, match="did not end"):
        child.wait(0.05)


def test_cpu_time_counts_descendants_and_memory_is_there(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-u', '-c',"
        " 'import time\\nend = time.process_time() + 0.3\\nwhile time.process_time() < end: pass\\n"
        "print(1, flush=True)\\ninput()'],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print('ready'); input(); child.kill()"
    )
    with python("parent", program, tmp_path) as child:
        child.first_line()
        assert len(family_of(child.pid)) == 2
        assert child.cpu_us() >= 280_000
        assert child.rss_kb() > 5000


def test_the_machine_is_at_least_as_busy_as_we_are() -> None:
    before_us = machine_busy_us()
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    assert machine_busy_us() - before_us >= 150_000


def test_a_process_that_is_gone_costs_nothing() -> None:
    started = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(started, 0)
    time.sleep(0)
    assert family_of(started) == [started]
