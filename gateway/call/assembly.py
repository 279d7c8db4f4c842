"""Putting one call together: negotiation, port, provider leg, conversation. All parts are named here only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.base.ids import IdSource
from gateway.call.call import Call, CallIdentity, CallLimits
from gateway.call.conversation import Conversation
from gateway.call.journal import EventSink, Journal
from gateway.call.legs import Legs, Signalling
from gateway.call.negotiation import Negotiator, audio_format, silence_of
from gateway.call.profile import RouteDecision, profile_of, session_for
from gateway.call.provider import InworldLeg
from gateway.call.uplink import Uplink
from gateway.inworld.connection import RealtimeConnection
from gateway.inworld.endpoint import Endpoint
from gateway.inworld.errors import ProviderUnavailable
from gateway.inworld.protocol import RealtimeProtocol
from gateway.inworld.protocol_events import RealtimeEvent
from gateway.media.engine import MediaEngine
from gateway.media.port import MediaPort
from gateway.observability.metrics import Metrics
from gateway.settings.schema import AgentSettings, Settings
from gateway.sip.events import CallOffered
from gateway.sip.flow import Flow


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls whom, as the INVITE says it."""

    caller: str
    callee: str
    sip_call_id: str


StepRunner = Callable[[Call, Callable[[Call], None]], None]
"""Runs one step of a call, contains its faults and notes the call's next deadline."""


_OWN_FAULTS = frozenset(
    {
        "greeting_without_audio",
        "no_session",
        "response_create_unanswered",
        "response_failed",
        "response_incomplete",
        "session_not_updated",
        "transcription_failed",
        "update_unacknowledged",
    }
)


