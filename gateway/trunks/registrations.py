"""The trunks that we register at: carries out what each registration wants, and tells how they stand.

All methods belong to the loop's thread. The settings say which; a change of settings takes back what is no more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gateway.base.clock import earliest
from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.base.ids import IdSource
from gateway.observability.metrics import Metrics
from gateway.observability.node_events import NodeEventName, NodeEvents
from gateway.settings.schema import TrunkSettings
from gateway.sip.client_requests import ClientRequest
from gateway.sip.events import Event, FlowFailed, RequestAnswered, RequestFailed
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError, escape_user, format_host_port
from gateway.sip.registration import (
    Action,
    Registered,
    Registration,
    RegistrationFailed,
    Resolve,
    SendRegister,
    Unregistered,
)
from gateway.sip.resolution import ResolutionError
from gateway.sip.transaction.table import RequestFailure
from gateway.sip.uri import SipUri
from gateway.trunks.hops import FindHops
from gateway.trunks.registration_config import registration_config
from gateway.trunks.registration_status import TrunkRegistration, registration_status

STOP_LIMIT_S = 2.0
"""How long registrars may take to hear that we go."""

_POLL_S = 0.02


@dataclass(slots=True)
class _Trunk:
    """A registration with what belongs to it."""

    name: str
    settings: TrunkSettings
    registration: Registration
    request: str | None = None
    """Id of the REGISTER under way."""
    looking_up: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Callbacks:
    """What the rest of the node wants to know. ``vouch`` and ``withdraw`` are the door's: calls of a registrar that we
    have registered at come from its addresses. ``share`` gets the flows that calls shall reach us over, all of them,
    each with the seconds within which the registrar wants it pinged (Flow-Timer, RFC 5626 §5.4)."""

    vouch: Callable[[str, str, Iterable[str]], None] = lambda holder, trunk, hosts: None
    withdraw: Callable[[str], None] = lambda holder: None
    share: Callable[[Mapping[Flow, int | None]], None] = lambda flows: None


@dataclass(slots=True)
class Registrations:
    """``send_request`` is the endpoint's. ``contact`` names us on a flow: ``UserAgent.contact``. ``node`` tells this
    node from others of its trunks."""

    send_request: Callable[[ClientRequest], str]
    find_hops: FindHops
    contact: Callable[[Flow, str | None], str]
    events: NodeEvents
    metrics: Metrics
    ids: IdSource
    node: str = "gateway"
    callbacks: Callbacks = field(default_factory=Callbacks)
    clock: Callable[[], float] = time.monotonic
    flows: Mapping[Flow, int | None] = field(default_factory=dict)
    """The flows that we are registered over, with the Flow-Timer of each where the registrar gave one."""
    _trunks: dict[str, _Trunk] = field(default_factory=dict)
    _leaving: list[_Trunk] = field(default_factory=list)
    _waiting: dict[str, TrunkSettings] = field(default_factory=dict)
    _lookups: set[asyncio.Task[None]] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None
    _is_driving: bool = False

    # Life

    def apply(self, trunks: Mapping[str, TrunkSettings]) -> None:
        """Register at these trunks that say so, from here on, and at no others. Unchanged ones are left alone."""
        now = self.clock()
        wanted = {name: settings for name, settings in trunks.items() if settings.registers and settings.targets}
        for name in list(self._trunks):
            settings = wanted.get(name)
            if settings is None or self._what_counts(name, settings) != self._what_counts(
                name, self._trunks[name].settings
            ):
                self._retire(self._trunks.pop(name), now)
            else:
                self._trunks[name].settings = settings
        self._waiting = {name: settings for name, settings in wanted.items() if name not in self._trunks}
        self._drive()

    async def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """Take every registration back; registrars that do not answer in time are left to forget us."""
        now = self.clock()
        for trunk in self._trunks.values():
            self._retire(trunk, now)
        self._trunks.clear()
        self._waiting.clear()
        self._drive()
        deadline = now + limit_s
        while self._leaving and self.clock() < deadline:  # noqa: ASYNC110 - once, at the end, a few rounds
            await asyncio.sleep(_POLL_S)
        self._leaving.clear()
        await asyncio.gather(*self._lookups, return_exceptions=True)  # cancelled when their trunks retired
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def register_now(self, trunk: str) -> bool:
        """Register, or refresh, at once; False when there is no such trunk that registers."""
        found = self._trunks.get(trunk)
        if found is not None:
            found.registration.start()
            self._drive()
        return found is not None

    # How they stand

    def status(self) -> list[TrunkRegistration]:
        """Every trunk that registers, by name."""
        now = self.clock()
        return [registration_status(name, trunk.registration, now) for name, trunk in sorted(self._trunks.items())]

    def service_route(self, trunk: str) -> tuple[str, ...]:
        """What the trunk's registrar wants in Route (RFC 3608); () while not registered."""
        found = self._trunks.get(trunk)
        return () if found is None else found.registration.status.service_route

    @property
    def registered(self) -> int:
        """Trunks that we are registered at."""
        return sum(trunk.registration.status.registered_until is not None for trunk in self._trunks.values())

    # What the user agent tells

    def handle_sip_event(self, event: Event) -> bool:
        """True when the event was ours and nobody else's."""
        now = self.clock()
        match event:
            case RequestAnswered(request=request, response=response):
                trunk = self._take(request)
                if trunk is not None:
                    trunk.registration.receive_response(response, now)
            case RequestFailed(request=request, failure=failure):
                trunk = self._take(request)
                if trunk is not None:
                    trunk.registration.request_failed(failure, now)
            case FlowFailed(flow=flow):
                for one in self._trunks.values():
                    one.registration.flow_failed(flow, now)
                self._drive()
                return False
            case _:
                return False
        if trunk is not None:
            self._drive()
        return trunk is not None

    def _take(self, request: str) -> _Trunk | None:
        for trunk in (*self._trunks.values(), *self._leaving):
            if trunk.request == request:
                trunk.request = None
                return trunk
        return None

    # Driving

    def _begin(self, name: str, settings: TrunkSettings) -> _Trunk:
        config = registration_config(name, settings, self.node)
        user = escape_user(settings.username) if settings.username else None
        registration = Registration(config, self.ids, lambda flow: self.contact(flow, user))
        self.metrics.trunk_registered.labels(trunk=name).set(0)
        registration.start()
        return _Trunk(name, settings, registration)

    def _what_counts(self, name: str, settings: TrunkSettings) -> object:
        """What of a trunk's settings makes another registration of it."""
        return registration_config(name, settings, self.node), settings.tls, settings.advertise

    def _retire(self, trunk: _Trunk, now: float) -> None:
        trunk.registration.stop(now)
        if trunk.looking_up is not None:
            trunk.looking_up.cancel()
        self._leaving.append(trunk)

    def _drive(self) -> None:
        """Carry out everything, then arm one timer."""
        if self._is_driving:
            return
        self._is_driving = True
        try:
            while any(self._advance(trunk) for trunk in (*self._trunks.values(), *self._leaving)) or self._succeed():
                pass
        finally:
            self._is_driving = False
        self._share_flows()
        self._arm()

    def _succeed(self) -> bool:
        """Begin what waits for its predecessor to have left: its farewell would take back the new registration."""
        self._leaving = [trunk for trunk in self._leaving if trunk.registration.is_busy]
        gone = self._waiting.keys() - {trunk.name for trunk in self._leaving}
        for name in gone:
            self._trunks[name] = self._begin(name, self._waiting.pop(name))
        return bool(gone)

    def _advance(self, trunk: _Trunk) -> bool:
        action = trunk.registration.next_action()
        if action is not None:
            self._carry_out(trunk, action)
        return action is not None

    def _carry_out(self, trunk: _Trunk, action: Action) -> None:
        match action:
            case Resolve(uri=uri):
                task = asyncio.get_running_loop().create_task(self._look_up(trunk, uri), name=f"resolve {trunk.name}")
                trunk.looking_up = task
                self._lookups.add(task)
                task.add_done_callback(self._lookups.discard)
            case SendRegister():
                self._send(trunk, action)
            case Registered():
                self._tell_registered(trunk, action)
            case Unregistered(cause=cause):
                self.metrics.trunk_registered.labels(trunk=trunk.name).set(0)
                self.callbacks.withdraw(_holder(trunk.name))
                self.events.record(NodeEventName.TRUNK_UNREGISTERED, trunk=trunk.name, cause=cause)
            case RegistrationFailed():
                self.metrics.registration_failures.labels(trunk=trunk.name, rule=action.rule).inc()
                self.events.record(
                    NodeEventName.TRUNK_REGISTRATION_FAILED,
                    trunk=trunk.name,
                    rule=action.rule,
                    status=action.status,
                    reason=action.reason,
                    retry_in_s=round(action.retry_in_s),
                )

    def _tell_registered(self, trunk: _Trunk, action: Registered) -> None:
        self.metrics.trunk_registered.labels(trunk=trunk.name).set(1)
        self.callbacks.vouch(_holder(trunk.name), trunk.name, [action.flow.remote[0]])
        self.events.record(
            NodeEventName.TRUNK_REGISTERED,
            trunk=trunk.name,
            expires_s=action.expires_s,
            contact=action.contact,
            address=format_host_port(*action.flow.remote),
            transport=action.flow.transport,
            refresh=action.is_refresh,
        )

    async def _look_up(self, trunk: _Trunk, uri: str) -> None:
        try:
            hops = await self.find_hops(trunk.name, trunk.settings, SipUri.parse(uri))
        except (ResolutionError, LocalProtocolError, SipParseError) as error:
            trunk.registration.resolution_failed(str(error), self.clock())
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave a trunk unregistered for good
            trunk.registration.resolution_failed(f"{type(error).__name__}: {error}", self.clock())
        else:
            trunk.registration.resolved(hops, self.clock())
        finally:
            trunk.looking_up = None
        self._drive()

    def _send(self, trunk: _Trunk, wanted: SendRegister) -> None:
        try:
            trunk.request = self.send_request(
                ClientRequest(
                    "REGISTER",
                    wanted.uri,
                    wanted.flow,
                    from_=wanted.from_,
                    to=wanted.to,
                    headers=wanted.headers,
                    call_id=wanted.call_id,
                    cseq=wanted.cseq,
                    from_tag=wanted.from_tag,
                    route=wanted.route,
                )
            )
        except (CapacityError, LocalProtocolError):
            trunk.registration.request_failed(RequestFailure.FLOW, self.clock())

    def _share_flows(self) -> None:
        """The flows that calls shall reach us over are watched and kept open."""
        flows = {
            status.flow: status.flow_timer_s
            for status in (trunk.registration.status for trunk in self._trunks.values())
            if status.flow is not None and status.registered_until is not None
        }
        if flows != self.flows:
            self.flows = flows
            self.callbacks.share(flows)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = earliest(*(trunk.registration.next_deadline() for trunk in (*self._trunks.values(), *self._leaving)))
        if deadline is not None:
            delay_s = max(0.0, deadline - self.clock())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer, deadline)

    def _on_timer(self, deadline: float) -> None:
        # The loop may round the delay down: never before what it was armed for, or it would spin.
        now = max(self.clock(), deadline)
        self._timer = None
        for trunk in (*self._trunks.values(), *self._leaving):
            trunk.registration.handle_timeout(now)
        self._drive()


def _holder(trunk: str) -> str:
    return f"registration of {trunk}"
