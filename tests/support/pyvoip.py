"""pyVoIP as a telephone, in a process and an environment of its own (tests/interop/pyvoip_phone.py)."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.measure.g711 import Samples
from tests.support.network import free_udp_port

ROOT = Path(__file__).parents[2]
PHONE = ROOT / "tests" / "interop" / "pyvoip_phone.py"
INDEX_UNREACHABLE = 69


def pyvoip_python() -> Path:
    """The interpreter of the environment, which is made when it is not there; skips where it cannot be."""
    made = subprocess.run([ROOT / "tests" / "pyvoip_env.sh"], capture_output=True, text=True, check=False)
    if made.returncode == INDEX_UNREACHABLE and os.environ.get("CI") != "true":
        pytest.skip("tests/pyvoip_env.sh could not install pyVoIP: " + made.stderr.strip()[-200:])
    assert made.returncode == 0, made.stdout + made.stderr
    return ROOT / ".venv-pyvoip" / "bin" / "python"


class PyVoipPhone:
    """Registers at once; ``events`` is what it told so far."""

    def __init__(  # what a telephone needs to know
        self,
        python: Path,
        directory: Path,
        *,
        registrar: tuple[str, int],
        account: tuple[str, str],
        address: str,
        voice: Samples,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        (directory / "voice.u8").write_bytes(_to_unsigned(voice))
        ports = (free_udp_port(address), random.randrange(33000, 60000, 100))
        words = [*registrar, *account, address, *ports]
        self._errors = (directory / "phone.err").open("wb")
        self._output = (directory / "phone.out").open("wb")
        self._process = subprocess.Popen(
            [str(python), "-W", "ignore", str(PHONE), *map(str, words)],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._errors,
            text=True,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )

    @property
    def events(self) -> list[dict[str, Any]]:
        lines = (self._directory / "phone.out").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def command(self, line: str) -> None:
        """``call NUMBER``, ``hangup`` or ``quit``."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait_for(self, event: str, count: int = 1, timeout_s: float = 20.0) -> dict[str, Any]:
        """Waits until something has happened so often; returns the last time."""
        deadline = time.monotonic() + timeout_s
        while len(found := [one for one in self.events if one["event"] == event]) < count:
            errors = (self._directory / "phone.err").read_text()[-1500:]
            assert self._process.poll() is None, f"pyVoIP ended\n{errors}"
            assert time.monotonic() < deadline, f"pyVoIP said only {self.events}\n{errors}"
            time.sleep(0.02)
        return found[-1]

    def heard(self) -> Samples:
        """What pyVoIP read from its calls, one after the other."""
        octets = np.frombuffer((self._directory / "heard.u8").read_bytes(), dtype=np.uint8)
        return ((octets.astype(np.int16) - 128) * 256).astype(np.int16)

    def stop(self) -> None:
        """Lets it unregister; ends it when it does not."""
        try:
            if self._process.poll() is None:
                self.command("quit")
                self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            for stream in (self._errors, self._output, self._process.stdin):
                if stream is not None:
                    stream.close()


def _to_unsigned(samples: Samples) -> bytes:
    return ((samples.astype(np.int32) // 256) + 128).astype(np.uint8).tobytes()