class MetricsObserver:
    """A conversation's counts go to the operator's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def digit_received(self) -> None:
        """A key was pressed."""
        self._metrics.digits.inc()

    def interrupted(self) -> None:
        """The agent was cut off."""
        self._metrics.interruptions.inc()

    def provider_fault(self, code: str) -> None:
        """The provider reported an error. Its codes are an open set, so only our own become labels."""
        self._metrics.provider_faults.labels(kind=code if code in _OWN_FAULTS else "reported").inc()


class _Wiring:
    """Joins the edges of one call to its core; breaks the circle of who must exist before whom."""

    def __init__(self, clock: Callable[[], float], run: StepRunner, on_end: Callable[[Call], None]) -> None:
        self.call: Call | None = None
        self.uplink: Uplink | None = None
        self._clock = clock
        self._run = run
        self._on_end = on_end

    def ended(self, call: Call) -> None:
        """Cuts the circle again: an ended call must not wait for a collector that is told to come rarely."""
        self.call = self.uplink = None
        self._on_end(call)

    def audio(self, payload: bytes) -> None:
        """The hot path: no deadline changes here."""
        if self.uplink is not None:
            self.uplink.receive_audio(payload)

    def digit(self, digit: str) -> None:
        if self.call is not None:
            self._run(self.call, lambda call: call.receive_digit(digit, self._clock()))

    def provider_event(self, event: RealtimeEvent) -> None:
        if self.call is not None:
            self._run(self.call, lambda call: call.handle_provider_event(event, self._clock()))

    def provider_unavailable(self, error: ProviderUnavailable) -> None:
        if self.call is not None:
            why, retry_after_s = str(error), error.retry_after_s
            self._run(self.call, lambda call: call.provider_refused(why, self._clock(), retry_after_s=retry_after_s))


class CallAssembly:
    """Builds calls. Counts provider sessions until their sockets are really closed."""

    def __init__(
        self,
        settings: Settings,
        *,
        endpoint: Endpoint,
        signalling: Signalling,
        media: MediaEngine,
        media_address: Callable[[Flow], str],
        metrics: Metrics,
        ids: IdSource,
        sinks: Sequence[EventSink],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._signalling = signalling
        self._media = media
        self._media_address = media_address
        self._observer = MetricsObserver(metrics)
        self._ids = ids
        self._sinks = tuple(sinks)
        self._clock = clock
        self._legs: set[InworldLeg] = set()

    def apply(self, settings: Settings, endpoint: Endpoint | None = None) -> None:
        """Other settings for calls to come."""
        self._settings = settings
        self._endpoint = endpoint or self._endpoint

    @property
    def sessions_open(self) -> int:
        """Provider sessions that are open, opening or closing."""
        return len(self._legs)

    async def wait_released(self, timeout_s: float) -> None:
        """Waits until every provider socket is closed, at most so long; cuts what is left."""
        tasks = [leg.task for leg in self._legs if leg.task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def assemble(
        self,
        event: CallOffered,
        caller: Caller,
        decision: RouteDecision,
        now: float,
        *,
        on_end: Callable[[Call], None],
        run: StepRunner,
    ) -> Call:
        """A call ready to ``begin``. Raises SdpError with its status, or CapacityError when no port is free."""
        negotiator = Negotiator(
            address=self._media_address(event.flow),
            codecs=self._settings.media.codecs,
            session_id=self._ids.bits(62),
            reorder_ms=self._settings.media.reorder_ms,
            signalling_host=event.flow.remote[0],
        )
        negotiator.keep_codec(negotiator.choose_codec(event.offer))
        wiring = _Wiring(self._clock, run, on_end)
        port = self._media.open(negotiator.waiting_stream(), on_audio=wiring.audio, on_digit=wiring.digit)
        try:
            negotiator.bind(port.local_port)
            call = self._join(_identify(event, caller, decision, self._ids), event.offer, negotiator, port, wiring, now)
        except BaseException:
            port.close()
            raise
        wiring.call = call
        return call

    def _join(  # noqa: PLR0917 - one use: everything a call is made of meets here
        self,
        identity: CallIdentity,
        offer: bytes | None,
        negotiator: Negotiator,
        port: MediaPort,
        wiring: _Wiring,
        now: float,
    ) -> Call:
        agent = self._settings.agents[identity.agent]
        profile = profile_of(agent)
        codec = port.stream.config.codec
        session = session_for(agent, profile, audio_format=audio_format(codec), call_id=identity.call_id)
        protocol = RealtimeProtocol(session, self._ids)
        connection = RealtimeConnection(protocol, on_event=wiring.provider_event, ids=self._ids)
        leg = InworldLeg(
            connection, self._endpoint, on_unavailable=wiring.provider_unavailable, on_released=self._legs.discard
        )
        wiring.uplink = Uplink(
            connection.append_audio, chunk_ms=self._settings.inworld.chunk_ms, silence=silence_of(codec)
        )
        journal = Journal(identity.call_id, now, self._sinks)
        conversation = Conversation(
            profile,
            protocol=protocol,
            playout=port.stream.playout,
            uplink=wiring.uplink,
            journal=journal,
            observer=self._observer,
        )
        call = Call(
            identity,
            limits=self._limits_of(agent),
            offer=offer,
            negotiator=negotiator,
            legs=Legs(self._signalling, port, leg),
            protocol=protocol,
            conversation=conversation,
            journal=journal,
            on_end=wiring.ended,
        )
        self._legs.add(leg)
        return call

    def _limits_of(self, agent: AgentSettings) -> CallLimits:
        return CallLimits(
            answer_after_s=self._settings.inworld.answer_after_s,
            duration_s=agent.limits.duration_s,
            idle_s=agent.limits.idle_s,
            media_silence_s=self._settings.media.silence_timeout_s,
        )


def _identify(event: CallOffered, caller: Caller, decision: RouteDecision, ids: IdSource) -> CallIdentity:
    assert decision.agent is not None
    return CallIdentity(
        call_id=f"c-{ids.token(12)}",
        sip_call=event.call,
        sip_call_id=caller.sip_call_id,
        source=event.flow.remote[0],
        caller=caller.caller,
        callee=caller.callee,
        trunk=decision.trunk,
        agent=decision.agent,
        rule=decision.rule,
    )
