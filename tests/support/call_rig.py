"""One call on virtual time: the real call, protocol and media cores, with the emulator's core as provider.

Nothing here sleeps or opens a socket. Time moves in steps of one millisecond; the caller's RTP arrives and the
gateway's RTP leaves every 20 ms; provider messages take ``provider_delay_s`` each way.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.base.ids import IdSource
from gateway.call.call import Call
from gateway.call.conversation.conversation import Conversation
from gateway.call.conversation.turn import InterruptionPolicy
from gateway.call.conversation.uplink import Uplink
from gateway.call.core import CallParts
from gateway.call.identity import CallDirection, CallIdentity, CallLimits
from gateway.call.inbound import InboundCall, Provisionals
from gateway.call.journal import CallEvent, EventName, Journal
from gateway.call.line import Line
from gateway.call.negotiation import Negotiator, audio_format
from gateway.call.outbound import OutboundCall
from gateway.call.profile import profile_of, session_for
from gateway.call.states import CallState
from gateway.call.termination import EndReason
from gateway.emulator.conversation import Conversation as EmulatedSession
from gateway.emulator.inspection import SessionRecord
from gateway.emulator.scenario import Scenario
from gateway.inworld.protocol import RealtimeProtocol
from gateway.media.stream import RtpStream
from gateway.sdp.offer_answer import Codec
from gateway.settings.schema import AgentSettings

CALLER = ("192.0.2.7", 30000)
FRAME_S = 0.02
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    b"m=audio 30000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


@dataclass(frozen=True)
class SentPacket:
    """An RTP packet of the gateway: when it left and what it carried."""

    at: float
    payload: bytes


@dataclass
class FakeSignalling:
    """Notes what the call asked of SIP."""

    said: list[tuple[str, object]] = field(default_factory=list)

    def ring(
        self,
        call: str,
        status: int = 180,
        headers: object = (),
        *,
        body: bytes = b"",
        is_reliable: bool | None = None,
    ) -> None:
        self.said.append(("ring", (status, body) if body else status))

    def answer(self, call: str, body: bytes, headers: object = ()) -> None:
        self.said.append(("answer", body))

    def reject(self, call: str, status: int, reason: str | None = None, headers: object = ()) -> None:
        self.said.append(("reject", (status, dict(headers))))  # type: ignore[call-overload]

    def hang_up(self, call: str, headers: object = ()) -> None:
        self.said.append(("hang_up", dict(headers)))  # type: ignore[call-overload]

    def answer_offer(self, call: str, body: bytes) -> None:
        self.said.append(("answer_offer", body))

    def refuse_offer(self, call: str, status: int) -> None:
        self.said.append(("refuse_offer", status))

    def reoffer(self, call: str, body: bytes, *, renew: Callable[[], bytes] | None = None) -> None:
        self.said.append(("reoffer", body))

    def refer(
        self, call: str, target: str, *, replaces: str | None = None, headers: object = (), limit_s: float = 0
    ) -> None:
        self.said.append(("refer", (target, replaces)))

    def refuse_refer(self, call: str, refer_id: str, *, status: int = 603) -> None:
        self.said.append(("refuse_refer", status))

    def ping(self, call: str) -> None:
        self.said.append(("ping", call))

    def invite(self, body: bytes) -> str:
        self.said.append(("invite", body))
        return "sip-1"

    def words(self) -> list[str]:
        return [word for word, _ in self.said]


class VirtualMedia:
    """The RTP port without a socket: it ticks when the rig says so."""

    def __init__(self, stream: RtpStream, clock: Callable[[], float]) -> None:
        self.stream = stream
        self._clock = clock
        self.local_port = 20000
        self.is_started = False
        self.is_closed = False

    def speak_ip_of(self, address: str) -> bool:
        return False

    def start(self) -> None:
        self.is_started = True
        self.stream.start(self._clock())

    def close(self) -> None:
        self.is_closed = True


class VirtualProvider:
    """The provider's socket without a socket: frames in flight, each way with a delay."""

    def __init__(self, rig: CallRig) -> None:
        self._rig = rig
        self.is_started = False
        self.is_closed = False

    def start(self) -> None:
        self.is_started = True
        self._rig.open_provider()

    def flush(self) -> None:
        self._rig.carry_uplink()

    def close(self) -> None:
        self.is_closed = True


class CountingObserver:
    """Counts, as metrics would."""

    def __init__(self) -> None:
        self.digits = self.interruptions = 0
        self.faults: list[str] = []

    def digit_received(self) -> None:
        self.digits += 1

    def interrupted(self) -> None:
        self.interruptions += 1

    def provider_fault(self, code: str) -> None:
        self.faults.append(code)


