"""Putting one call together: negotiation, port, provider leg, conversation. All parts are named here only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.base.clock import utc_now
from gateway.base.ids import IdSource
from gateway.call.call import Call
from gateway.call.conversation.conversation import Conversation
from gateway.call.conversation.observer import MetricsObserver
from gateway.call.conversation.uplink import Uplink
from gateway.call.core import CallParts
from gateway.call.identity import CallDirection, CallHeaders, CallIdentity, CallLimits
from gateway.call.inbound import InboundCall, Provisionals
from gateway.call.journal import EventSink, Journal
from gateway.call.legs import Signalling
from gateway.call.line import Line
from gateway.call.negotiation import Negotiator, audio_format, offered_address
from gateway.call.new_leg import NewLeg
from gateway.call.order import CallOrder
from gateway.call.outbound import OutboundCall
from gateway.call.profile import RouteDecision, personalise, profile_of, session_for
from gateway.call.provider import InworldLeg
from gateway.call.records import CallRecords
from gateway.call.variables import placed_variables, with_defaults
from gateway.call.wiring import CallTable, Wiring
from gateway.inworld.connection import RealtimeConnection
from gateway.inworld.endpoint import Endpoint
from gateway.inworld.protocol import RealtimeProtocol
from gateway.inworld.session import merge
from gateway.media.engine import MediaEngine
from gateway.media.port import MediaPort
from gateway.observability.metrics import Metrics
from gateway.settings.schema import AgentSettings, Settings
from gateway.settings.templates import render_headers
from gateway.sip.events import CallOffered
from gateway.sip.flow import Flow


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls whom, as the INVITE says it."""

    caller: str
    callee: str
    sip_call_id: str
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the agent's texts and the header templates may name."""


