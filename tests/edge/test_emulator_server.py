"""The emulator on real loopback sockets, spoken to by a plain WebSocket client."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from gateway.emulator import Emulator, Scenario, SessionRecord, packaged_scenario
from gateway.emulator.audio import AudioFormat
from gateway.emulator.recordings import VOICES, rendered
from tests.support.waiting import until

QUESTION = Path(__file__).parents[2] / "gateway" / "demo" / "voices" / "question.wav"
PCMU = AudioFormat("pcmu", 8000)
SILENCE = b"\xff"
AUTHORIZATION = {"Authorization": "Basic a2V5OnNlY3JldA=="}
G711 = {"audio": {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}}}


class Client:
    """Sends events, streams audio in real time and keeps what arrives with its time."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self._arrived = asyncio.Event()

    async def send(self, event_type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": event_type, **fields}))

    async def speak(self, audio: bytes) -> None:
        due = time.monotonic()
        for start in range(0, len(audio), 480):
            await self.send("input_audio_buffer.append", audio=base64.b64encode(audio[start : start + 480]).decode())
            due += 0.06
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def read(self) -> None:
        try:
            async for frame in self.socket:
                assert isinstance(frame, str), "events come in text frames"
                self.events.append({**json.loads(frame), "_at": time.monotonic()})
                self._arrived.set()
        except ConnectionClosed:
            self._arrived.set()

    def of(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("type") == event_type]

    async def wait_for(self, event_type: str, count: int = 1, timeout_s: float = 10.0) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            while len(self.of(event_type)) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.of(event_type)[count - 1]

    def audio_of(self, response_id: str) -> bytes:
        deltas = [event for event in self.of("response.output_audio.delta") if event["response_id"] == response_id]
        return b"".join(base64.b64decode(event["delta"]) for event in deltas)


@asynccontextmanager
async def session(emulator: Emulator, **options: Any) -> AsyncIterator[Client]:
    uri = f"{emulator.url}?key={uuid.uuid4()}&protocol=realtime"
    async with connect(uri, additional_headers=AUTHORIZATION, compression=None, **options) as socket:
        client = Client(socket)
        reader = asyncio.create_task(client.read())
        try:
            yield client
        finally:
            reader.cancel()


def scenario(**fields: Any) -> Scenario:
    return Scenario.model_validate(fields)


async def test_a_whole_turn_is_heard_and_echoed() -> None:
    question = rendered(QUESTION, PCMU)
    async with Emulator(record=True) as emulator, session(emulator) as client:
        await client.wait_for("session.created")
        await client.send("session.update", session=G711)
        await client.wait_for("session.updated")
        await client.send("response.create")
        greeting = await client.wait_for("response.done")
        assert client.audio_of(greeting["response"]["id"]) == rendered(VOICES / "practice_greeting.wav", PCMU)
        await client.speak(SILENCE * 4000 + question + SILENCE * 8000)
        echo = await client.wait_for("response.done", count=2)
        assert question[800:-2400] in client.audio_of(echo["response"]["id"])

        record = emulator.sessions[0]
        assert record.caller_samples().tolist() == PCMU.decode(SILENCE * 4000 + question + SILENCE * 8000).tolist()
        assert len(record.turns) == 1
        assert record.authorization_scheme == "Basic"


async def test_speaking_over_the_agent_cuts_it_and_its_late_deltas_are_recognisable() -> None:
    rules = scenario(greeting={"say": "demo_long_answer", "speed": 2})
    async with Emulator(rules, record=True) as emulator, session(emulator) as client:
        await client.send("session.update", session=G711)
        await client.send("response.create")
        first = await client.wait_for("response.output_audio.delta")
        await client.speak(SILENCE * 4000 + rendered(QUESTION, PCMU))
        done = await client.wait_for("response.done")
        started = client.of("input_audio_buffer.speech_started")[0]
        assert done["response"]["status_details"]["reason"] == "turn_detected"
        between = client.events[client.events.index(started) : client.events.index(done)]
        assert [event["type"] for event in between].count("response.output_audio.delta") <= 1, "cut at once"

        def late() -> list[str]:
            events = client.events[client.events.index(done) :]
            return [event["response_id"] for event in events if event["type"] == "response.output_audio.delta"]

        await until(late)
        await asyncio.sleep(0.1)  # what is asked is that no further one comes
        assert late() == [first["response_id"]]
        produced_ms = len(client.audio_of(first["response_id"])) / 8
        assert produced_ms < 0.5 * len(rendered(VOICES / "demo_long_answer.wav", PCMU)) / 8

        item_id = first["item_id"]
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=500)
        await client.wait_for("conversation.item.truncated")
        assert emulator.sessions[0].truncations[0].produced_ms == produced_ms


async def test_audio_arrives_paced_but_faster_than_it_sounds() -> None:
    async with Emulator(scenario(greeting={"tone": {"hz": 440, "ms": 5000}})) as emulator, session(emulator) as client:
        await client.send("session.update", session=G711)
        await client.send("response.create")
        await client.wait_for("response.done")
        deltas = client.of("response.output_audio.delta")
        assert 0.8 < deltas[-1]["_at"] - deltas[0]["_at"] < 5.0
        assert len({len(event["delta"]) for event in deltas}) > len(deltas) / 2
        assert deltas[0]["_at"] - client.of("response.created")[0]["_at"] > 0.1
        samples = PCMU.decode(client.audio_of(deltas[0]["response_id"])).astype(float)
        assert np.argmax(np.abs(np.fft.rfft(samples))) / 5 == pytest.approx(440, abs=1)


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?key=a&protocol=realtime", {}, 401),
        ("?key=&protocol=realtime", AUTHORIZATION, 400),
        ("?key=a", AUTHORIZATION, 400),
    ],
)
async def test_upgrades_without_key_protocol_or_credentials_are_refused(
    query: str, headers: dict[str, str], status: int
) -> None:
    async with Emulator() as emulator:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(emulator.url + query, additional_headers=headers)
        assert refusal.value.response.status_code == status
        assert refusal.value.response.body.strip()
        assert emulator.refused_upgrades == {status: 1}
        assert emulator.live_sessions == 0