class CallRig:
    """Drives one call. ``caller_audio`` is asked for the caller's next 20 ms of µ-law; None means no packet."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int = 1,
        greeting: str | None = "Greet the caller.",
        tools: tuple[str, ...] = ("hang_up",),
        interruption: InterruptionPolicy | None = None,
        limits: CallLimits | None = None,
        offer: bytes | None = OFFER,
        provider_delay_s: float = 0.005,
        caller_audio: Callable[[float], bytes | None] | None = None,
        direction: CallDirection = CallDirection.INBOUND,
        codecs: tuple[Codec, ...] = ("PCMU", "PCMA"),
        provisionals: Provisionals | None = None,
    ) -> None:
        self.now = 1000.0
        self._scenario = scenario
        self._direction = direction
        self._codecs = codecs
        self._provisionals = provisionals or Provisionals()
        self._provider_delay_s = provider_delay_s
        self._caller_audio = caller_audio or (lambda _: b"\xff" * 160)
        self._ids = IdSource(seed)
        self._emulated: EmulatedSession | None = None
        self._to_provider: deque[tuple[float, bytes]] = deque()
        self._to_gateway: deque[tuple[float, bytes]] = deque()
        self._next_frame = 0.0
        self._is_delivering = False
        self._caller_frames = 0
        self.emulator_record = SessionRecord(key="virtual", opened_at=self.now)
        self.events: list[CallEvent] = []
        self.sent: list[SentPacket] = []
        self.speech_started_at: list[float] = []
        self.observer = CountingObserver()
        self.signalling = FakeSignalling()
        self.ended: list[Call] = []
        self._build(tools, greeting, interruption or InterruptionPolicy(), limits or CallLimits(), offer)

    def _build(
        self,
        tools: tuple[str, ...],
        greeting: str | None,
        interruption: InterruptionPolicy,
        limits: CallLimits,
        offer: bytes | None,
    ) -> None:
        negotiator = Negotiator(address="192.0.2.1", codecs=self._codecs, session_id=1, reorder_ms=40)
        negotiator.choose_codec(offer)
        negotiator.bind(20000)
        agent = AgentSettings.model_validate(
            {
                "session": {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}}},
                "greeting": {"instructions": greeting} if greeting else "none",
                "interruption": {
                    "mode": "server" if interruption.is_allowed else "off",
                    "protect_greeting": interruption.protects_greeting,
                },
                "tools": {name: {} for name in tools},
            }
        )
        profile = profile_of(agent)
        waiting = negotiator.waiting_stream()
        self.protocol = RealtimeProtocol(
            session_for(agent, profile, audio_format=audio_format(waiting.codec), call_id="c-1"), self._ids
        )
        self.uplink = Uplink(self._append, chunk_ms=60, law=waiting.law)
        self.stream = RtpStream(waiting, self._ids, on_audio=self.uplink.receive_audio, on_digit=self._digit)
        self.media = VirtualMedia(self.stream, lambda: self.now)
        self.provider = VirtualProvider(self)
        journal = Journal("c-1", self.now, [self.events.append])
        self.conversation = Conversation(
            profile,
            protocol=self.protocol,
            playout=self.stream.playout,
            uplink=self.uplink,
            journal=journal,
            observer=self.observer,
        )
        identity = CallIdentity(
            call_id="c-1",
            direction=self._direction,
            sip_call_id="call-id",
            source="192.0.2.7",
            caller="+15550111",
            callee="+15550100",
            trunk="carrier",
            agent="desk",
            rule="routes[0]",
        )
        self.line = Line(self.media, negotiator, self.uplink)
        parts = CallParts(self.signalling, self.line, self.provider, self.protocol, self.conversation, journal)
        self.call = self._make_call(identity, parts, limits, offer)

    def _make_call(self, identity: CallIdentity, parts: CallParts, limits: CallLimits, offer: bytes | None) -> Call:
        if self._direction is CallDirection.OUTBOUND:
            return OutboundCall(identity, parts, limits=limits, on_end=self.ended.append)
        return InboundCall(
            identity,
            parts,
            limits=limits,
            sip_call="sip-1",
            offer=offer,
            provisionals=self._provisionals,
            on_end=self.ended.append,
        )

    @property
    def inbound(self) -> InboundCall:
        assert isinstance(self.call, InboundCall)
        return self.call

    @property
    def outbound(self) -> OutboundCall:
        assert isinstance(self.call, OutboundCall)
        return self.call

    # --- the provider's wire --------------------------------------------------------------------------------------

    def open_provider(self) -> None:
        self._emulated = EmulatedSession(
            self._scenario, self._ids, self.emulator_record, now=self.now, wall_clock_s=1_800_000_000
        )
        self._emulated.connected(self.now)
        self.protocol.connected(self.now)

    def carry_uplink(self) -> None:
        """What the client core wants sent goes on its way; its events go to the call."""
        self._to_provider.extend((self.now + self._provider_delay_s, frame) for frame in self.protocol.take_outgoing())
        if self._is_delivering:
            return
        self._is_delivering = True
        while (event := self.protocol.next_event()) is not None:
            self.call.handle_provider_event(event, self.now)
        self._is_delivering = False
        self._to_provider.extend((self.now + self._provider_delay_s, frame) for frame in self.protocol.take_outgoing())

    def _append(self, chunk: bytes) -> None:
        self.protocol.append_audio(chunk)
        self.carry_uplink()

    def _digit(self, digit: str) -> None:
        self.call.receive_digit(digit, self.now)

    def cut_provider(self, code: int = 1006) -> None:
        """The provider's socket breaks."""
        self._emulated = None
        self.protocol.connection_closed(code, "cut", self.now)
        self.carry_uplink()

    # --- time -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self.call.begin(self.now)
        self.carry_uplink()

    def run(self, seconds: float) -> None:
        """Lets virtual time pass, one millisecond at a time."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self._step()

    def run_until(self, condition: Callable[[], bool], limit_s: float = 30.0) -> None:
        """Lets time pass until something is the case."""
        end = self.now + limit_s
        while not condition():
            assert self.now < end, f"not within {limit_s} s; events: {[event.name.value for event in self.events]}"
            self._step()

    def _step(self) -> None:
        self.now = round(self.now + 0.001, 6)
        self._run_provider()
        deadline = self.protocol.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.protocol.handle_timeout(self.now)
        self.carry_uplink()
        if self.media.is_started and not self.media.is_closed:
            self._run_media()
        deadline = self.call.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.call.handle_timeout(self.now)

    def _run_provider(self) -> None:
        emulated = self._emulated
        if emulated is None:
            return
        while self._to_provider and self._to_provider[0][0] <= self.now:
            emulated.receive_message(self._to_provider.popleft()[1], self.now)
        deadline = emulated.next_deadline()
        if deadline is not None and deadline <= self.now:
            emulated.handle_timeout(self.now)
        self._to_gateway.extend((self.now + self._provider_delay_s, frame) for frame in emulated.take_outgoing())
        while self._to_gateway and self._to_gateway[0][0] <= self.now:
            frame = self._to_gateway.popleft()[1]
            if b"speech_started" in frame:
                self.speech_started_at.append(self.now)
            self.protocol.receive_message(frame, self.now)
            self.carry_uplink()

    def _run_media(self) -> None:
        deadline = self.stream.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.stream.handle_timeout(self.now)
        if self.now < self._next_frame:
            return
        self._next_frame = (self._next_frame or self.now) + FRAME_S
        tick = self.stream.tick()
        if tick is not None:
            self.sent.append(SentPacket(self.now, tick[0][12:]))
        payload = self._caller_audio(self.now)
        if payload is not None:
            self.send_rtp(payload)

    def send_rtp(self, payload: bytes, *, payload_type: int = 0) -> None:
        """A packet of the caller's, at its place on the caller's timeline."""
        number = self._caller_frames
        self._caller_frames += 1
        header = struct.pack(">BBHII", 0x80, payload_type, number & 0xFFFF, number * 160, 0xCA11)
        self.stream.receive_datagram(header + payload, CALLER, self.now)

    # --- what happened --------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        return [event.name.value for event in self.events]

    def last(self, name: EventName) -> CallEvent:
        return next(event for event in reversed(self.events) if event.name is name)


def scenario(**fields: Any) -> Scenario:
    """A greeting of one second of tone, and what else the provider does."""
    return Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 1000}}} | fields)


def talking(rig: CallRig) -> CallRig:
    """The caller's call, answered and acknowledged."""
    rig.begin()
    rig.run_until(lambda: rig.call.state is CallState.ANSWERING)
    rig.inbound.confirmed(None, rig.now)
    return rig


def ended(rig: CallRig) -> EndReason | None:
    """Why the call is over; fails unless every leg has let go."""
    assert rig.ended == [rig.call]
    assert rig.media.is_closed
    assert rig.provider.is_closed
    assert rig.call.next_deadline() is None
    return rig.call.end_reason
