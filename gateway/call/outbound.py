"""A call we place: the agent connects while it rings, and its greeting waits for the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway.base.clock import earliest
from gateway.base.errors import RemoteProtocolError
from gateway.call.call import Call
from gateway.call.core import CallParts
from gateway.call.identity import CallIdentity, CallLimits
from gateway.call.journal import EventName
from gateway.call.sip_reply import SipReply
from gateway.call.states import CallState, move
from gateway.call.termination import EndReason, refusal_reason, sip_cause
from gateway.sip.headers import HeaderList


class OutboundCall(Call):
    """From the order to the answer: ``dial`` sends the INVITE once its address is known, ``could_not_dial`` ends it."""

    def __init__(
        self,
        identity: CallIdentity,
        parts: CallParts,
        *,
        limits: CallLimits,
        on_end: Callable[[Call], None],
    ) -> None:
        super().__init__(identity, parts, limits=limits, state=CallState.QUEUED, on_end=on_end)
        self._ring_due: float | None = None
        self._agent_due: float | None = None
        self._last_ringing = 0
        self._has_early_media = False

    def begin(self, now: float) -> None:
        """The order was taken: the agent connects, whoever drives the call looks for the address."""
        self._began = now
        who = self.identity
        self._journal.record(
            EventName.CALL_QUEUED,
            now,
            caller=who.caller,
            callee=who.callee,
            trunk=who.trunk,
            agent=who.agent,
            rule=who.rule,
        )
        self._ring_due = now + self._limits.ring_s
        self._provider.start()

    def offer(self, address: str, signalling_host: str) -> bytes:
        """The SDP for an INVITE; ``address`` is what that peer is told to send audio to, and says the IP version.

        Raises CapacityError or LocalProtocolError where audio of that version cannot be had.
        """
        self._line.place(address, signalling_host)
        return self._line.offer()

    def dial(self, place: Callable[[], str], now: float) -> None:
        """The address is known: ``place`` sends the INVITE and answers with the user agent's id: its Call-ID."""
        if self.state is not CallState.QUEUED:
            return
        self.sip_call = place()
        self.identity = replace(self.identity, sip_call_id=self.sip_call)
        self.state = move(self.state, CallState.DIALING)
        self._journal.record(EventName.CALL_DIALING, now, sip_call_id=self.sip_call)

    def could_not_dial(self, rule: str, why: str, now: float, reason: EndReason = EndReason.ERROR) -> None:
        """No INVITE has left: the name did not resolve, the tables are full, the trunk is gone."""
        self.end(reason, now, reply=SipReply(text=why, cause=rule))

    # --- what the far end says ---------------------------------------------------------------------------------

    def progressed(self, status: int, reason: str, body: bytes | None, now: float, fork: str = "") -> None:
        """A provisional answer: it rings, is queued or forwarded, or lets us hear something already.

        ``fork`` is the remote tag: of those that a proxy rings at once, each may describe a session of its own.
        """
        if self.state not in (CallState.DIALING, CallState.RINGING):
            return
        if self.state is CallState.DIALING:
            self.state = move(self.state, CallState.RINGING)
        if body is not None:
            self._hear_early_media(body, now, fork)
        if status != self._last_ringing:
            self._last_ringing = status
            self._journal.record(
                EventName.CALL_RINGING, now, sip_status=status, sip_reason=reason, early_media=self._has_early_media
            )

    def _hear_early_media(self, body: bytes, now: float, fork: str) -> None:
        """Taken, so that the far end's address is known by the answer; the agent does not hear ringback or notices."""
        try:
            self._line.accept_early(body, now, fork)
        except RemoteProtocolError:
            return  # the answer that counts is the one in the 200
        self._has_early_media = True
        self._line.start()

    def answered(self, body: bytes | None, now: float, fork: str = "") -> None:
        """The 200 is here and acknowledged: the greeting, which has waited, leaves with the next tick."""
        if self.state not in (CallState.DIALING, CallState.RINGING):
            return
        try:
            if body or not self._line.accept_last(now, fork):
                self._line.accept(body or b"", now)
        except RemoteProtocolError as error:
            self._answered_at = now  # in SIP it was: it takes a BYE to end it
            self.end(EndReason.ERROR, now, reply=SipReply(text=str(error), cause="unusable_answer"))
            return
        self.state = move(self.state, CallState.ANSWERING)
        self._ring_due = None
        self._off_hook(now)
        self._journal.record(EventName.CALL_ANSWERED, now, codec=self._line.codec, setup_s=round(now - self._began, 3))
        self._agent_due = now + self._limits.answer_after_s
        self._talk(now)

    def _talk(self, now: float) -> None:
        if self.state is CallState.ANSWERING and self._is_session_ready:
            self._agent_due = None
            self.state = move(self.state, CallState.TALKING)
            self._follow_hold(now)

    def refused(self, status: int, reason: str, headers: HeaderList, now: float) -> None:
        """The INVITE got a final no."""
        reply = SipReply.read(status, reason, headers)
        self.end(refusal_reason(status, reply.q850), now, is_gone=True, reply=reply)

    @property
    def _waits_for_answer(self) -> bool:
        return not self.is_answered

    # --- the way to the answer ---------------------------------------------------------------------------------

    def _session_ready(self, now: float) -> None:
        self._talk(now)

    def _agent_spoke(self, now: float) -> None:
        """It waits in the playout: nothing is sent before the answer."""

    def _setup_deadline(self) -> float | None:
        return earliest(self._ring_due, self._agent_due)

    def _handle_setup_timeout(self, now: float) -> None:
        if self._ring_due is not None and now >= self._ring_due:
            self.end(EndReason.NO_ANSWER, now, reply=SipReply(cause="ring_timeout"))
        elif self._agent_due is not None and now >= self._agent_due:
            waited = f"answered, and the session was not ready within {self._limits.answer_after_s:g} s"
            self.provider_refused(waited, now)

    def _take_back(self, reason: EndReason) -> None:
        assert self.sip_call is not None
        self._signalling.hang_up(self.sip_call, [sip_cause(reason).reason_header()])
