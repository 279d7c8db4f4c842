"""Orders become calls: the trunk is chosen, the agent connects, the address is looked up, the INVITE leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from gateway.base.errors import CapacityError, GatewayError, LocalProtocolError
from gateway.call.assembly import CallAssembly
from gateway.call.call import Call
from gateway.call.capacity import Capacity, NotTaken
from gateway.call.door.door import TRUNK_RATE
from gateway.call.live_calls import LiveCalls
from gateway.call.order import CallOrder
from gateway.call.outbound import OutboundCall
from gateway.call.termination import EndReason, sip_cause
from gateway.call.variables import placed_variables, with_defaults
from gateway.observability.logs import Logger
from gateway.settings.schema import Settings
from gateway.settings.templates import clean_value, render, render_headers
from gateway.sip.events import CallRedirected, HopFailed
from gateway.sip.flow import Flow
from gateway.sip.grammar import format_host_port
from gateway.sip.invite.invitation import Invitation
from gateway.trunks.destination import OutboundRefused, parse_destination

NO_MEDIA = "media_ip_version"
"""The rule by which a hop is passed over: there is no RTP port of its IP version, or audio flows over the other."""


class Redirection(Protocol):
    """One contact of a redirect that may be followed."""

    @property
    def contact(self) -> str: ...

    @property
    def request_uri(self) -> str: ...

    @property
    def hops(self) -> tuple[Flow, ...]: ...

    @property
    def route(self) -> tuple[str, ...] | None: ...

    @property
    def speaks_for(self) -> str: ...


class Trunks(Protocol):
    """``trunks.outbound.OutboundTrunks``: who takes a call, and what its INVITE says. Refuses by OutboundRefused."""

    def choose(self, to: str, trunk: str | None = None) -> str: ...

    async def invitation(
        self,
        trunk: str,
        to: str,
        *,
        body: bytes,
        from_user: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        ring_timeout_s: float | None = None,
    ) -> Invitation: ...

    def speaks_for(self, trunk: str, to: str) -> str: ...

    async def redirection(self, trunk: str, event: CallRedirected) -> Redirection | None: ...

    def hop_failed(self, event: HopFailed) -> None: ...


class Placing(Protocol):
    """The SIP endpoint's commands for calls that have no dialog yet."""

    def invite(self, invitation: Invitation) -> str: ...

    def give_up(self, call: str) -> None: ...

    def redirect(
        self,
        call: str,
        request_uri: str,
        hops: Sequence[Flow],
        *,
        contact: str | None = None,
        route: Sequence[str] | None = None,
    ) -> None: ...


