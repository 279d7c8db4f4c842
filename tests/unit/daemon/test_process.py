"""The process and its signals, in this process: SIGHUP reads the file again, SIGTERM ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.daemon import process
from gateway.daemon.process import serve_forever
from gateway.settings.load import load_settings

FILE = """\
node: {{max_calls: 10}}
sip: {{listen: ["udp://127.0.0.1:0"]}}
media: {{ports: 32000-32039}}
inworld: {{api_key: ""}}
trunks: {{local: {{accept_from: [127.0.0.0/8]}}}}
agents: {{receptionist: {{}}}}
routes: [{{agent: receptionist}}]
control: {{listen: "127.0.0.1:{port}", keys: {keys}}}
"""
TOKEN = "a-token-of-sixteen-characters"
KEYS = f"[{{name: me, token: {TOKEN}, role: viewer}}]"


def free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The process calms the collector for good; the other tests want it as it was."""
    thresholds, handler = gc.get_threshold(), signal.getsignal(signal.SIGHUP)
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    signal.signal(signal.SIGHUP, handler)


async def test_sighup_takes_a_sound_file_and_leaves_a_faulty_one_and_sigterm_ends(tmp_path: Path) -> None:
    port, file = free_tcp_port(), tmp_path / "gateway.yaml"
    file.write_text(FILE.format(port=port, keys="[]"))
    serving = asyncio.create_task(serve_forever(load_settings(file, {}), file))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:

        async def comes(status: int, limit_s: float = 10.0) -> bool:
            async with asyncio.timeout(limit_s):
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        if (await http.get("/v1/calls")).status_code == status:
                            return True
                    await asyncio.sleep(0.05)

        assert await comes(403), "without keys the REST API is closed"
        file.write_text(FILE.format(port=port, keys=KEYS))
        os.kill(os.getpid(), signal.SIGHUP)
        assert await comes(200)
        for faulty in ("nonsense: true", FILE.format(port=port, keys="[]").replace("receptionist: {}", "x: {}")):
            file.write_text(faulty)
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.2)
            assert await comes(200, 1.0), "a faulty file changes nothing"
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 10)


@pytest.mark.parametrize(
    ("had", "asked"),
    [((1024, 20_000), (20_000, 20_000)), ((1024, -1), (65_536, -1)), ((-1, -1), None), ((70_000, 80_000), None)],
)
def test_strangers_connections_take_no_files_from_the_calls(
    had: tuple[int, int], asked: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1024 files, the usual limit, are gone with the connections of six hosts."""
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: had)
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: seen.append(limits))
    process._allow_files()
    assert seen == ([] if asked is None else [asked])
