"""Reliable provisional responses (RFC 3262): ours, repeated until their PRACK, and the PRACK to those of the peer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from gateway.sip.capabilities import offer_of, option_tags, refuse
from gateway.sip.dialog import Dialog
from gateway.sip.events import EarlyAnswered, ProvisionalAcknowledged
from gateway.sip.flow import Flow
from gateway.sip.grammar import MAX_UINT32, SipParseError, parse_number
from gateway.sip.headers import Header
from gateway.sip.invite.in_dialog import InDialogRequest
from gateway.sip.message import Request, Response, make_response
from gateway.sip.validation import Refusal

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call
    from gateway.sip.invite.context import CallContext

_FIRST_RSEQ_BITS = 24
"""RFC 3262 §3: the first number lies between 1 and 2**31 - 1; this leaves room to count up."""

_MAX_WAITING = 8
"""Provisional answers that wait behind an unacknowledged one; more say nothing that matters any more."""


class RAck(NamedTuple):
    """Which provisional response a PRACK acknowledges (RFC 3262 §7.2)."""

    rseq: int
    cseq: int
    method: str

    @classmethod
    def of(cls, prack: Request) -> RAck:
        """Raises SipParseError."""
        parts = (prack.headers.get("RAck") or "").split()
        if len(parts) != 3:
            raise SipParseError("Missing or malformed RAck header field")
        rseq, cseq, method = parts
        return cls(parse_number(rseq, MAX_UINT32, "RAck"), parse_number(cseq, MAX_UINT32, "RAck"), method)


class Provisional(NamedTuple):
    """A provisional answer to be sent reliably."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


class Numbered(NamedTuple):
    """One that is due to be sent, for the first time or again, under its RSeq."""

    provisional: Provisional
    rseq: int


class ReliableProvisionals:
    """Our reliable answers to one INVITE: one at a time, the next behind the PRACK for the last (RFC 3262 §3).

    Two timers in the call's table: ``reliable`` repeats, at T1 and then doubling; ``prack`` gives up after 64*T1.
    """

    TIMERS = ("reliable", "prack")

    def __init__(self, context: CallContext, call_id: str, cseq: int) -> None:
        self._context = context
        self._call_id = call_id
        self._cseq = cseq
        self._rseq = 0
        self._interval_s = 0.0
        self._open: Provisional | None = None
        self._waiting: deque[Provisional] = deque(maxlen=_MAX_WAITING)

    @property
    def holds_back_answer(self) -> bool:
        """A session description that was sent is not acknowledged: no 2xx may be sent before it is."""
        return self._open is not None and bool(self._open.body)

    def drop_waiting(self) -> None:
        """The INVITE has its answer: what was not sent yet says nothing that matters any more."""
        self._waiting.clear()

    @property
    def is_waiting(self) -> bool:
        """One has not been acknowledged yet."""
        return self._open is not None

    def send(self, provisional: Provisional, now: float) -> Numbered | None:
        """It, if it may leave at once; else it waits for its turn."""
        self._waiting.append(provisional)
        return self.resume(now)

    def _take_next(self, now: float) -> Numbered:
        self._open = self._waiting.popleft()
        self._rseq = self._rseq + 1 if self._rseq else self._context.ids.bits(_FIRST_RSEQ_BITS) + 1
        self._interval_s = self._context.timers.t1
        self._context.deadlines.set((self._call_id, "reliable"), now + self._interval_s)
        self._context.deadlines.set((self._call_id, "prack"), now + self._context.timers.give_up_s)
        return Numbered(self._open, self._rseq)

    def repeat(self, now: float) -> Numbered | None:
        """The ``reliable`` timer: what is to leave again. The interval doubles without limit (RFC 3262 §3)."""
        if self._open is None:
            return None
        self._interval_s *= 2
        self._context.deadlines.set((self._call_id, "reliable"), now + self._interval_s)
        return Numbered(self._open, self._rseq)

    def acknowledge(self, rack: RAck) -> Provisional | None:
        """The answer that ``rack`` names, which is repeated no more; None when none of ours waits for it."""
        acknowledged = self._open
        if acknowledged is None or rack != (self._rseq, self._cseq, "INVITE"):
            return None
        self._open = None
        for timer in self.TIMERS:
            self._context.deadlines.clear((self._call_id, timer))
        return acknowledged

    def resume(self, now: float) -> Numbered | None:
        """The PRACK is answered: the next one, if any, may leave."""
        return self._take_next(now) if self._open is None and self._waiting else None

    def stop(self) -> None:
        """A final answer is out: nothing is repeated, but a late PRACK still finds its number (RFC 3262 §3)."""
        self._waiting.clear()
        for timer in self.TIMERS:
            self._context.deadlines.clear((self._call_id, timer))


def receive_prack(call: Call, request: Request, dialog: Dialog, flow: Flow, now: float) -> Refusal | None:
    """200 for one that a provisional answer of ours waits for, else 481 (RFC 3262 §3). Raises SipParseError.

    It may bring the peer's answer, or its next offer, which the 200 answers (§5). After the 2xx it is right as well:
    that leaves without waiting for the PRACK of an answer that says nothing of the session.
    """
    serving = call.serving
    was_settled = serving is not None and serving.is_settled
    if serving is None or not serving.reliable.is_waiting or not serving.acknowledge_provisional(request):
        return refuse(481, "no_such_provisional")
    call.context.tell(ProvisionalAcknowledged(call.id))
    body = offer_of(request)
    if body is not None and serving.offer is not None:
        if dialog.is_negotiated and call.changes.served is None:
            return call.changes.serve_offer(request, dialog, flow, body, now)
        call.provisional_acknowledged(now)
        return refuse(491, "request_pending")
    context = call.context
    context.respond(request, make_response(request, 200, headers=(context.identity.server,)), flow, now)
    if body is not None and serving.is_settled and not was_settled:
        context.tell(EarlyAnswered(call.id, body))
    call.provisional_acknowledged(now)
    return None


def acknowledge_provisional(call: Call, dialog: Dialog, response: Response, now: float) -> bool:
    """A provisional answer to our INVITE in an early dialog; PRACK leaves when it wants one (RFC 3262 §4).

    False: it is a repetition, or one has been lost before it, and it must not be looked at.
    """
    if "100rel" not in option_tags(response, "Require"):
        return True
    try:
        rseq = parse_number(response.headers.get("RSeq") or "", MAX_UINT32, "RSeq")
    except SipParseError:
        return False
    if dialog.remote_rseq is not None and rseq != dialog.remote_rseq + 1:
        return False
    dialog.remote_rseq = rseq
    answer = offer_of(response)
    if answer is not None:
        dialog.is_negotiated = True
        dialog.remote_session = answer
    InDialogRequest(
        call, dialog, "PRACK", headers=(("RAck", f"{rseq} {response.cseq.number} INVITE"),), is_usage_of_its_own=True
    ).send(now)
    return True
