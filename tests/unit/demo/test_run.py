"""The demo is the product's first impression: all of it, as `make demo` runs it, twice beside each other."""

from __future__ import annotations

import asyncio
import sys
import wave
from pathlib import Path

import numpy as np

STEPS = ("call answered", "greeting heard", "question understood", "answer heard", "nothing left behind")


async def run(out: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", "demo", "--out", str(out)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"COLUMNS": "200", "PATH": ""},
    )
    output, _ = await process.communicate()
    return await process.wait(), output.decode()


async def test_two_demos_beside_each_other_complete_and_leave_recordings(tmp_path: Path) -> None:
    async with asyncio.timeout(90):
        results = await asyncio.gather(run(tmp_path / "one"), run(tmp_path / "two"))
    for code, output in results:
        assert code == 0, output
        for step in STEPS:
            assert step in output
        assert "NO" not in output
    for name in ("one", "two"):
        with wave.open(str(tmp_path / name / "conversation.wav")) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, 8000)
            stereo = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
        loud = np.abs(stereo.astype(int)).max(axis=0)
        assert loud.min() > 2000, "both sides are heard"
        assert (tmp_path / name / "turns.png").stat().st_size > 5000


async def test_a_folder_that_cannot_be_written_is_told_before_the_conversation() -> None:
    code, output = await run(Path("/proc/no-such-folder"))
    assert code == 1
    assert "--out /proc/no-such-folder: cannot be written" in output
    assert "calling" not in output
