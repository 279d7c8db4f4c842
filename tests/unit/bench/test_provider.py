from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from pathlib import Path

from websockets.asyncio.client import connect

from gateway.bench.marker import marked_silence
from gateway.bench.provider import GREETING_WAV, scenario_for
from gateway.bench.provider_log import read_provider_log
from gateway.emulator import load_scenario
from gateway.measure import g711, speech
from gateway.measure.processes import ChildProcess
from gateway.measure.rig import PROVIDER_KEY, PROVIDER_PATH


def append(audio: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()})


async def test_it_notes_marked_chunks_and_announced_interruptions(tmp_path: Path) -> None:
    scenario, log = tmp_path / "scenario.yaml", tmp_path / "log"
    scenario.write_text(json.dumps(scenario_for(2)))
    command = [sys.executable, "-m", "gateway.bench.provider", "--scenario", scenario, "--log", log]
    provider = ChildProcess("provider", [str(word) for word in command], tmp_path)
    try:
        port = json.loads(await asyncio.to_thread(provider.first_line))["port"]
        url = f"ws://127.0.0.1:{port}{PROVIDER_PATH}?key=one&protocol=realtime"
        async with connect(url, additional_headers={"Authorization": f"Basic {PROVIDER_KEY}"}) as session:
            pcmu = {"format": {"type": "audio/pcmu"}}
            update = {"type": "realtime", "audio": {"input": pcmu, "output": pcmu}}
            await session.send(json.dumps({"type": "session.update", "session": update}))
            before_ns = time.time_ns()
            await session.send(append(b"\xff" * 320 + marked_silence(1, 3)))
            await session.send(append(g711.encode(speech.synthesise(1.0))))
            async with asyncio.timeout(10):
                while json.loads(await session.recv())["type"] != "input_audio_buffer.speech_started":
                    pass
            after_ns = time.time_ns()
        provider.end_input()
        assert await asyncio.to_thread(provider.wait, 10) == 0
    finally:
        await asyncio.to_thread(provider.stop)
    record = read_provider_log(log.read_text().splitlines())
    assert list(record.append_ns) == [(1, 3)]
    (announced,) = record.speech_started_ns[1]
    assert before_ns < record.append_ns[1, 3] < announced < after_ns


def test_its_scenario_is_one_the_emulator_takes(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(json.dumps(scenario_for(50)))
    assert load_scenario(tmp_path / "scenario.yaml").limits.max_sessions >= 100
    assert GREETING_WAV.is_file()
