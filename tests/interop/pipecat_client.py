"""A Pipecat bot around the unchanged InworldRealtimeLLMService, talking to whatever realtime service it is pointed at.

Runs in the environment that tests/pipecat_env.sh makes, not in the project's:

    .venv-pipecat/bin/python tests/interop/pipecat_client.py URL QUESTION.wav SECOND.wav INTERRUPTION.wav OUTPUT_DIR

It waits for the greeting, asks the first question, hears the answer, asks the second one, lets 1.5 s of that answer
come in and then speaks over it. The microphone runs in real time from beginning to end, with silence between the
questions. What was heard of each response goes to OUTPUT_DIR/response-N.wav; a JSON summary goes to standard output.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path

from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.inworld.realtime.llm import InworldRealtimeLLMService
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.workers.runner import WorkerRunner

MICROPHONE_HZ = 8000
SPEAKER_HZ = 24000
FRAME_S = 0.02
INTERRUPT_AFTER_S = 1.5
DEADLINE_S = 60


@dataclass
class Heard:
    """One response as it came out of the service."""

    audio: bytearray = field(default_factory=bytearray)
    text: str = ""
    is_over: bool = False

    @property
    def audio_ms(self) -> float:
        return len(self.audio) / 2 / SPEAKER_HZ * 1000


class Ear(FrameProcessor):
    """Stands behind the service and notes what comes out of it, downstream and upstream."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self._log.note(frame)
        await self.push_frame(frame, direction)


class Log:
    def __init__(self) -> None:
        self.responses: list[Heard] = []
        self.user_texts: list[str] = []
        self.interruptions: list[dict[str, float]] = []
        self.errors: list[str] = []
        self._changed = asyncio.Event()
        self._seen: set[int] = set()

    def note(self, frame: Frame) -> None:
        if frame.id in self._seen:  # the two ears share frames that are broadcast
            return
        self._seen.add(frame.id)
        current = self.responses[-1] if self.responses else None
        if isinstance(frame, LLMFullResponseStartFrame):
            if current is None or current.is_over:
                self.responses.append(Heard())
        elif isinstance(frame, TTSAudioRawFrame) and current:
            current.audio += frame.audio
        elif isinstance(frame, TTSTextFrame) and current:
            current.text += frame.text
        elif isinstance(frame, LLMFullResponseEndFrame) and current:
            current.is_over = True
        elif isinstance(frame, InterruptionFrame):
            heard_ms = current.audio_ms if current else 0.0
            self.interruptions.append({"response": len(self.responses), "heard_ms": heard_ms})
        elif isinstance(frame, TranscriptionFrame):
            self.user_texts.append(frame.text)
        elif isinstance(frame, ErrorFrame):
            self.errors.append(frame.error)
        self._changed.set()

    async def wait_until(self, condition) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


class Microphone:
    """Pushes a 20 ms frame every 20 ms: speech where there is some, silence elsewhere."""

    def __init__(self, worker: PipelineWorker) -> None:
        self._worker = worker
        self._speech = bytearray()

    def say(self, samples: bytes) -> None:
        self._speech += samples

    async def run(self) -> None:
        frame_bytes = int(MICROPHONE_HZ * FRAME_S) * 2
        due = time.monotonic()
        while True:
            audio = bytes(self._speech[:frame_bytes]).ljust(frame_bytes, b"\0")
            del self._speech[:frame_bytes]
            frame = InputAudioRawFrame(audio=audio, sample_rate=MICROPHONE_HZ, num_channels=1)
            await self._worker.queue_frame(frame)
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def converse(url: str, voices: list[bytes], output: Path) -> Log:
    log = Log()
    service = InworldRealtimeLLMService(api_key="dGVzdDp0ZXN0", base_url=url)
    context = LLMContext([{"role": "user", "content": "Say hello to the caller."}])
    aggregators = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
    )
    pipeline = Pipeline([aggregators.user(), Ear(log), service, Ear(log), aggregators.assistant()])
    params = PipelineParams(audio_in_sample_rate=MICROPHONE_HZ, audio_out_sample_rate=SPEAKER_HZ)
    worker = PipelineWorker(pipeline, params=params, enable_rtvi=False, cancel_on_idle_timeout=False)
    started = asyncio.Event()
    worker.add_event_handler("on_pipeline_started", lambda *_: started.set())

    async def script() -> None:
        await started.wait()
        microphone = Microphone(worker)
        microphone_task = asyncio.create_task(microphone.run())
        await worker.queue_frame(LLMRunFrame())
        await log.wait_until(lambda: len(log.responses) == 1 and log.responses[0].is_over)
        await asyncio.sleep(0.5)
        microphone.say(voices[0])
        await log.wait_until(lambda: len(log.responses) == 2 and log.responses[1].is_over)
        microphone.say(voices[1])
        await log.wait_until(lambda: len(log.responses) == 3 and log.responses[2].audio)
        await asyncio.sleep(INTERRUPT_AFTER_S)
        microphone.say(voices[2])
        await log.wait_until(lambda: len(log.responses) == 4 and log.responses[3].is_over)
        microphone_task.cancel()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner()
    await runner.add_workers(worker)
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(runner.run(), script())
    for number, heard in enumerate(log.responses, start=1):
        write_wav(output / f"response-{number}.wav", bytes(heard.audio))
    return log


def read_voice(path: Path) -> bytes:
    with wave.open(str(path), "rb") as source:
        assert (source.getframerate(), source.getsampwidth(), source.getnchannels()) == (MICROPHONE_HZ, 2, 1)
        return source.readframes(source.getnframes())


def write_wav(path: Path, audio: bytes) -> None:
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(SPEAKER_HZ)
        target.writeframes(audio)


def main() -> None:
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    url, *voices, output = sys.argv[1:]
    log = asyncio.run(converse(url, [read_voice(Path(voice)) for voice in voices], Path(output)))
    summary = {
        "responses": [{"audio_ms": heard.audio_ms, "text": heard.text} for heard in log.responses],
        "user_texts": log.user_texts,
        "interruptions": log.interruptions,
        "errors": log.errors,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
