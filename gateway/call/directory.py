"""The way in and out for everything that is said about calls: signalling's events, the operator's orders, the end."""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.base.errors import CapacityError, RemoteProtocolError
from gateway.call.assembly import CallAssembly, Caller
from gateway.call.call import REFER_NOT_FOLLOWED, Call
from gateway.call.capacity import Capacity, NotTaken
from gateway.call.dialer import Dialer
from gateway.call.door.bans import BanChange, BanEvent
from gateway.call.door.door import BANNED, TRUNK_RATE, UNCONFIRMED, UNKNOWN_CALLERS, Door
from gateway.call.door.refusal_log import RefusalLog
from gateway.call.identity import FarEnd
from gateway.call.keypad import read_info_digit
from gateway.call.legs import Signalling
from gateway.call.live_calls import LiveCalls
from gateway.call.outbound import OutboundCall
from gateway.call.profile import route_call
from gateway.call.referrals import Referrals
from gateway.call.sip_reply import SipReply
from gateway.call.takeover import Takeover
from gateway.call.termination import EndReason
from gateway.call.variables import call_variables, facts_of
from gateway.observability.logs import Logger
from gateway.observability.metrics import Metrics
from gateway.observability.node_events import NodeEventName, NodeEvents
from gateway.settings.schema import Settings
from gateway.sip.events import (
    CallAnswered,
    CallCancelled,
    CallConfirmed,
    CallEnded,
    CallOffered,
    CallRedirected,
    CallReferred,
    CallRefused,
    CallReoffered,
    CallRinging,
    EndCause,
    Event,
    HopFailed,
    InfoReceived,
    ProvisionalAcknowledged,
    ReferProgress,
    ReferRefused,
    ReofferAnswered,
    ReofferRefused,
    RequestRefused,
)
from gateway.sip.flow import Flow
from gateway.trunks.destination import OutboundRefused

_REMEDIES = {
    UNKNOWN_CALLERS: {"why": "no trunk accepts this address; add it to trunks.<name>.accept_from"},
    TRUNK_RATE: {"why": "more calls in a second than trunks.<name>.calls_per_second"},
    UNCONFIRMED: {"why": "this source lets too many calls wait for their ACK; is its address forged?"},
    "anothers_call": {"why": "the call is with another trunk; list all addresses of one trunk in its accept_from"},
    "wrong_credentials": {"why": "the user name is not known here, or the password is wrong"},
}

_END_REASONS = {
    EndCause.BYE: EndReason.CALLER_HUNG_UP,
    EndCause.ACK_TIMEOUT: EndReason.ERROR,
    EndCause.RING_LIMIT: EndReason.NO_ANSWER,
    EndCause.NO_ANSWER: EndReason.NO_ANSWER,
    EndCause.REPLACED: EndReason.TRANSFERRED,
}
"""How signalling's causes are called here; every other one is an error of the line."""


