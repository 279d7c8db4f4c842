from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from gateway.bench import c_echo
from gateway.measure.processes import ChildProcess

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine")


@needs_compiler
def test_it_compiles_once_and_sends_every_packet_back(tmp_path: Path) -> None:
    program = c_echo.compile_echo(tmp_path)
    made = program.stat().st_mtime_ns
    assert c_echo.compile_echo(tmp_path).stat().st_mtime_ns == made
    assert [entry.name for entry in tmp_path.iterdir()] == [program.name]
    with ChildProcess("echo", [program, "3", "127.0.0.1"], tmp_path) as echo:
        ports = json.loads(echo.first_line())["ports"]
        assert len(set(ports)) == 3
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.settimeout(5)
            for port in ports:
                caller.sendto(b"packet %d" % port, ("127.0.0.1", port))
                assert caller.recvfrom(100) == (b"packet %d" % port, ("127.0.0.1", port))
        echo.end_input()
        assert echo.wait(5) == 0


def test_without_a_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(c_echo.NoCompilerError, match="install gcc"):
        c_echo.compile_echo(tmp_path)


def test_the_cache_follows_the_desktop_convention(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert c_echo.cache_directory() == tmp_path / "inworld-sip-gateway"
