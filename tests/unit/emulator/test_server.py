from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from gateway.base.errors import GatewayError, SettingsError
from gateway.emulator.server import Emulator, run_emulator, split_listen


async def test_it_listens_where_it_is_told_and_stops_twice() -> None:
    emulator = Emulator()
    await emulator.start()
    assert emulator.port > 0
    assert emulator.url == f"ws://127.0.0.1:{emulator.port}/api/v1/realtime/session"
    second = Emulator(port=emulator.port)
    with pytest.raises(OSError, match="address"):
        await second.start()
    await emulator.stop()
    await emulator.stop()


async def test_an_ipv6_address_is_bracketed_in_the_url() -> None:
    assert Emulator(host="::1", port=1234).url == "ws://[::1]:1234/api/v1/realtime/session"


async def test_waiting_has_an_end() -> None:
    emulator = Emulator()
    with pytest.raises(TimeoutError):
        await emulator.wait_until(lambda: False, timeout_s=0.01)
    await emulator.wait_until(lambda: True, timeout_s=0.01)


async def test_running_serves_until_it_is_cancelled() -> None:
    task = asyncio.create_task(run_emulator("127.0.0.1:0"))
    done, _ = await asyncio.wait([task], timeout=0.2)
    assert not done
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_taken_port_is_named_with_a_remedy() -> None:
    async with Emulator() as first:
        listen = f"127.0.0.1:{first.port}"
        words = f"--listen: cannot listen on {listen}: address already in use; stop what uses it or give another"
        with pytest.raises(GatewayError, match=f"^{re.escape(words)}$"):
            await run_emulator(listen)


async def test_a_foreign_address_is_no_surprise_either() -> None:
    with pytest.raises(GatewayError, match=r"on 203\.0\.113\.9:0: cannot assign requested address; "):
        await run_emulator("203.0.113.9:0")
    with pytest.raises(GatewayError, match=r"on no-such-host\.invalid:0: [a-z ]+; "):
        await run_emulator("no-such-host.invalid:0")


async def test_a_faulty_scenario_is_reported_before_listening(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("greting: {}\n")
    with pytest.raises(SettingsError, match="greting"):
        await run_emulator("127.0.0.1:0", tmp_path / "s.yaml")


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:8765", ("127.0.0.1", 8765)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:9000", ("::1", 9000)),
        ("9000", ("127.0.0.1", 9000)),
        (":9000", ("127.0.0.1", 9000)),
    ],
)
def test_an_address_without_a_host_is_this_machine(listen: str, expected: tuple[str, int]) -> None:
    assert split_listen(listen) == expected


@pytest.mark.parametrize("listen", ["", "localhost", "localhost:", "localhost:http", "::1:9000", "h:70000", "h:-1"])
def test_other_addresses_are_refused(listen: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        split_listen(listen)