class CallDirectory:
    """Signalling events go to ``handle_sip_event``; the user agent asks its ``door``."""

    def __init__(
        self,
        settings: Settings,
        *,
        metrics: Metrics,
        logger: Logger,
        key: bytes,
        events: NodeEvents | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``key`` is a secret of this node, of its door's challenges; ``events`` are told who is banned."""
        self._settings = settings
        self._metrics = metrics
        self._logger = logger
        self._clock = clock
        self._events = events or NodeEvents()
        self._refusals = RefusalLog(logger)
        self.calls = LiveCalls(metrics=metrics, logger=logger, clock=clock)
        self.dialer: Dialer | None = None
        """Places calls; without one, nobody can order any."""
        self.referrals: Referrals | None = None
        """Follows the transfers that far ends ask for; without one, none is followed."""
        self.door = Door(settings, key=key, is_in_call=self.calls.has_source, tell=self._note_ban)
        self.calls.on_ended = self._note_ended
        self.is_draining = False

    def attach(self, signalling: Signalling, assembly: CallAssembly) -> None:
        """The SIP endpoint and what is built upon it: they need this directory's door first."""
        self._signalling = signalling
        self._assembly = assembly
        self.capacity = Capacity(self._settings, self.calls, lambda: assembly.sessions_open)

    def apply(self, settings: Settings) -> None:
        """Other settings for calls to come; live ones keep theirs."""
        self._settings = settings
        self.door.apply(settings)
        self.capacity.apply(settings)

    def _note_ended(self, call: Call) -> None:
        self.door.withdraw(call.identity.call_id)
        if self.referrals is not None:
            self.referrals.forget(call)

    def _note_ban(self, event: BanEvent) -> None:
        """A source is kept out, or no longer: rare, and worth an event each time."""
        self._metrics.bans.labels(change=event.change.value).inc()
        details: dict[str, object] = {"source": event.source, "rule": BANNED}
        if event.username:
            details["username"] = event.username
        if event.change is BanChange.BANNED:
            why = "it failed to prove a password too often"
            self._events.record(NodeEventName.SOURCE_BANNED, **details, for_s=event.for_s, why=why)
        else:
            self._events.record(NodeEventName.SOURCE_RELEASED, **details)

    def why_not_ready(self) -> str | None:
        """Why a new call would be refused right now, or None."""
        if self.is_draining:
            return "draining"
        full = self.capacity.full()
        return f"{full} reached" if full else None

    @property
    def live(self) -> int:
        """Calls that have not ended."""
        return len(self.calls)

    # --- signalling --------------------------------------------------------------------------------------------

    def handle_sip_event(self, event: Event) -> None:
        """One event of the user agent."""
        now = self._clock()
        self.door.note(event)
        match event:
            case CallOffered():
                self._offered(event, now)
            case RequestRefused():
                status = event.status or "silence"
                self._note_refusal(event.flow, event.rule, method=event.method, status=status)
            case _ if self.referrals is not None and self.referrals.handle(event, now):
                pass
            case CallConfirmed() | CallCancelled() | CallRinging() | CallAnswered() | CallRefused() | CallEnded():
                self._note_where_answered(event)
                self._with(event.call, lambda call: _tell_of_setup_and_end(call, event, now))
            case ProvisionalAcknowledged():
                self._with(event.call, lambda call: call.heard_from(now))
            case CallReoffered() | ReofferAnswered() | ReofferRefused():
                self._with(event.call, lambda call: _tell_of_offers(call, event, now))
            case ReferProgress() | ReferRefused() | CallReferred():
                self._with(event.call, lambda call: self._tell_of_transfers(call, event, now))
            case InfoReceived():
                digit = read_info_digit(event)
                if digit is not None:
                    self._with(event.call, lambda call: call.receive_digit(digit, now, "info"))
            case CallRedirected() | HopFailed():
                self._choose_other_way(event)
            case _:
                pass

    def _note_where_answered(self, event: Event) -> None:
        """Whoever answers a call of ours is heard in it, also where no trunk takes calls from that address."""
        if isinstance(event, CallAnswered) and event.flow is not None:
            call = self.calls.of_sip_call(event.call)
            if call is not None:
                self.calls.reached(call, event.flow.remote[0])

    def _with(self, sip_call: str, step: Callable[[Call], None]) -> None:
        call = self.calls.of_sip_call(sip_call)
        if call is not None:
            self.calls.run(call, step)

    def _tell_of_transfers(self, call: Call, event: ReferProgress | ReferRefused | CallReferred, now: float) -> None:
        match event:
            case ReferProgress(status=status, reason=reason, is_final=is_final):
                call.refer_progress(status, reason, now, is_final=is_final)
            case ReferRefused(status=status, reason=reason):
                call.refer_refused(status, reason, now)
            case CallReferred():
                self._follow_or_decline(call, event, now)

    def _follow_or_decline(self, call: Call, event: CallReferred, now: float) -> None:
        try:
            if self.referrals is None:
                raise OutboundRefused(REFER_NOT_FOLLOWED, "nothing here places calls", status=603)
            self.referrals.ask(call, event, now)
        except OutboundRefused as refused:
            self._metrics.refusals.labels(rule=refused.rule).inc()
            call.referred(event.refer_id, event.target, now, status=refused.status, rule=refused.rule)

    def _choose_other_way(self, event: CallRedirected | HopFailed) -> None:
        if self.dialer is None:
            return
        call = self.calls.of_sip_call(event.call)
        if isinstance(event, HopFailed):
            self.dialer.hop_failed(event)
        elif isinstance(call, OutboundCall):
            self.dialer.redirected(call, event)

    def _offered(self, event: CallOffered, now: float) -> None:
        variables = self._variables_of(event)
        caller = Caller(variables["caller"], variables["callee"], variables["sip_call_id"], variables)
        try:
            replaced = self._replaced(event)
            if replaced is not None:
                self._take_over(replaced, event, caller, now)
                return
            call = self._take(event, caller, now)
        except NotTaken as refused:
            self._refuse(event, caller, refused)
            return
        except Exception:
            self._refuse(event, caller, NotTaken(500, "Internal error", "internal_error"))
            self._logger.exception("call could not be set up", caller=caller.caller, callee=caller.callee)
            return
        self.calls.add(call)
        self.calls.run(call, lambda call: call.begin(now))

    def _replaced(self, event: CallOffered) -> Call | None:
        """The conversation that this INVITE takes over (RFC 3891), where it is one of the same trunk, or of phones."""
        call = self.calls.of_sip_call(event.replaces) if event.replaces is not None else None
        if call is None or not call.can_move:
            return None
        trunk = call.identity.trunk
        is_same = trunk == event.admission.trunk if event.admission.trunk else trunk not in self._settings.trunks
        return call if is_same else None

    def _take_over(self, call: Call, event: CallOffered, caller: Caller, now: float) -> None:
        if not event.admission.trunk and not event.admission.account:
            raise NotTaken(403, "Forbidden", UNKNOWN_CALLERS)
        account = event.admission.account
        far_end = FarEnd(caller.caller, caller.sip_call_id, event.flow.remote[0], account)
        takeover = Takeover(call, event, far_end, assembly=self._assembly, calls=self.calls)
        self.calls.run(call, lambda _: takeover.answer(self._signalling, now))
        if self.referrals is not None and call.sip_call == event.call:
            self.referrals.forget(call)

    def _variables_of(self, event: CallOffered) -> dict[str, str]:
        trunk = self._settings.trunks.get(event.admission.trunk)
        return call_variables(event.request, event.admission, trunk.variables if trunk else {})

    def _take(self, event: CallOffered, caller: Caller, now: float) -> Call:
        trunk = event.admission.trunk
        if not trunk and not event.admission.account:
            raise NotTaken(403, "Forbidden", UNKNOWN_CALLERS)
        self.capacity.check(trunk)
        decision = route_call(self._settings, facts_of(event.request, event.admission))
        if decision.agent is None:
            raise NotTaken(404, "Not Found", "no_route", why="; ".join(decision.tried))
        try:
            return self._assembly.inbound(event, caller, decision, now, calls=self.calls)
        except CapacityError as error:
            raise NotTaken(503, "No capacity", "no_media_port", error.retry_after_s, str(error)) from error
        except RemoteProtocolError as error:
            raise NotTaken(error.status, str(error), "media_negotiation") from error

    def _refuse(self, event: CallOffered, caller: Caller, refused: NotTaken) -> None:
        self._note_refusal(
            event.flow,
            refused.rule,
            method="INVITE",
            status=refused.status,
            caller=caller.caller,
            callee=caller.callee,
            why=refused.why or refused.text,
        )
        headers = [] if refused.retry_after_s is None else [("Retry-After", str(refused.retry_after_s))]
        self._signalling.reject(event.call, refused.status, _phrase(refused.text), headers)

    def _note_refusal(self, flow: Flow, rule: str, **details: object) -> None:
        """Every refusal is counted under its rule and, within bounds, logged with it."""
        self._metrics.refusals.labels(rule=rule).inc()
        self._refusals.note(flow.remote[0], rule, self._clock(), **(_REMEDIES.get(rule, {}) | details))

    # --- the way out -------------------------------------------------------------------------------------------

    def end_all(self, reason: EndReason) -> None:
        """Ends every call, each with what its state asks of SIP."""
        now = self._clock()
        for call in self.calls:
            self.calls.run(call, lambda call: call.end(reason, now))

    def close(self) -> None:
        """No more deadlines."""
        self.calls.close()


def _tell_of_setup_and_end(
    call: Call,
    event: CallConfirmed | CallCancelled | CallRinging | CallAnswered | CallRefused | CallEnded,
    now: float,
) -> None:
    match call, event:
        case _, CallConfirmed(body=body, is_reoffer=True):
            call.reoffer_confirmed(body, now)
        case _, CallConfirmed(body=body):
            call.confirmed(body, now)
        case OutboundCall(), CallRinging(status=status, reason=reason, body=body, early=fork):
            call.progressed(status, reason, body, now, fork)
        case OutboundCall(), CallAnswered(body=body, tag=fork):
            call.answered(body, now, fork)
        case OutboundCall(), CallRefused(status=status, reason=reason, headers=headers):
            call.refused(status, reason, headers, now)
        case _, CallCancelled():
            call.end(EndReason.CANCELLED, now, is_gone=True)
        case _, CallEnded(cause=cause, headers=headers):
            reply = SipReply.read(None, "", headers or (), cause=cause.value)
            has_gone_over = call.has_left_by_transfer and cause is EndCause.BYE
            why = EndReason.TRANSFERRED if has_gone_over else _END_REASONS.get(cause, EndReason.ERROR)
            call.end(why, now, is_gone=True, reply=reply)


def _tell_of_offers(call: Call, event: CallReoffered | ReofferAnswered | ReofferRefused, now: float) -> None:
    match event:
        case CallReoffered(offer=offer, early=fork):
            call.reoffered(offer, now, fork)
        case ReofferAnswered(body=body):
            call.reoffer_answered(body, now)
        case ReofferRefused(status=status, reason=reason):
            call.reoffer_refused(status, reason, now)


def _phrase(text: str) -> str:
    """A reason phrase may not carry line ends or other control characters, and should stay short."""
    return "".join(character for character in text if character.isprintable())[:120]