class CallAssembly:
    """Builds calls. Counts provider sessions until their sockets are really closed."""

    def __init__(
        self,
        settings: Settings,
        *,
        endpoint: Endpoint,
        signalling: Signalling,
        media: MediaEngine,
        media_address: Callable[[Flow, str | None], str],
        metrics: Metrics,
        ids: IdSource,
        sinks: Sequence[EventSink],
        records: CallRecords,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._signalling = signalling
        self._media = media
        self._media_address = media_address
        self._observer = MetricsObserver(metrics)
        self._ids = ids
        self._records = records
        self._sinks: tuple[EventSink, ...] = (records, *sinks)
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

    # --- the two directions ------------------------------------------------------------------------------------

    def inbound(
        self, event: CallOffered, caller: Caller, decision: RouteDecision, now: float, *, calls: CallTable
    ) -> InboundCall:
        """A call ready to ``begin``. Raises SdpError with its status, or CapacityError when no port is free."""
        assert decision.agent is not None
        agent = self._settings.agents[decision.agent]
        variables = with_defaults(caller.variables, agent.variables)
        identity = CallIdentity(
            call_id=self._new_id(),
            caller=caller.caller,
            callee=caller.callee,
            trunk=decision.trunk,
            agent=decision.agent,
            rule=decision.rule,
            sip_call_id=caller.sip_call_id,
            source=event.flow.remote[0],
            account=decision.account,
            variables=variables,
            headers=self._headers_of(decision.trunk, variables),
            tried=decision.tried,
        )
        agent = personalise(agent, variables)
        address = self._media_address(event.flow, offered_address(event.offer))
        negotiator = self._negotiator(address, event.flow.remote[0])
        negotiator.choose_codec(event.offer)
        wiring = Wiring(self._clock, calls)
        parts = self._parts(identity, agent, negotiator, wiring, now, is_ipv6=":" in address)
        call = InboundCall(
            identity,
            parts,
            limits=self._limits_of(agent),
            sip_call=event.call,
            offer=event.offer,
            provisionals=self._provisionals_of(decision.trunk),
            on_end=wiring.ended,
        )
        wiring.call = call
        return call

    def outbound(
        self,
        order: CallOrder,
        *,
        trunk: str,
        caller: str,
        now: float,
        calls: CallTable,
    ) -> OutboundCall:
        """A call ready to ``begin``; nothing has been said to anybody. Raises CapacityError or SettingsError."""
        agent = self._settings.agents[order.agent]
        variables = with_defaults(placed_variables(order, trunk=trunk, caller=caller), agent.variables)
        identity = CallIdentity(
            call_id=self._new_id(),
            caller=caller,
            callee=order.to,
            trunk=trunk,
            agent=order.agent,
            rule="order",
            direction=CallDirection.OUTBOUND,
            variables=variables,
            headers=self._headers_of(trunk, variables),
            metadata=order.metadata,
        )
        agent = agent.model_copy(update={"session": merge(agent.session, order.session)})
        agent = personalise(agent, variables)
        wiring = Wiring(self._clock, calls)
        # A port of the usual IP version; it is exchanged when the first hop is known and of the other one.
        parts = self._parts(identity, agent, self._negotiator("", ""), wiring, now)
        limits = self._limits_of(agent, order)
        call = OutboundCall(identity, parts, limits=limits, on_end=wiring.ended)
        wiring.call = call
        return call

    def leg(self, call: Call, offered: CallOffered | None = None, *, calls: CallTable) -> NewLeg:
        """A second telephone side for a live call, for whoever ``offered`` wants to take its place, or for a call that
        we place. Raises SdpError, or CapacityError when no port is free."""
        address = host = ""
        if offered is not None:
            address = self._media_address(offered.flow, offered_address(offered.offer))
            host = offered.flow.remote[0]
        negotiator = self._negotiator(address, host)
        negotiator.prefer(call.line.codec)
        leg = NewLeg(negotiator, self._clock, calls)
        leg.attach(
            self._media.open(
                negotiator.waiting_stream(),
                on_audio=leg.audio,
                on_digit=leg.digit,
                is_ipv6=":" in address if address else None,
            )
        )
        return leg

    def _new_id(self) -> str:
        return f"c-{self._ids.token(12)}"

    def _negotiator(self, address: str, signalling_host: str) -> Negotiator:
        return Negotiator(
            address=address,
            codecs=self._settings.media.codecs,
            session_id=self._ids.bits(62),
            reorder_ms=self._settings.media.reorder_ms,
            signalling_host=signalling_host,
        )

    # --- what both are made of ---------------------------------------------------------------------------------

    def _parts(
        self,
        identity: CallIdentity,
        agent: AgentSettings,
        negotiator: Negotiator,
        wiring: Wiring,
        now: float,
        *,
        is_ipv6: bool | None = None,
    ) -> CallParts:
        port = self._media.open(
            negotiator.waiting_stream(), on_audio=wiring.audio, on_digit=wiring.digit, is_ipv6=is_ipv6
        )
        try:
            negotiator.bind(port.local_port)
            return self._join(identity, agent, negotiator, port, wiring, now)
        except BaseException:
            port.close()
            raise

    def _join(  # noqa: PLR0917 - one use: everything a call is made of meets here
        self,
        identity: CallIdentity,
        agent: AgentSettings,
        negotiator: Negotiator,
        port: MediaPort,
        wiring: Wiring,
        now: float,
    ) -> CallParts:
        profile = profile_of(agent)
        config = port.stream.config
        session = session_for(agent, profile, audio_format=audio_format(config.codec), call_id=identity.call_id)
        protocol = RealtimeProtocol(session, self._ids)
        connection = RealtimeConnection(protocol, on_event=wiring.provider_event, ids=self._ids)
        leg = InworldLeg(
            connection, self._endpoint, on_unavailable=wiring.provider_unavailable, on_released=self._legs.discard
        )
        uplink = Uplink(connection.append_audio, chunk_ms=self._settings.inworld.chunk_ms, law=config.law)
        wiring.uplink = uplink
        journal = Journal(identity.call_id, now, self._sinks)
        conversation = Conversation(
            profile,
            protocol=protocol,
            playout=port.stream.playout,
            uplink=uplink,
            journal=journal,
            observer=self._observer,
        )
        self._records.open(identity, utc_now())
        self._legs.add(leg)
        return CallParts(self._signalling, Line(port, negotiator, uplink), leg, protocol, conversation, journal)

    def _provisionals_of(self, trunk: str) -> Provisionals:
        settings = self._settings.trunks.get(trunk)
        if settings is None:
            return Provisionals()
        return Provisionals(settings.early_media, is_reliable=settings.reliable_provisionals != "off")

    def _headers_of(self, trunk: str, variables: Mapping[str, str]) -> CallHeaders:
        settings = self._settings.trunks.get(trunk)
        if settings is None:
            return CallHeaders()
        answer, refer, bye = (
            render_headers(templates, variables)
            for templates in (settings.headers.answer, settings.headers.refer, settings.headers.bye)
        )
        return CallHeaders(answer, refer, bye)

    def _limits_of(self, agent: AgentSettings, order: CallOrder | None = None) -> CallLimits:
        asked = order.max_duration_s if order is not None else None
        allowed = agent.limits.duration_s
        return CallLimits(
            answer_after_s=self._settings.inworld.answer_after_s,
            ring_s=order.ring_timeout_s if order is not None and order.ring_timeout_s else CallLimits().ring_s,
            # An order may shorten what the settings allow; it may not lengthen it.
            duration_s=allowed if asked is None else min(asked, allowed or asked),
            idle_s=agent.limits.idle_s,
            media_silence_s=self._settings.media.silence_timeout_s,
        )
