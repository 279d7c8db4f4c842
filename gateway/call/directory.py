"""All live calls: who is let in, which fact belongs to which call, one timer for all of them, and the way out."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from gateway.base.clock import Deadlines
from gateway.base.errors import CapacityError, RemoteProtocolError
from gateway.call.assembly import CallAssembly, Caller
from gateway.call.call import Call
from gateway.call.legs import Signalling
from gateway.call.profile import route_call
from gateway.call.refusal_log import RefusalLog
from gateway.call.termination import EndReason, sip_cause
from gateway.observability.logs import Logger
from gateway.observability.metrics import Metrics
from gateway.settings.match import trunk_table
from gateway.settings.schema import Settings
from gateway.sip.admission import ALLOW, Admission, Refuse, Silence
from gateway.sip.events import (
    CallCancelled,
    CallConfirmed,
    CallEnded,
    CallOffered,
    CallReoffered,
    EndCause,
    Event,
    RequestRefused,
)
from gateway.sip.flow import Flow
from gateway.sip.message import Request
from gateway.sip.uri import SipUri, TelUri, Uri

_NO_CAPACITY = sip_cause(EndReason.NO_CAPACITY).text

UNKNOWN_CALLERS = "unknown_callers"
_REMEDIES = {UNKNOWN_CALLERS: {"why": "no trunk accepts this address; add it to trunks.<name>.accept_from"}}

_END_REASONS = {
    EndCause.BYE: EndReason.CALLER_HUNG_UP,
    EndCause.ACK_TIMEOUT: EndReason.ERROR,
    EndCause.RING_LIMIT: EndReason.NO_ANSWER,
}
"""How signalling's causes are called here; every other one is an error of the line."""


@dataclass(frozen=True, slots=True)
class _Refused(Exception):
    """An offered call that is not taken: the SIP answer and the rule that made it."""

    status: int
    text: str
    rule: str
    retry_after_s: int | None = None
    why: str = ""
    """For the log only: the caller need not know our settings."""


