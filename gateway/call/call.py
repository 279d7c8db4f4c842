"""One telephone call, whoever dialled: it owns the state and the three legs, and nothing outlives it.

A call is driven from outside by facts (a SIP event, a provider event, a digit, a deadline), each with ``now``. It does
no I/O of its own: its legs do. After each fact whoever drove it reads ``next_deadline()``. Here is what may happen
while it lasts; how it comes to be answered is its direction's own (``inbound``, ``outbound``), the rest is ``core``.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.call.core import CallCore, CallParts
from gateway.call.identity import CallIdentity, CallLimits, FarEnd
from gateway.call.journal import EventName
from gateway.call.keypad import KeySources
from gateway.call.line import Line
from gateway.call.negotiation import Agreement
from gateway.call.new_leg import NewLeg
from gateway.call.states import CallState, move
from gateway.call.termination import EndReason
from gateway.call.transfer import TRANSFER_LIMIT_S, Transfer, TransferOutcome
from gateway.sip.headers import HeaderList

REFER_NOT_FOLLOWED = "refer_not_followed"
"""The rule by which a REFER of the far end is declined."""
HELD_PING_S = 30.0
"""How often a far end on hold, from which no audio is expected, is asked whether it still has the call."""


class Call(CallCore):
    """See the module. ``on_end`` is called once, when every leg has been told to go."""

    def __init__(
        self,
        identity: CallIdentity,
        parts: CallParts,
        *,
        limits: CallLimits,
        state: CallState,
        on_end: Callable[[Call], None],
    ) -> None:
        super().__init__(identity, parts, limits=limits, state=state)
        self._on_end = on_end
        self._ping_due: float | None = None
        self._keys = KeySources()
        self._transfer: Transfer | None = None
        self._leg: NewLeg | None = None
        self._is_move_unanswered = False

    def _tell_ended(self) -> None:
        if self._leg is not None:
            self._leg.close()
        self._on_end(self)

    # --- facts of signalling -----------------------------------------------------------------------------------

    def heard_from(self, now: float) -> None:
        """A request of the far end within the call, which only somebody can send who has read what we answered."""
        if not self.is_ended:
            self._line.proven(now)

    def reoffered(self, offer: bytes | None, now: float, fork: str = "") -> None:
        """A re-INVITE or UPDATE: another port or codec, hold or resume, or a refresh that changes nothing.

        ``fork``: the remote tag, when a call we place is not answered yet.
        """
        if self.sip_call is None:
            return
        self.heard_from(now)
        if offer is None:
            self._signalling.answer_offer(self.sip_call, self._line.offer())
            return
        try:
            answer = self._take_offer(offer, now, fork)
        except RemoteProtocolError as error:
            self._signalling.refuse_offer(self.sip_call, error.status)
            return
        self._follow_hold(now)
        self._act(now)
        if not self.is_ended:
            self._signalling.answer_offer(self.sip_call, answer)

    def _take_offer(self, offer: bytes, now: float, fork: str) -> bytes:
        """The answer to it; what it says is in force from here on."""
        return self._line.answer(offer, now, early=fork if self._waits_for_answer else None)

    def reoffer_confirmed(self, body: bytes | None, now: float) -> None:
        """The ACK of a re-INVITE; with a body it answers an offer of ours."""
        if body is None:
            return
        try:
            self._line.accept(body, now)
        except RemoteProtocolError:
            self.end(EndReason.ERROR, now)
            return
        self._follow_hold(now)
        self._act(now)

    def reoffer_answered(self, body: bytes, now: float) -> None:
        """The far end agreed to an offer of ours."""
        try:
            self._line.accept(body, now)
        except RemoteProtocolError:
            self.reoffer_refused(488, "its answer cannot be used", now)
            return
        self._follow_hold(now)
        self._act(now)

    def reoffer_refused(self, status: int, reason: str, now: float) -> None:
        """The far end refused an offer of ours: everything stays as it was, except what needs no consent.

        Hold does not: the agent is silent and deaf whatever the far end thinks of it (and of resuming, likewise).
        """
        self._journal.record(EventName.CALL_REOFFER_REFUSED, now, status=status, reason=reason)

    # --- hold --------------------------------------------------------------------------------------------------

    def hold(self, now: float) -> None:
        """We put the far end on hold. Raises LocalProtocolError when the call cannot be held now."""
        self._require(CallState.TALKING, CallState.HELD)
        if not self._line.is_held_by_us:
            self._offer_hold(now, is_held=True)

    def resume(self, now: float) -> None:
        """We end our hold. Raises LocalProtocolError when the call is in no such state."""
        self._require(CallState.TALKING, CallState.HELD)
        if self._line.is_held_by_us:
            self._offer_hold(now, is_held=False)

    def _offer_hold(self, now: float, *, is_held: bool) -> None:
        assert self.sip_call is not None
        before, self._line.is_held_by_us = self._line.is_held_by_us, is_held
        try:
            self._signalling.reoffer(self.sip_call, self._line.offer(), renew=self._line.offer)
        except LocalProtocolError:
            self._line.is_held_by_us = before
            raise
        self._follow_hold(now)
        self._act(now)

    def _follow_hold(self, now: float) -> None:
        """What was agreed about hold becomes the call's state, once the call is established."""
        if self._line.is_on_hold and self.state is CallState.TALKING:
            self.state = move(self.state, CallState.HELD)
            self._ping_due = now + HELD_PING_S
            by, how = ("gateway", "sendonly") if self._line.is_held_by_us else ("peer", self._line.hold)
            self._journal.record(EventName.CALL_HELD, now, by=by, how=how)
            self._conversation.hold(now)
        elif not self._line.is_on_hold and self.state is CallState.HELD:
            self.state = move(self.state, CallState.TALKING)
            self._resumed_at = now
            self._ping_due = None
            self._journal.record(EventName.CALL_RESUMED, now)
            self._conversation.resume(now)

    # --- transfer ----------------------------------------------------------------------------------------------

    def transfer(
        self,
        target: str,
        now: float,
        *,
        to_call: Call | None = None,
        headers: HeaderList = (),
        limit_s: float = TRANSFER_LIMIT_S,
    ) -> None:
        """Asks the far end to call ``target`` instead, or to take the place of our side in ``to_call`` (attended).

        The agent is silent meanwhile; it leaves when that has worked and comes back when it has not. A far end that
        holds us is asked all the same: many hold before they transfer. Raises LocalProtocolError when the call, or
        the other one, stands elsewhere.
        """
        self._require(CallState.TALKING, CallState.HELD)
        assert self.sip_call is not None
        replaces = None
        if to_call is not None:
            to_call._require(CallState.TALKING, CallState.HELD)
            replaces = to_call.sip_call
        self._signalling.refer(self.sip_call, target, replaces=replaces, headers=headers, limit_s=limit_s)
        who = target if to_call is None else to_call.identity.call_id
        self._transfer = Transfer(who, "blind" if to_call is None else "attended")
        self.state = move(self.state, CallState.TRANSFERRING)
        self._tell_transfer("requested", now)
        self._conversation.hold(now)
        self._act(now)

    def refer_progress(self, status: int, reason: str, now: float, *, is_final: bool) -> None:
        """The answer to our REFER, or what a NOTIFY says of the call that the far end makes."""
        transfer = self._transfer
        if transfer is None or self.is_ended:
            return
        outcome = transfer.progress(status, is_final=is_final)
        if is_final or transfer.is_news(status):
            self._tell_transfer(outcome.value, now, sip_status=status, sip_reason=reason)
        if outcome is TransferOutcome.SUCCEEDED:
            # Also after we had taken the call back: whoever was called has answered, so the caller is not ours.
            self.end(EndReason.TRANSFERRED, now)
        elif outcome is TransferOutcome.FAILED:
            self._take_call_back(now)

    def refer_refused(self, status: int, reason: str, now: float) -> None:
        """The far end does not transfer."""
        if self._transfer is not None and not self.is_ended:
            self._tell_transfer("refused", now, sip_status=status, sip_reason=reason)
            self._take_call_back(now)

    def referred(
        self, refer_id: str, target: str, now: float, *, status: int = 603, rule: str = REFER_NOT_FOLLOWED
    ) -> None:
        """The far end asks us to call somebody: an agent is not sent elsewhere by whoever talks to it, unless its
        operator allows that."""
        assert self.sip_call is not None
        self._signalling.refuse_refer(self.sip_call, refer_id, status=status)
        self.tell_referral("declined", target, now, rule=rule)

    def tell_referral(self, state: str, target: str, now: float, **details: object) -> None:
        """How a transfer that the far end has asked for goes."""
        self._journal.record(EventName.TRANSFER_PROGRESS, now, state=state, by="peer", to=target, **details)

    def _tell_transfer(self, state: str, now: float, **details: object) -> None:
        assert self._transfer is not None
        kind, target = self._transfer.kind, self._transfer.target
        self._journal.record(
            EventName.TRANSFER_PROGRESS, now, state=state, by="gateway", kind=kind, to=target, **details
        )

    def _take_call_back(self, now: float) -> None:
        if self.state is not CallState.TRANSFERRING:
            return
        self.state = move(self.state, CallState.TALKING)
        self._resumed_at = now
        self._conversation.transfer_failed(now)
        self._follow_hold(now)
        self._act(now)

    @property
    def has_left_by_transfer(self) -> bool:
        """The far end has taken our REFER: should it hang up, it has gone where it was sent."""
        return self.state is CallState.TRANSFERRING and self._transfer is not None and self._transfer.was_accepted

    # --- to another far end ------------------------------------------------------------------------------------

    @property
    def can_move(self) -> bool:
        """Talking, or held by whoever means to hand it on."""
        return self.state in (CallState.TALKING, CallState.HELD)

    @property
    def line(self) -> Line:
        """Its telephone side."""
        return self._line

    def move(self, leg: NewLeg, agreed: Agreement | None, far_end: FarEnd, now: float, *, by: str) -> None:
        """The conversation goes on with somebody else, in the middle of a word: session, agent and limits stay.

        ``sip_call`` is the new one's already. ``agreed`` None: our offer is answered by the ACK. ``by``: ``replaces``
        or ``refer``. A hold of the former far end ends with it; ours does not.
        """
        former, self.identity = self.identity, self.identity.moved_to(far_end)
        self._leg = leg
        self._transfer = None
        self._keys = KeySources()
        self._resumed_at = now
        self._is_move_unanswered = agreed is None
        self._line.move(leg.join(self, self._line.uplink), leg.negotiator, agreed, now)
        details = {"from": former.parties(), "to": self.identity.parties(), "codec": self._line.codec}
        self._journal.record(EventName.CALL_MOVED, now, by=by, **details)
        if agreed is not None:
            self._follow_hold(now)
            self._act(now)

    def confirmed(self, body: bytes | None, now: float) -> None:
        """The ACK of a call that came in; of one that took another's place it may carry the answer to our offer."""
        if self._is_move_unanswered:
            self._is_move_unanswered = False
            self.reoffer_confirmed(body or b"", now)

    # --- facts of the media ------------------------------------------------------------------------------------

    def receive_digit(self, digit: str, now: float, source: str = "rtp") -> None:
        """A key was pressed: told in RTP (RFC 4733) or by INFO; by both, it counts once."""
        if not self.is_ended and self._keys.is_news(digit, source, now):
            self._conversation.receive_digit(digit, now)
            self._act(now)

    # --- is the far end still there? ---------------------------------------------------------------------------

    def _in_call_deadline(self) -> float | None:
        return self._ping_due

    def _handle_in_call_timeout(self, now: float) -> None:
        """Who vanishes on hold is noticed by signalling, as audio cannot tell."""
        self._ping_due = now + HELD_PING_S
        if self.sip_call is not None:
            self._signalling.ping(self.sip_call)