class Dialer:
    """Places calls. Each look-up runs in a task of its own, which ends with its call at the latest."""

    def __init__(
        self,
        settings: Settings,
        *,
        trunks: Trunks,
        signalling: Placing,
        assembly: CallAssembly,
        calls: LiveCalls,
        capacity: Capacity,
        media_address: Callable[[Flow], str],
        vouch: Callable[[str, str, Iterable[str]], None],
        takes_call: Callable[[str, float], bool],
        logger: Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._trunks = trunks
        self._signalling = signalling
        self._assembly = assembly
        self._calls = calls
        self._capacity = capacity
        self._media_address = media_address
        self._vouch = vouch
        self._takes_call = takes_call
        self._logger = logger
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def apply(self, settings: Settings) -> None:
        """Other settings for calls to come."""
        self._settings = settings

    def place(self, order: CallOrder) -> OutboundCall:
        """A call that is queued and on its way. Raises OutboundRefused, NotTaken or SettingsError; then nothing was."""
        now = self._clock()
        destination = parse_destination(order.to)
        trunk = self._trunks.choose(order.to, order.trunk)
        self._capacity.check(trunk)
        if not self._takes_call(trunk, now):
            why = f"more calls in a second than trunks.{trunk}.calls_per_second"
            raise NotTaken(503, "Service Unavailable", TRUNK_RATE, _RATE_RETRY_S, why)
        settings = self._settings.trunks.get(trunk)
        caller = order.from_user or (settings and (settings.from_user or settings.username)) or ""
        ring_s = order.ring_timeout_s or (settings.ring_timeout_s if settings else None)
        order = replace(order, to=str(destination), ring_timeout_s=ring_s)
        try:
            call = self._assembly.outbound(order, trunk=trunk, caller=caller, now=now, calls=self._calls)
        except CapacityError as error:
            full = sip_cause(EndReason.NO_CAPACITY)
            raise NotTaken(full.status, full.text, "no_media_port", error.retry_after_s, str(error)) from error
        self._calls.add(call)
        self._calls.run(call, lambda _: call.begin(now))
        if not call.is_ended:
            self._start(call, self._dial(call, order, trunk))
        return call

    def redirected(self, call: OutboundCall, event: CallRedirected) -> None:
        """Somebody else is to be called: only where the trunk may call, as if it had been ordered."""
        self._start(call, self._follow(call, event))

    def hop_failed(self, event: HopFailed) -> None:
        """Others go first for a while."""
        self._trunks.hop_failed(event)

    async def close(self) -> None:
        """No more look-ups."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- look-ups ----------------------------------------------------------------------------------------------

    def _start(self, call: OutboundCall, work: Coroutine[Any, Any, None]) -> None:
        call_id = call.identity.call_id
        former = self._tasks.pop(call_id, None)
        if former is not None:
            former.cancel()
        task = asyncio.get_running_loop().create_task(work, name=f"look-up for {call_id}")
        self._tasks[call_id] = task
        task.add_done_callback(lambda done: self._done(call_id, done))

    def _done(self, call_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(call_id) is task:
            del self._tasks[call_id]

    async def _dial(self, call: OutboundCall, order: CallOrder, trunk: str) -> None:
        try:
            invitation = await self._trunks.invitation(
                trunk,
                order.to,
                from_user=order.from_user,
                body=b"",
                headers=self._headers(order, trunk),
                ring_timeout_s=order.ring_timeout_s,
            )
        except OutboundRefused as error:
            rule, why, reason = error.rule, str(error), _reason_of(error)
            self._calls.run(call, lambda _: call.could_not_dial(rule, why, self._clock(), reason))
        except Exception:
            self._calls.run(call, lambda _: call.could_not_dial("internal_error", "", self._clock()))
            self._logger.exception("call could not be dialled", call=call.identity.call_id)
        else:
            self._calls.run(call, lambda _: self._invite(call, invitation, order.to))

    def _invite(self, call: OutboundCall, invitation: Invitation, to: str) -> None:
        speaks_for = self._trunks.speaks_for(call.identity.trunk, to)
        self._let_in(call, speaks_for, [flow for target in invitation.targets for flow in target.hops])

        faults: list[str] = []

        def make_offer(hop: Flow) -> bytes | None:
            return self._offer(call, hop, faults)

        try:
            call.dial(lambda: self._signalling.invite(replace(invitation, make_offer=make_offer)), self._clock())
        except GatewayError as error:
            rule, why = (NO_MEDIA, faults[0]) if faults else ("not_sent", str(error))
            call.could_not_dial(rule, why, self._clock())

    def _offer(self, call: OutboundCall, hop: Flow, faults: list[str]) -> bytes | None:
        """The offer for a hop, with an RTP port of its IP version; None when the call has none there."""
        try:
            return call.offer(self._media_address(hop), hop.remote[0])
        except GatewayError as error:
            faults.append(str(error))
            to = format_host_port(*hop.remote)
            self._logger.warning("hop passed over", call=call.identity.call_id, rule=NO_MEDIA, hop=to, why=str(error))
            return None

    async def _follow(self, call: OutboundCall, event: CallRedirected) -> None:
        try:
            found = await self._trunks.redirection(call.identity.trunk, event)
        except Exception:
            found = None
            self._logger.exception("redirect could not be followed", call=call.identity.call_id)

        def step(_: Call) -> None:
            if call.is_ended:
                return
            if found is None:
                self._signalling.give_up(event.call)
            else:
                self._let_in(call, found.speaks_for, found.hops)
                try:
                    self._signalling.redirect(
                        event.call, found.request_uri, found.hops, contact=found.contact, route=found.route
                    )
                except LocalProtocolError:  # none of its hops can have the call's audio: what was answered stands
                    self._signalling.give_up(event.call)

        self._calls.run(call, step)

    def _let_in(self, call: OutboundCall, trunk: str, hops: Sequence[Flow]) -> None:
        """Whoever is called may say something within the call, also from an address that no trunk lists. ``trunk`` ""
        is for who is called at a server of his own: he may not call in as the carrier meanwhile."""
        self._vouch(call.identity.call_id, trunk, [hop.remote[0] for hop in hops])

    def _headers(self, order: CallOrder, trunk: str) -> tuple[tuple[str, str], ...]:
        """The trunk's templates, then the order's own headers: the order's word counts where both name one."""
        settings = self._settings.trunks.get(trunk)
        caller = order.from_user or (settings and (settings.from_user or settings.username)) or ""
        agent = self._settings.agents.get(order.agent)
        variables = placed_variables(order, trunk=trunk, caller=caller)
        variables = with_defaults(variables, agent.variables if agent is not None else {})
        own = tuple((name, clean_value(render(text, variables))) for name, text in order.headers)
        named = {name.lower() for name, _ in own}
        templates = render_headers(settings.headers.invite, variables) if settings is not None else ()
        return (*(pair for pair in templates if pair[0].lower() not in named), *(pair for pair in own if pair[1]))


_RATE_RETRY_S = 1
"""A rate has room again soon."""


def _reason_of(error: OutboundRefused) -> EndReason:
    return EndReason.REJECTED if error.status in (403, 404, 480, 484) else EndReason.ERROR