@pytest.mark.parametrize("status", [401, 429])
async def test_the_scenario_refuses_upgrades(status: int) -> None:
    async with Emulator(scenario(faults={"reject_upgrade": status})) as emulator:
        with pytest.raises(InvalidStatus) as refusal:
            async with session(emulator):
                pass
        assert refusal.value.response.status_code == status


async def test_a_session_above_the_limit_gets_429_until_one_has_closed() -> None:
    async with Emulator(scenario(limits={"max_sessions": 1})) as emulator:
        async with session(emulator) as client:
            await client.wait_for("session.created")
            with pytest.raises(InvalidStatus) as refusal:
                async with session(emulator):
                    pass
            assert refusal.value.response.status_code == 429
        await emulator.wait_until(lambda: emulator.live_sessions == 0)
        async with session(emulator) as client:
            await client.wait_for("session.created")
        await emulator.wait_until(lambda: emulator.sessions == [])  # nothing is kept without recording


async def test_credentials_refused_after_the_upgrade_close_the_socket() -> None:
    rules = scenario(faults={"refuse_after_upgrade": "invalid authorization credentials"})
    async with Emulator(rules) as emulator, session(emulator) as client:
        await client.wait_for("error")
        await client.socket.wait_closed()
        assert client.socket.close_code == 1008
        assert [event["type"] for event in client.events] == ["error"]


@pytest.mark.parametrize(("close_code", "seen"), [(None, 1006), (1011, 1011)])
async def test_the_socket_drops_in_the_middle_of_a_response(close_code: int | None, seen: int) -> None:
    drop = {"after": "response.output_audio.delta", "count": 4, "close_code": close_code}
    async with Emulator(scenario(faults={"drop_socket": drop}), record=True) as emulator, session(emulator) as client:
        await client.send("session.update", session=G711)
        await client.send("response.create")
        async with asyncio.timeout(5):
            await client.socket.wait_closed()
        assert client.socket.close_code == seen
        with pytest.raises(ConnectionClosedError):
            await client.socket.recv()
        await emulator.wait_until(lambda: not emulator.sessions[0].is_open)


async def test_messages_above_the_accounts_budget_are_dropped_and_announced() -> None:
    rules = scenario(limits={"max_messages_per_second": 20})
    async with Emulator(rules, record=True) as emulator, session(emulator) as client:
        await client.wait_for("session.created")
        for _ in range(40):
            await client.send("output_audio_buffer.clear")
        await emulator.wait_until(lambda: emulator.sessions[0].messages_refused == 20)
        await client.wait_for("output_audio_buffer.cleared", count=20)

        def notices() -> list[str]:
            return [event["errorType"] for event in client.events if "type" not in event]

        await until(notices)
        await (await client.socket.ping())  # behind whatever else was to be said
        assert notices() == ["SESSION_RESOURCES_EXHAUSTED"]


async def test_binary_frames_are_refused_without_harm() -> None:
    async with Emulator() as emulator, session(emulator) as client:
        await client.socket.send(b'{"type":"session.update","session":{}}')
        await client.wait_for("error")
        await client.send("session.update", session={})
        await client.wait_for("session.updated")


async def test_stopping_closes_the_sessions() -> None:
    emulator = Emulator()
    await emulator.start()
    async with session(emulator) as client:
        await client.wait_for("session.created")
        await emulator.stop()
        await client.socket.wait_closed()
        assert client.socket.close_code == 1001


async def test_tests_can_wait_for_what_happens() -> None:
    async with Emulator(record=True) as emulator, session(emulator) as client:
        record = await emulator.wait_for_session()
        await client.send("response.create")
        await emulator.wait_for_sent(record, "response.output_audio.delta", count=3)
        assert record.responses[0].first_audio_at is not None


async def test_a_record_of_ones_own_can_note_something_else() -> None:
    heard_at: list[float] = []

    class Stopwatch(SessionRecord):
        def note_caller_audio(self, audio_format: AudioFormat, wire: bytes) -> None:
            heard_at.append(time.monotonic())

    async with Emulator(record_type=Stopwatch) as emulator, session(emulator) as client:
        await client.speak(SILENCE * 960)
        await emulator.wait_until(lambda: len(heard_at) == 2)


async def test_twenty_sessions_each_hear_their_own_greeting_at_once() -> None:
    async def greet(emulator: Emulator) -> bytes:
        async with session(emulator) as client:
            await client.send("session.update", session=G711)
            await client.send("response.create")
            done = await client.wait_for("response.done")
            return client.audio_of(done["response"]["id"])

    async with Emulator(packaged_scenario("demo")) as emulator:
        heard = await asyncio.gather(*(greet(emulator) for _ in range(20)))
        assert set(heard) == {rendered(VOICES / "demo_greeting.wav", PCMU)}


async def test_it_serves_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    maker = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await maker.wait() == 0
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate, key)
    client_context = ssl.create_default_context(cafile=str(certificate))
    async with Emulator(tls=server_context) as emulator, session(emulator, ssl=client_context) as client:
        assert emulator.url.startswith("wss://")
        await client.wait_for("session.created")
