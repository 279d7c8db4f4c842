"""Transfers that a far end asks for by REFER, where its trunk allows that: we call whom it names, and move there."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway.base.errors import CapacityError, GatewayError, LocalProtocolError, RemoteProtocolError
from gateway.call.assembly import CallAssembly
from gateway.call.call import REFER_NOT_FOLLOWED, Call
from gateway.call.dialer import NO_MEDIA, Placing, Trunks
from gateway.call.door.door import TRUNK_RATE
from gateway.call.identity import FarEnd
from gateway.call.line import MOST_FORKS
from gateway.call.live_calls import LiveCalls
from gateway.call.new_leg import NewLeg
from gateway.call.termination import EndReason, sip_cause
from gateway.observability.logs import Logger
from gateway.settings.schema import Settings
from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallReferred,
    CallRefused,
    CallReoffered,
    CallRinging,
    Event,
)
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError, format_host_port
from gateway.sip.invite.invitation import Invitation
from gateway.sip.uri import SipUri, parse_uri
from gateway.trunks.destination import OutboundRefused, parse_destination

MOST_REFERRALS = 3
"""Transfers of one call that are followed: whoever sends an agent round and round is stopped."""

REFER_STATE = "refer_state"
"""The rule for a REFER to a call that neither talks nor is held."""
REFER_UNDER_WAY = "refer_under_way"
REFER_LIMIT = "refer_limit"
REFER_METHOD = "refer_method"
"""The rule for a Refer-To that asks for something else than an INVITE."""


class Signalling(Placing, Protocol):
    """The SIP endpoint's commands that a transfer needs."""

    def accept_refer(self, call: str, refer_id: str) -> None: ...

    def notify_refer(self, call: str, refer_id: str, status: int, reason: str | None = None) -> None: ...

    def hang_up(self, call: str, headers: Iterable[tuple[str, str]] = ()) -> None: ...

    def refuse_offer(self, call: str, status: int) -> None: ...


@dataclass(slots=True)
class Referral:
    """One transfer under way."""

    call: Call
    sip_call: str
    """The dialog that the REFER came in."""
    refer_id: str
    target: str
    holder: str
    """The name under which the door hears those who are called."""
    leg: NewLeg
    placed: str = ""
    """The user agent's id of the call that we place; "" before its INVITE."""
    task: asyncio.Task[None] | None = None
    last_status: int = 100
    early: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    """Answers in provisional responses, by fork: the 200 need not repeat them (RFC 3262 §5)."""


