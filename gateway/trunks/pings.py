"""OPTIONS to the targets of trunks, at intervals: which trunks are up, told over events and metrics.

All methods belong to the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.base.clock import earliest
from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.observability.metrics import Metrics
from gateway.observability.node_events import NodeEventName, NodeEvents
from gateway.settings.schema import TrunkSettings
from gateway.sip.client_requests import ClientRequest
from gateway.sip.events import Event, RequestAnswered, RequestFailed
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError, escape_user, format_host_port
from gateway.sip.resolution import ResolutionError
from gateway.sip.transaction.table import RequestFailure
from gateway.sip.uri import SipUri
from gateway.trunks.caller_id import DEFAULT_USER
from gateway.trunks.hops import FindHops
from gateway.trunks.liveness import TargetHealth, TrunkLiveness, TrunkState
from gateway.trunks.target_uri import loose

_ACCEPT = ("Accept", "application/sdp")


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """How a target stands, for the operator. Seconds are from now back."""

    target: str
    state: str
    for_s: float | None
    last_reply_s: float | None
    rtt_ms: float | None
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """How a trunk stands: up while one of its targets is."""

    trunk: str
    state: str
    for_s: float | None
    targets: tuple[TargetStatus, ...]


@dataclass(slots=True)
class _Trunk:
    name: str
    settings: TrunkSettings
    liveness: TrunkLiveness
    uris: dict[str, SipUri]
    told: TrunkState = TrunkState.UNKNOWN
    """The state that the last event told of."""


@dataclass(frozen=True, slots=True)
class _Ping:
    """An OPTIONS under way."""

    trunk: _Trunk
    target: str
    sent_at: float


@dataclass(slots=True)
class Pings:
    """``send_request`` is the endpoint's, ``own_host`` our host on a flow as others know it."""

    send_request: Callable[[ClientRequest], str]
    find_hops: FindHops
    own_host: Callable[[Flow], str]
    events: NodeEvents
    metrics: Metrics
    clock: Callable[[], float] = time.monotonic
    _trunks: dict[str, _Trunk] = field(default_factory=dict)
    _under_way: dict[str, _Ping] = field(default_factory=dict)
    _lookups: set[asyncio.Task[None]] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None

    # Life

    def apply(self, trunks: Mapping[str, TrunkSettings]) -> None:
        """Ask the targets of these trunks from here on, where ``options_s`` says so; unchanged ones go on as before."""
        wanted = {name: settings for name, settings in trunks.items() if settings.targets and settings.options_s}
        for name in list(self._trunks):
            if wanted.get(name) != self._trunks[name].settings:
                del self._trunks[name]
                self._forget_figures(name)
        for name, settings in wanted.items():
            if name not in self._trunks:
                uris = {str(uri): uri for uri in settings.targets}
                liveness = TrunkLiveness(tuple(uris), float(settings.options_s))
                self._trunks[name] = _Trunk(name, settings, liveness, uris)
        self._drive()

    def _forget_figures(self, trunk: str) -> None:
        for gauge in (self.metrics.trunk_up, self.metrics.trunk_rtt_s):
            with contextlib.suppress(KeyError):  # it was never told
                gauge.remove(trunk)

    async def stop(self) -> None:
        """Ask no more."""
        self._trunks.clear()
        self._under_way.clear()
        self._disarm()
        for task in self._lookups:
            task.cancel()
        await asyncio.gather(*self._lookups, return_exceptions=True)

    # How they stand

    def is_down(self, trunk: str) -> bool:
        """True when none of its targets answers. A trunk that is not asked, or has not answered yet, may be up."""
        found = self._trunks.get(trunk)
        return found is not None and found.liveness.state is TrunkState.DOWN

    def status(self) -> list[TrunkStatus]:
        """Every trunk that is asked, by name."""
        now = self.clock()
        return [_shown(trunk, now) for _, trunk in sorted(self._trunks.items())]

    # What the user agent tells

    def handle_sip_event(self, event: Event) -> bool:
        """True when the event was ours and nobody else's."""
        if not isinstance(event, RequestAnswered | RequestFailed):
            return False
        ping = self._under_way.pop(event.request, None)
        if ping is None:
            return False
        now = self.clock()
        if self._trunks.get(ping.trunk.name) is not ping.trunk:
            return True  # the settings have changed meanwhile
        if isinstance(event, RequestAnswered):
            ping.trunk.liveness.answered(ping.target, event.response.status, ping.sent_at, now)
        elif event.failure is RequestFailure.FLOW:
            ping.trunk.liveness.missed(ping.target, "the connection failed", now)
        # A timeout was noticed long ago: patience is shorter than the 32 s of the transaction.
        self._drive()
        return True

    # Driving

    def _drive(self) -> None:
        now = self.clock()
        for trunk in self._trunks.values():
            for target in trunk.liveness.due(now):
                trunk.liveness.sent(target, now)
                task = asyncio.get_running_loop().create_task(self._ping(trunk, target), name=f"ping {trunk.name}")
                self._lookups.add(task)
                task.add_done_callback(self._lookups.discard)
            self._tell(trunk)
        self._arm()

    async def _ping(self, trunk: _Trunk, target: str) -> None:
        uri = trunk.uris[target]
        proxy = trunk.settings.outbound_proxy
        try:
            hops = await self.find_hops(trunk.name, trunk.settings, proxy or uri)
            # After a miss the next hop is asked: one that answers is enough for calls.
            flow = hops[trunk.liveness.health(target).misses % len(hops)]
            self._send(trunk, target, uri, flow)
        except (ResolutionError, LocalProtocolError, CapacityError, SipParseError) as error:
            trunk.liveness.missed(target, str(error), self.clock())
            self._drive()

    def _send(self, trunk: _Trunk, target: str, uri: SipUri, flow: Flow) -> None:
        settings = trunk.settings
        user = escape_user(settings.from_user or settings.username or DEFAULT_USER)
        host = settings.from_domain or format_host_port(self.own_host(flow), None)
        request_uri = str(SipUri(uri.scheme, None, None, uri.host, uri.port))
        proxy = settings.outbound_proxy
        request = ClientRequest(
            "OPTIONS",
            request_uri,
            flow,
            from_=f"<sip:{user}@{host}>",
            to=f"<{request_uri}>",
            headers=(_ACCEPT,),
            route=() if proxy is None else (f"<{loose(proxy)}>",),
        )
        self._under_way[self.send_request(request)] = _Ping(trunk, target, self.clock())

    def _tell(self, trunk: _Trunk) -> None:
        """Metrics as they stand; an event when the trunk's state is another."""
        liveness = trunk.liveness
        healths = [liveness.health(target) for target in liveness.targets]
        rtts = [health.rtt_s for health in healths if health.rtt_s is not None]
        if rtts:
            self.metrics.trunk_rtt_s.labels(trunk=trunk.name).set(min(rtts))
        if liveness.state in (trunk.told, TrunkState.UNKNOWN):
            return
        trunk.told = liveness.state
        self.metrics.trunk_up.labels(trunk=trunk.name).set(liveness.state is TrunkState.UP)
        if liveness.state is TrunkState.UP:
            self.events.record(NodeEventName.TRUNK_UP, trunk=trunk.name, rtt_ms=round(1000 * min(rtts, default=0.0), 1))
        else:
            reasons = {target: liveness.health(target).reason for target in liveness.targets}
            self.events.record(NodeEventName.TRUNK_DOWN, trunk=trunk.name, reasons=reasons)

    def _arm(self) -> None:
        self._disarm()
        deadline = earliest(*(trunk.liveness.next_deadline() for trunk in self._trunks.values()))
        if deadline is not None:
            # The loop may round the delay down: a moment more keeps it from coming too early, and again.
            delay_s = max(0.0, deadline - self.clock()) + 0.001
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._drive)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _shown(trunk: _Trunk, now: float) -> TrunkStatus:
    liveness = trunk.liveness
    targets = tuple(_shown_target(target, liveness.health(target), now) for target in liveness.targets)
    return TrunkStatus(trunk.name, liveness.state.value, _ago(liveness.since, now), targets)


def _shown_target(target: str, health: TargetHealth, now: float) -> TargetStatus:
    return TargetStatus(
        target=target,
        state=health.state.value,
        for_s=_ago(health.since, now),
        last_reply_s=_ago(health.last_reply, now),
        rtt_ms=None if health.rtt_s is None else round(1000 * health.rtt_s, 1),
        status=health.status,
        reason=health.reason,
    )


def _ago(at: float | None, now: float) -> float | None:
    return None if at is None else round(now - at, 1)
