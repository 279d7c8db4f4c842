"""The three commands in a process of their own, against a whole gateway that dials a real telephone."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.rest import CONTROL, TOKENS, dialling_trunks
from tests.support.stage import GREETING, Stage


async def run(*words: str, url: str, token: str = TOKENS["operator"]) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"GATEWAY_URL": url, "GATEWAY_TOKEN": token, "COLUMNS": "200"},
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@asynccontextmanager
async def gateway() -> AsyncIterator[tuple[Stage, str]]:
    async with Stage(GREETING, trunks=dialling_trunks(), control=CONTROL) as stage:
        yield stage, f"http://{stage.gateway.control.address}"


async def test_call_follow_shows_the_life_of_the_call_and_exits_with_0() -> None:
    async with gateway() as (stage, url):
        following = asyncio.create_task(run("call", stage.phone.uri, "--follow", "--var", "name=Ada", url=url))
        await stage.phone.wait_offered(20)
        stage.phone.ring()
        stage.phone.accept()
        await stage.phone.wait_until(lambda: len(stage.phone.heard) > 20, 5)
        stage.phone.hang_up()
        code, out, err = await following
        assert (code, err) == (0, "")
        names = [line.split()[2] for line in out.splitlines()[1:]]
        assert [name for name in names if name.startswith("call.")] == [
            "call.queued",
            "call.dialing",
            "call.ringing",
            "call.answered",
            "call.ended",
        ]


async def test_a_busy_callee_is_exit_10_with_the_sip_words() -> None:
    async with gateway() as (stage, url):
        following = asyncio.create_task(run("call", stage.phone.uri, "--follow", url=url))
        await stage.phone.wait_offered(20)
        stage.phone.refuse(486, "Busy Here")
        code, out, _ = await following
        assert code == 10
        assert "busy (486 Busy Here)" in out


async def test_calls_and_hangup() -> None:
    async with gateway() as (stage, url):
        code, out, _ = await run("call", stage.phone.uri, url=url)
        call_id = out.strip()
        assert (code, call_id[:2]) == (0, "c-")
        code, out, _ = await run("calls", url=url)
        assert code == 0
        assert call_id in out
        code, out, _ = await run("hangup", call_id, url=url)
        assert (code, out.strip()) == (0, f"{call_id}: api")


async def test_what_the_gateway_refuses_is_one_line_and_exit_2() -> None:
    async with gateway() as (stage, url):
        code, _, err = await run("call", "+99155501", url=url)
        assert code == 2
        assert "trunks.allow_destinations" in err
        code, _, err = await run("calls", url=url, token="")
        assert code == 2
        assert err.endswith("set GATEWAY_TOKEN\n")
        code, _, err = await run("call", "1", "--var", "x", url=url)
        assert (code, err.count("\n")) == (2, 1)
        assert stage.gateway.directory.live == 0
