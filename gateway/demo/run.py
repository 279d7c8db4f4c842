"""``gateway demo``: one whole conversation over real sockets on loopback, judged by what was heard.

The emulator speaks for the provider, the gateway is the one that ``gateway serve`` runs, and the caller's telephone is
made of the gateway's own SIP user agent (SIPp and baresip, in tests/interop, are the independent telephones). Every
step is judged from the audio that arrived at one end or the other, never from what was sent.
"""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from gateway.base.errors import GatewayError
from gateway.daemon.gateway import Gateway
from gateway.demo.phone import Phone
from gateway.demo.recording import heard_samples, write_stereo
from gateway.demo.report import Report
from gateway.demo.turns import Turn, draw_waterfall
from gateway.emulator.inspection import SessionRecord
from gateway.emulator.scenario_file import packaged_scenario
from gateway.emulator.server import Emulator
from gateway.measure import g711
from gateway.measure.listening import share_heard
from gateway.measure.wav import read_wav, write_wav
from gateway.observability.logs import configure_logs
from gateway.settings.schema import Settings

VOICES = Path(__file__).parent / "voices"
ENOUGH = 0.7
"""Share of a recording's voiced quarter seconds that must arrive as they were sent. A stall of a busy machine may spoil
a piece: this is real time."""
INTERRUPTION_LIMIT_MS = 40.0
"""20 ms for the frame that may be on its way, and as much for a busy machine's scheduling: this is real time."""
_KEY = "5"
_STEP_LIMIT_S = 25.0


async def run_demo(out: Path) -> int:
    """Runs the conversation, writes the recordings and the picture, prints the table. 0: every step happened."""
    configure_logs(level="warning")
    console = Console()
    _make_folder(out)
    async with Emulator(packaged_scenario("demo"), record=True) as emulator:
        gateway = Gateway(demo_settings(emulator.url))
        await gateway.start()
        try:
            phone = Phone("127.0.0.1")
            await phone.start()
            try:
                demo = Demo(emulator, phone, console)
                listening = gateway.sip.listening[0]
                await demo.converse(listening.host, listening.port)
            finally:
                await phone.stop()
        finally:
            await gateway.stop()
    demo.judge_end(gateway)
    demo.report.print(console)
    files = demo.write(out)
    for line in files:
        console.print(line, highlight=False, soft_wrap=True)
    return 0 if demo.report.is_complete else 1