class Referrals:
    """At most one at a time for each call, and ``MOST_REFERRALS`` in all. The call goes on until one has worked."""

    def __init__(
        self,
        settings: Settings,
        *,
        trunks: Trunks,
        signalling: Signalling,
        assembly: CallAssembly,
        calls: LiveCalls,
        media_address: Callable[[Flow], str],
        vouch: Callable[[str, str, Iterable[str]], None],
        withdraw: Callable[[str], None],
        takes_call: Callable[[str, float], bool],
        logger: Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._trunks = trunks
        self._signalling = signalling
        self._assembly = assembly
        self._calls = calls
        self._media_address = media_address
        self._vouch = vouch
        self._withdraw = withdraw
        self._takes_call = takes_call
        self._logger = logger
        self._clock = clock
        self._under_way: dict[str, Referral] = {}
        self._placed: dict[str, Referral] = {}
        self._counts: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def apply(self, settings: Settings) -> None:
        """Other settings for transfers to come."""
        self._settings = settings

    async def close(self) -> None:
        """No more look-ups."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the question ------------------------------------------------------------------------------------------

    def ask(self, call: Call, event: CallReferred, now: float) -> None:
        """202 and off it goes. Raises OutboundRefused: its rule and status say why the REFER is declined."""
        target = self._check(call, event, now)
        assert call.sip_call is not None
        call_id = call.identity.call_id
        try:
            leg = self._assembly.leg(call, calls=self._calls)
        except CapacityError as error:
            raise OutboundRefused("no_media_port", str(error), status=503) from error
        count = self._counts[call_id] = self._counts.get(call_id, 0) + 1
        referral = Referral(call, call.sip_call, event.refer_id, target, f"{call_id} transfer {count}", leg)
        self._under_way[call_id] = referral
        self._signalling.accept_refer(call.sip_call, event.refer_id)
        kind = "blind" if event.replaces is None else "attended"
        call.tell_referral("requested", target, now, kind=kind, referred_by=event.referred_by or "")
        referral.task = asyncio.get_running_loop().create_task(
            self._dial(referral, event), name=f"transfer of {call_id}"
        )
        self._tasks.add(referral.task)
        referral.task.add_done_callback(self._tasks.discard)

    def _check(self, call: Call, event: CallReferred, now: float) -> str:
        """The target as it is dialled. Whoever asks is no reason to call somebody whom an order could not."""
        who = call.identity
        trunk = self._settings.trunks.get(who.trunk)
        if trunk is None or not trunk.follow_refer:
            raise OutboundRefused(REFER_NOT_FOLLOWED, f"trunk {who.trunk} has no follow_refer", status=603)
        if not call.can_move:
            raise OutboundRefused(REFER_STATE, f"the call is {call.state.value}", status=491)
        if who.call_id in self._under_way:
            raise OutboundRefused(REFER_UNDER_WAY, "a transfer of this call is under way", status=491)
        if self._counts.get(who.call_id, 0) >= MOST_REFERRALS:
            raise OutboundRefused(REFER_LIMIT, f"{MOST_REFERRALS} transfers of this call were followed", status=603)
        target = _to_invite(event.target)
        self._trunks.choose(target, who.trunk)
        if not self._takes_call(who.trunk, now):
            raise OutboundRefused(TRUNK_RATE, f"more calls in a second than trunks.{who.trunk} may have", status=503)
        return target

    # --- the call that we place --------------------------------------------------------------------------------

    async def _dial(self, referral: Referral, event: CallReferred) -> None:
        trunk = referral.call.identity.trunk
        headers = (("Referred-By", f"<{event.referred_by}>"),) if event.referred_by else ()
        try:
            invitation = await self._trunks.invitation(trunk, referral.target, body=b"", headers=headers)
        except OutboundRefused as error:
            status, why = error.status, error.rule
            self._step(referral, lambda: self._fail(referral, status, None, rule=why))
        except Exception:
            self._logger.exception("transfer could not be followed", call=referral.call.identity.call_id)
            self._step(referral, lambda: self._fail(referral, 500, None, rule="internal_error"))
        else:
            if event.replaces is not None:
                invitation = replace(invitation, headers=(*invitation.headers, ("Replaces", event.replaces)))
            self._step(referral, lambda: self._invite(referral, invitation))

    def _step(self, referral: Referral, step: Callable[[], None]) -> None:
        if self._is_under_way(referral):
            self._calls.run(referral.call, lambda _: step())

    def _is_under_way(self, referral: Referral) -> bool:
        return self._under_way.get(referral.call.identity.call_id) is referral

    def _invite(self, referral: Referral, invitation: Invitation) -> None:
        trunk = referral.call.identity.trunk
        hosts = {hop.remote[0] for target in invitation.targets for hop in target.hops}
        self._vouch(referral.holder, self._trunks.speaks_for(trunk, referral.target), hosts)
        # A redirect is the last word of whom we were sent to: the far end is told, and may ask for that one itself.
        placed = replace(invitation, make_offer=lambda hop: self._offer(referral, hop), follows_redirects=False)
        try:
            referral.placed = self._signalling.invite(placed)
        except GatewayError as error:
            self._fail(referral, 503, str(error), rule="not_sent")
            return
        self._placed[referral.placed] = referral

    def _offer(self, referral: Referral, hop: Flow) -> bytes | None:
        call = referral.call
        try:
            return referral.leg.offer(call, self._media_address(hop), hop.remote[0])
        except GatewayError as error:
            to = format_host_port(*hop.remote)
            self._logger.warning("hop passed over", call=call.identity.call_id, rule=NO_MEDIA, hop=to, why=str(error))
            return None

    # --- what is said of it ------------------------------------------------------------------------------------

    def handle(self, event: Event, now: float) -> bool:
        """Whether an event of signalling concerns a call that we place for a transfer."""
        if not isinstance(event, CallRinging | CallAnswered | CallRefused | CallEnded | CallReoffered):
            return False
        referral = self._placed.get(event.call)
        if referral is None:
            return False
        self._calls.run(referral.call, lambda _: self._follow(referral, event, now))
        return True

    def _follow(self, referral: Referral, event: Event, now: float) -> None:
        match event:
            case CallRinging(status=status, reason=reason, body=body, early=fork):
                self._ring(referral, status, reason, now)
                if body is not None:
                    referral.early[fork] = body
                    if len(referral.early) > MOST_FORKS:
                        referral.early.popitem(last=False)
            case CallAnswered():
                self._answered(referral, event, now)
            case CallRefused(status=status, reason=reason):
                referral.placed = self._forget_placed(referral)
                self._fail(referral, status, reason)
            case CallEnded(cause=cause):
                referral.placed = self._forget_placed(referral)
                self._fail(referral, 480, None, rule=cause.value)
            case CallReoffered(call=placed):
                self._signalling.refuse_offer(placed, 488)
            case _:
                pass

    def _forget_placed(self, referral: Referral) -> str:
        self._placed.pop(referral.placed, None)
        return ""

    def _ring(self, referral: Referral, status: int, reason: str, now: float) -> None:
        if status != referral.last_status:
            referral.last_status = status
            self._notify(referral, status, reason)
            referral.call.tell_referral("under_way", referral.target, now, sip_status=status, sip_reason=reason)

    def _answered(self, referral: Referral, event: CallAnswered, now: float) -> None:
        call, former = referral.call, referral.call.identity
        body = event.body or referral.early.get(event.tag) or referral.early.get("") or b""
        if not call.can_move:
            self._fail(referral, 487, None, rule=REFER_STATE)
            return
        try:
            agreed = referral.leg.accept(call, body)
        except RemoteProtocolError as error:
            self._fail(referral, 488, str(error), rule="unusable_answer")
            return
        self._drop(referral)
        self._calls.rename(call, event.call)
        source = event.flow.remote[0] if event.flow is not None else ""
        target = parse_destination(referral.target)
        far_end = FarEnd(target.user if target.is_number else str(target), event.call, source)
        try:
            call.move(referral.leg, agreed, far_end, now, by="refer")
            self._calls.moved(call)
            call.tell_referral("succeeded", referral.target, now, sip_status=200)
        finally:
            self._notify(referral, 200, None)
            bye = [sip_cause(EndReason.TRANSFERRED).reason_header(), *former.headers.bye]
            with contextlib.suppress(LocalProtocolError):
                self._signalling.hang_up(referral.sip_call, bye)

    def _fail(self, referral: Referral, status: int, reason: str | None, *, rule: str = "") -> None:
        """The far end is told, and the call goes on as it was."""
        self._drop(referral)
        self._undo(referral)
        self._notify(referral, status if status >= 300 else 500, reason)
        details = {"sip_status": status} | ({"sip_reason": reason} if reason else {}) | ({"rule": rule} if rule else {})
        referral.call.tell_referral("failed", referral.target, self._clock(), **details)

    def _notify(self, referral: Referral, status: int, reason: str | None) -> None:
        with contextlib.suppress(LocalProtocolError):  # its dialog is over
            self._signalling.notify_refer(referral.sip_call, referral.refer_id, status, reason or None)

    # --- the end -----------------------------------------------------------------------------------------------

    def forget(self, call: Call) -> None:
        """The call is over, or with somebody else by an INVITE of theirs: whom we call for it is called no longer."""
        call_id = call.identity.call_id
        referral = self._under_way.get(call_id)
        if referral is not None:
            self._drop(referral)
            self._undo(referral)
        if call.is_ended:
            for number in range(1, self._counts.pop(call_id, 0) + 1):
                self._withdraw(f"{call_id} transfer {number}")

    def _drop(self, referral: Referral) -> None:
        self._under_way.pop(referral.call.identity.call_id, None)
        self._placed.pop(referral.placed, None)

    def _undo(self, referral: Referral) -> None:
        """CANCEL, or BYE where it was answered, and its port is free again."""
        task = referral.task
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        if referral.placed:
            with contextlib.suppress(LocalProtocolError):
                self._signalling.hang_up(referral.placed)
        referral.leg.close()
        self._withdraw(referral.holder)


def _to_invite(target: str) -> str:
    """A Refer-To as a destination: its ``method`` may only be INVITE (RFC 3515 §2.1), and is left out when dialled."""
    try:
        uri = parse_uri(target)
    except SipParseError:
        return target  # judged as a destination
    if not isinstance(uri, SipUri) or "method" not in uri.params:
        return target
    if (uri.params["method"] or "").upper() != "INVITE":
        raise OutboundRefused(REFER_METHOD, "only a call can be asked for", status=603)
    return str(replace(uri, params={name: value for name, value in uri.params.items() if name != "method"}))