class CallDirectory:
    """Owns every live call. Signalling events go to ``handle_sip_event``; ``admit`` is the user agent's door."""

    def __init__(
        self,
        settings: Settings,
        *,
        metrics: Metrics,
        logger: Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._logger = logger
        self._clock = clock
        self._trunks = trunk_table(settings.trunks)
        self._refusals = RefusalLog(logger)
        self._by_sip_call: dict[str, Call] = {}
        self._live_sources: Counter[str] = Counter()
        self._deadlines: Deadlines[str] = Deadlines()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at: float | None = None
        self.is_draining = False

    def attach(self, signalling: Signalling, assembly: CallAssembly) -> None:
        """The SIP endpoint and what is built upon it: they need this directory's door first."""
        self._signalling = signalling
        self._assembly = assembly

    def apply(self, settings: Settings) -> None:
        """Other settings for calls to come; live ones keep theirs."""
        self._settings = settings
        self._trunks = trunk_table(settings.trunks)

    # --- the door ----------------------------------------------------------------------------------------------

    def hears(self, flow: Flow) -> str | None:
        """The rule by which this source gets silence without being read at all; None when it is listened to."""
        # Who is in a call is heard to its end, also when a reload has dropped the trunk meanwhile.
        is_known = self._trunks.find(flow.remote[0]) is not None or flow.remote[0] in self._live_sources
        return None if is_known or self._settings.unknown_callers == "403" else UNKNOWN_CALLERS

    def admit(self, request: Request, flow: Flow) -> Admission:
        """Only sources that belong to a trunk are heard at all."""
        del request
        if self._trunks.find(flow.remote[0]) is not None:
            return ALLOW
        if self._settings.unknown_callers == "403":
            return Refuse(403, "Forbidden", UNKNOWN_CALLERS)
        return Silence(UNKNOWN_CALLERS)

    def why_not_ready(self) -> str | None:
        """Why a new call would be refused right now, or None."""
        if self.is_draining:
            return "draining"
        if len(self._by_sip_call) >= self._settings.node.max_calls:
            return "node.max_calls reached"
        if self._assembly.sessions_open >= self._settings.inworld.max_sessions:
            return "inworld.max_sessions reached"
        return None

    @property
    def live(self) -> int:
        """Calls that have not ended."""
        return len(self._by_sip_call)

    # --- signalling --------------------------------------------------------------------------------------------

    def handle_sip_event(self, event: Event) -> None:
        """One event of the user agent."""
        now = self._clock()
        match event:
            case CallOffered():
                self._offered(event, now)
            case CallConfirmed(call=sip_call, body=body, is_reoffer=is_reoffer):
                self._with(sip_call, lambda call: (call.reoffer_confirmed if is_reoffer else call.confirmed)(body, now))
            case CallReoffered(call=sip_call, offer=offer):
                self._with(sip_call, lambda call: call.reoffered(offer, now))
            case CallCancelled(call=sip_call):
                self._with(sip_call, lambda call: call.end(EndReason.CANCELLED, now, is_gone=True))
            case CallEnded(call=sip_call, cause=cause):
                reason = _END_REASONS.get(cause, EndReason.ERROR)
                self._with(sip_call, lambda call: call.end(reason, now, is_gone=True))
            case RequestRefused():
                status = event.status or "silence"
                self._note_refusal(event.flow, event.rule, method=event.method, status=status)
            case _:
                pass

    def _with(self, sip_call: str, step: Callable[[Call], None]) -> None:
        call = self._by_sip_call.get(sip_call)
        if call is not None:
            self.run(call, step)

    def run(self, call: Call, step: Callable[[Call], None]) -> None:
        """One step of a call. A fault of ours in it ends this call and no other; then its next deadline is noted."""
        try:
            step(call)
        except Exception:
            call.end(EndReason.ERROR, self._clock())
            self._logger.exception("call failed", call=call.identity.call_id)
        finally:
            self._settle(call)

    def _offered(self, event: CallOffered, now: float) -> None:
        caller = _caller_of(event)
        try:
            call = self._take(event, caller, now)
        except _Refused as refused:
            self._refuse(event, caller, refused)
            return
        except Exception:
            self._refuse(event, caller, _Refused(500, "Internal error", "internal_error"))
            self._logger.exception("call could not be set up", caller=caller.caller, callee=caller.callee)
            return
        self._by_sip_call[event.call] = call
        self._live_sources[call.identity.source] += 1
        self._metrics.calls_live.set(len(self._by_sip_call))
        self.run(call, lambda call: call.begin(now))

    def _take(self, event: CallOffered, caller: Caller, now: float) -> Call:
        trunk = self._trunks.find(event.flow.remote[0])
        if trunk is None:
            raise _Refused(403, "Forbidden", UNKNOWN_CALLERS)
        self._check_capacity(trunk)
        decision = route_call(self._settings, trunk=trunk, to=caller.callee, from_=caller.caller)
        if decision.agent is None:
            raise _Refused(404, "Not Found", "no_route")
        try:
            return self._assembly.assemble(event, caller, decision, now, on_end=self._ended, run=self.run)
        except CapacityError as error:
            raise _Refused(503, _NO_CAPACITY, "no_media_port", error.retry_after_s, str(error)) from error
        except RemoteProtocolError as error:
            raise _Refused(error.status, str(error), "media_negotiation") from error

    def _check_capacity(self, trunk: str) -> None:
        """503 sends the trunk to another node; 486 says that its own lines are all taken, here and elsewhere."""
        full, busy = sip_cause(EndReason.NO_CAPACITY), sip_cause(EndReason.BUSY)
        limit = self._settings.trunks[trunk].max_calls
        if len(self._by_sip_call) >= self._settings.node.max_calls:
            raise _Refused(full.status, full.text, "node.max_calls", full.retry_after_s)
        if self._assembly.sessions_open >= self._settings.inworld.max_sessions:
            raise _Refused(full.status, full.text, "inworld.max_sessions", full.retry_after_s)
        if limit is not None and sum(call.identity.trunk == trunk for call in self._by_sip_call.values()) >= limit:
            raise _Refused(busy.status, "Busy Here", "trunks.max_calls")

    def _refuse(self, event: CallOffered, caller: Caller, refused: _Refused) -> None:
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

    def _ended(self, call: Call) -> None:
        if self._by_sip_call.pop(call.identity.sip_call, None) is not None:
            self._live_sources -= Counter([call.identity.source])  # drops what falls to zero
        self._deadlines.clear(call.identity.sip_call)
        self._metrics.calls_live.set(len(self._by_sip_call))
        if call.end_reason is not None:
            self._metrics.calls_ended.labels(reason=call.end_reason.value).inc()

    def end_all(self, reason: EndReason) -> None:
        """Ends every call, each with what its state asks of SIP."""
        now = self._clock()
        for call in list(self._by_sip_call.values()):
            self.run(call, lambda call: call.end(reason, now))

    def close(self) -> None:
        """No more deadlines."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._armed_at = None

    # --- time --------------------------------------------------------------------------------------------------

    def _settle(self, call: Call) -> None:
        """After anything happened to a call: its next deadline is noted and the one timer armed for the earliest."""
        at = call.next_deadline()
        if at is None:
            self._deadlines.clear(call.identity.sip_call)
        else:
            self._deadlines.set(call.identity.sip_call, at)
        self._arm()

    def _arm(self) -> None:
        at = self._deadlines.next_deadline()
        if at is None or (self._armed_at is not None and self._armed_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_at = at
        self._timer = asyncio.get_running_loop().call_later(max(at - self._clock(), 0.0), self._fire)

    def _fire(self) -> None:
        # The loop may round the delay down; woken early, it would wake again and again until the time has come.
        now = max(self._clock(), self._armed_at or 0.0)
        self._timer = self._armed_at = None
        for sip_call in self._deadlines.pop_due(now):
            self._with(sip_call, lambda call: call.handle_timeout(now))
        self._arm()


def _caller_of(event: CallOffered) -> Caller:
    request = event.request
    return Caller(
        caller=_user_of(request.from_.uri),
        callee=_user_of(request.request_uri),
        sip_call_id=request.call_id,
    )


def _user_of(uri: Uri) -> str:
    user = str(uri)
    if isinstance(uri, SipUri):
        user = uri.decoded_user or ""
    elif isinstance(uri, TelUri):
        user = uri.digits
    # Octets that are no UTF-8 live on as surrogates, which no log, file or JSON text can carry.
    return user.encode("utf-8", "replace").decode()


def _phrase(text: str) -> str:
    """A reason phrase may not carry line ends or other control characters, and should stay short."""
    return "".join(character for character in text if character.isprintable())[:120]