def _make_folder(out: Path) -> None:
    """Before the conversation: half a minute later is late to learn that there is no place for it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise GatewayError(f"--out {out}: cannot be written ({reason}); name another folder") from error


def demo_settings(provider_url: str) -> Settings:
    """A gateway that listens on free ports of loopback only, so that demos can run beside each other."""
    return Settings.model_validate(
        {
            "sip": {"listen": ["udp://127.0.0.1:0"]},
            "inworld": {"url": provider_url, "api_key": "ZGVtbzpkZW1v"},
            "trunks": {"demo": {"accept_from": ["127.0.0.0/8"]}},
            "agents": {
                "demo": {
                    "session": {
                        "instructions": "You are the demo's agent.",
                        "audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}},
                    },
                    "greeting": {"instructions": "Greet the caller."},
                    "digits": {"collect_ms": 500},
                    "tools": {"hang_up": {}},
                }
            },
            "routes": [{"agent": "demo"}],
            "control": {"listen": "127.0.0.1:0"},
        }
    )


class Demo:
    """The conversation itself. Each step waits for what it expects, and says what happened instead if it does not."""

    def __init__(self, emulator: Emulator, phone: Phone, console: Console) -> None:
        self.report = Report()
        self._emulator = emulator
        self._phone = phone
        self._console = console
        self._turns: list[Turn] = []
        self._session: SessionRecord | None = None

    async def converse(self, host: str, port: int) -> None:
        """Calls and goes through the steps; a step that does not happen in time ends the conversation."""
        try:
            await self._call(host, port)
            await self._ask_and_listen("question", "question.wav", response=1)
            await self._ask_and_interrupt()
            await self._press_key_and_be_hung_up_on()
        except TimeoutError:
            self.report.add("the conversation", False, "the last step did not happen within its time")
        except RuntimeError as error:
            self.report.add("the conversation", False, str(error))

    # --- steps -------------------------------------------------------------------------------------------------

    async def _call(self, host: str, port: int) -> None:
        self._say("calling")
        phone = self._phone
        await phone.dial(host, port)
        setup_ms = (phone.answered_at - phone.dialled_at) * 1000
        self.report.add("call answered", True, f"INVITE to 200: {setup_ms:.0f} ms, the agent connected meanwhile")
        await phone.wait_until(lambda: len(self._emulator.sessions) > 0, 5)
        self._session = self._emulator.sessions[0]
        await self._agent_falls_silent(response=0)
        first_voice_ms = ((self._first_rtp(0) or phone.answered_at) - phone.answered_at) * 1000
        heard = self._share_of_response(0)
        self.report.add(
            "greeting heard",
            heard > ENOUGH,
            f"first voice {first_voice_ms:.0f} ms after the answer, {heard:.0%} of it heard",
        )

    async def _ask_and_listen(self, name: str, voice: str, *, response: int) -> None:
        self._say(f"asking: {name}")
        await self._speak(voice)
        await self._agent_falls_silent(response)
        turn = self._turn(name, response)
        self._turns.append(turn)
        asked = self._share_of_question(voice)
        self.report.add(f"{name} understood", asked > ENOUGH, f"arrived at the provider whole to {asked:.0%}")
        heard = self._share_of_response(response)
        self.report.add(
            "answer heard",
            heard > ENOUGH,
            f"{heard:.0%} of it heard, {turn.total_ms:.0f} ms after the question; "
            f"{turn.return_ms:.1f} ms from the provider's first audio to the telephone",
        )

    async def _ask_and_interrupt(self) -> None:
        self._say("asking again, to interrupt the answer")
        phone = self._phone
        await self._speak("second_question.wav")
        await self._agent_speaks(response=2)
        self._turns.append(self._turn("second question", 2))
        heard_from = phone.heard[-1].at
        await phone.wait_until(lambda: phone.heard[-1].at - heard_from > 3.0, 5)
        turns_before = len(self._record.turns)
        self._say("interrupting")
        await self._speak("interruption.wav", waits_for_the_end=False)
        await phone.wait_until(lambda: len(self._record.turns) > turns_before, _STEP_LIMIT_S)
        await self._agent_falls_silent(response=3)
        self._judge_interruption(self._record.turns[turns_before].started_at)
        self._turns.append(self._turn("interruption", 3))
        heard = self._share_of_response(3)
        self.report.add("answer to the interruption heard", heard > ENOUGH, f"{heard:.0%} of it heard")

    async def _press_key_and_be_hung_up_on(self) -> None:
        self._say(f"pressing {_KEY}")
        phone, record = self._phone, self._record
        phone.press(_KEY)
        await phone.wait_until(lambda: bool(record.texts), _STEP_LIMIT_S)
        self.report.add("digit told to the agent", _KEY in record.texts[-1], record.texts[-1])
        await phone.wait_until(lambda: bool(record.tool_outputs), _STEP_LIMIT_S)
        outputs = [json.loads(output) for output in record.tool_outputs.values()]
        self.report.add("tool called and answered", outputs == [{"ok": True}], f"hang_up: {json.dumps(outputs[0])}")
        await phone.wait_until(lambda: phone.ended_at is not None, _STEP_LIMIT_S)
        heard = self._share_of_response(len(record.responses) - 1)
        last_voice = max(item.at for item in phone.heard if phone.is_voice(item))
        after_ms = ((phone.ended_at or 0.0) - last_voice) * 1000
        self.report.add(
            "goodbye heard, then hung up",
            heard > ENOUGH and 0 < after_ms < 1000,
            f"{heard:.0%} of it heard, BYE {after_ms:.0f} ms after its last voiced packet",
        )

    def _judge_interruption(self, speech_started: float) -> None:
        phone, record = self._phone, self._record
        voiced = [item for item in phone.heard if phone.is_voice(item)]
        next_answer = record.responses[3].first_audio_at or float("inf")
        old = [item for item in voiced if item.at < next_answer]
        latency_ms = (old[-1].at - speech_started) * 1000
        self.report.add(
            "agent falls silent when spoken over",
            latency_ms <= INTERRUPTION_LIMIT_MS and record.responses[2].status == "cancelled",
            f"last packet of the old voice {abs(latency_ms):.1f} ms {'before' if latency_ms < 0 else 'after'} "
            "the provider announced speech_started",
        )
        truncation = record.truncations[-1] if record.truncations else None
        began = record.responses[2].first_audio_at or 0.0
        heard_ms = 20 * sum(began <= item.at < next_answer for item in voiced)
        told_ms = truncation.audio_end_ms if truncation else None
        self.report.add(
            "provider told what was heard",
            truncation is not None and truncation.refused is None and abs((told_ms or 0) - heard_ms) <= 40,
            f"truncated at {told_ms} ms; {heard_ms} ms of voice arrived in packets",
        )

    def judge_end(self, gateway: Gateway) -> None:
        """After everything is closed: nothing may be left of the call."""
        left = {
            "calls": gateway.directory.live,
            "ports": gateway.media.open_ports,
            "sessions": gateway.assembly.sessions_open,
            "dialogs": gateway.sip.user_agent.dialogs,
        }
        names = ", ".join(f"{count} {name}" for name, count in left.items())
        self.report.add("nothing left behind", not any(left.values()), names)

    # --- waiting and hearing -----------------------------------------------------------------------------------

    async def _speak(self, voice: str, *, waits_for_the_end: bool = True) -> None:
        phone = self._phone
        phone.say(g711.frames(g711.encode(read_wav(VOICES / voice))))
        if waits_for_the_end:
            await phone.wait_until(lambda: not phone.is_speaking, _STEP_LIMIT_S)

    async def _agent_speaks(self, response: int) -> None:
        """Until the first voice of a response has arrived at the telephone."""
        await self._phone.wait_until(lambda: self._first_rtp(response) is not None, _STEP_LIMIT_S)

    def _first_rtp(self, response: int) -> float | None:
        record, phone = self._record, self._phone
        began = record.responses[response].first_audio_at if len(record.responses) > response else None
        if began is None:
            return None
        return next((item.at for item in phone.heard if item.at >= began and phone.is_voice(item)), None)

    async def _agent_falls_silent(self, response: int) -> None:
        """Until a response is finished at the provider and nothing of it has arrived for 300 ms."""
        phone, record = self._phone, self._record
        await self._agent_speaks(response)
        await phone.wait_until(lambda: record.responses[response].finished_at is not None, _STEP_LIMIT_S)
        await phone.wait_until(lambda: phone.silent_for_s > 0.3, _STEP_LIMIT_S)

    @property
    def _record(self) -> SessionRecord:
        assert self._session is not None
        return self._session

    def _turn(self, name: str, response: int) -> Turn:
        record, phone = self._record, self._phone
        answer = record.responses[response]
        stopped = [turn.stopped_at for turn in record.turns if turn.stopped_at is not None]
        speech_stopped = max(at for at in stopped if at <= answer.started_at)
        first_audio = answer.first_audio_at or answer.started_at
        return Turn(
            name=name,
            last_voiced_frame=phone.last_voice_before(speech_stopped),
            speech_stopped=speech_stopped,
            response_created=answer.started_at,
            first_audio=first_audio,
            first_rtp=self._first_rtp(response) or first_audio,
        )

    def _share_of_response(self, response: int) -> float:
        spoken = self._record.responses[response]
        began = spoken.first_audio_at or spoken.started_at
        heard = [item for item in self._phone.heard if item.at >= began]
        return share_heard(heard_samples(heard, "PCMU"), spoken.samples)

    def _share_of_question(self, voice: str) -> float:
        return share_heard(self._record.caller_samples(), read_wav(VOICES / voice))

    def _say(self, text: str) -> None:
        self._console.print(f"[dim]{text} …[/dim]", highlight=False)

    # --- files -------------------------------------------------------------------------------------------------

    def write(self, out: Path) -> list[str]:
        """Writes the recordings and the picture; answers with a line about each."""
        phone = self._phone
        both, provider, picture = (
            out / "conversation.wav",
            out / "caller-as-the-provider-heard-it.wav",
            out / "turns.png",
        )
        write_stereo(both, phone.sent, phone.heard, "PCMU")
        lines = [f"{both}: the caller on the left, the agent on the right, as they crossed the wire"]
        if self._session is not None:
            write_wav(provider, self._session.caller_samples())
            lines.append(f"{provider}: what the provider was given to hear")
        if draw_waterfall(self._turns, picture):
            lines.append(f"{picture}: where the time of each turn went")
        else:
            lines.append("no picture of the turns: pip install 'inworld-sip-gateway[pictures]'")
        return lines
