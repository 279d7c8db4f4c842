"""Compiles the C echo with the system's compiler, once, into the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from gateway.base.errors import GatewayError

SOURCE = Path(__file__).with_name("echo.c")
FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror")


class NoCompilerError(GatewayError):
    """There is no C compiler, or it refuses the source: the baseline is left out and the report says so."""


def cache_directory() -> Path:
    """Where the compiled echo is kept (XDG Base Directory)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "inworld-sip-gateway"


def compile_echo(directory: Path | None = None) -> Path:
    """The path of the program, compiled now unless this very source was before. Safe beside another run."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise NoCompilerError("no C compiler found as `cc`; install gcc to see the C echo beside the gateway")
    target_directory = directory or cache_directory()
    target_directory.mkdir(parents=True, exist_ok=True)
    program = target_directory / f"echo-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}"
    if not program.exists():
        _compile(compiler, program)
    return program


def _compile(compiler: str, program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        fresh = Path(scratch) / "echo"
        command = [compiler, *FLAGS, "-o", str(fresh), str(SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise NoCompilerError(f"{compiler} refused {SOURCE.name}: {done.stderr.strip()}")
        fresh.replace(program)  # atomic: another run sees the whole program or none
