"""A call that came in: it rings while the agent connects, and is answered with the first sound of the greeting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.base.errors import RemoteProtocolError
from gateway.call.call import Call
from gateway.call.core import MEDIA_CHECK_S, CallParts
from gateway.call.identity import CallIdentity, CallLimits
from gateway.call.journal import EventName
from gateway.call.states import CallState, move
from gateway.call.termination import EndReason, sip_cause

GREETING_WAIT_S = 1.0
"""How long after the session is ready the answer waits for the first sound of the greeting."""

EARLY_LIMIT_S = 30.0
"""The longest greeting that is heard before the answer; then the call is answered in the middle of it."""


@dataclass(frozen=True, slots=True)
class Provisionals:
    """What a trunk's callers get before the answer."""

    has_early_media: bool = False
    """183 with the greeting, and the answer when it has been heard: for lines on which an announcement is free."""
    is_reliable: bool = True
    """Acknowledged by PRACK, where the caller can (RFC 3262)."""


class InboundCall(Call):
    """From the INVITE to the ACK. ``offer`` None: the INVITE brought none, so the 200 makes it."""

    def __init__(
        self,
        identity: CallIdentity,
        parts: CallParts,
        *,
        limits: CallLimits,
        sip_call: str,
        offer: bytes | None,
        provisionals: Provisionals = Provisionals(),
        on_end: Callable[[Call], None],
    ) -> None:
        super().__init__(identity, parts, limits=limits, state=CallState.RINGING, on_end=on_end)
        self.sip_call: str = sip_call
        self._offer = offer
        self._provisionals = provisionals
        self._is_greeting_early = False
        self._answer_due: float | None = None

    def begin(self, now: float) -> None:
        """The INVITE was taken: ring, and connect the agent meanwhile."""
        self._began = now
        who = self.identity
        self._journal.record(
            EventName.CALL_OFFERED,
            now,
            caller=who.caller,
            callee=who.callee,
            trunk=who.trunk,
            account=who.account,
            agent=who.agent,
            rule=who.rule,
            tried=list(who.tried),
            sip_call_id=who.sip_call_id,
        )
        self._answer_due = now + self._limits.answer_after_s
        self._signalling.ring(self.sip_call)
        self._journal.record(EventName.CALL_RINGING, now)
        self._provider.start()

    def confirmed(self, body: bytes | None, now: float) -> None:
        """The ACK came. When the offer was ours it carries the answer."""
        if self.state is not CallState.ANSWERING:
            super().confirmed(body, now)
            return
        if self._offer is None and not self._take_late_answer(body, now):
            return
        self.state = move(self.state, CallState.TALKING)
        self._line.proven(now)
        self._follow_hold(now)
        self._act(now)

    def _take_late_answer(self, body: bytes | None, now: float) -> bool:
        try:
            self._line.accept(body or b"", now)
        except RemoteProtocolError:
            self.end(EndReason.ERROR, now)
            return False
        return True

    # --- the way to the answer ---------------------------------------------------------------------------------

    def _session_ready(self, now: float) -> None:
        self._answer_due = now + (GREETING_WAIT_S if self._conversation.is_greeting_expected else 0.0)
        self._agent_spoke(now)

    def _agent_spoke(self, now: float) -> None:
        is_due = self._conversation.has_agent_audio or not self._conversation.is_greeting_expected
        if self.state is not CallState.RINGING or not self._is_session_ready or not is_due or self._is_greeting_early:
            return
        if self._provisionals.has_early_media and self._conversation.has_agent_audio and self._offer is not None:
            self._greet_early(self._offer, now)
        else:
            self._answer(now)

    def _greet_early(self, offer: bytes, now: float) -> None:
        """The greeting is heard while it still rings; the caller is not, until the answer."""
        self._is_greeting_early = True
        body = self._line.answer(offer, now)
        self._signalling.ring(self.sip_call, 183, (), body=body, is_reliable=self._provisionals.is_reliable)
        self._line.start()
        self._conversation.line_opened(now)
        self._line.expect_proof(now)
        self._media_check = now + MEDIA_CHECK_S
        self._answer_due = now + EARLY_LIMIT_S
        self._journal.record(EventName.CALL_RINGING, now, early_media=True)

    def _take_offer(self, offer: bytes, now: float, fork: str) -> bytes:
        answer = super()._take_offer(offer, now, fork)
        if self.state is CallState.RINGING:
            self._offer = offer  # an UPDATE during early media: the answer of the call must not undo it
        return answer

    def _act(self, now: float) -> None:
        super()._act(now)
        if not self._is_greeting_early or self.state is not CallState.RINGING:
            return
        # Who neither sends audio before the answer nor knows PRACK can only prove itself by the ACK.
        if self._conversation.is_greeting_over or self._line.is_stopped:
            self._answer(now)

    def _setup_deadline(self) -> float | None:
        return self._answer_due

    def _handle_setup_timeout(self, now: float) -> None:
        if self.state is not CallState.RINGING:
            self._answer_due = None
        elif self._is_session_ready:
            self._answer(now)
        else:
            waited = f"the session was not ready within {self._limits.answer_after_s:g} s"
            self.provider_refused(waited, now)

    def _answer(self, now: float) -> None:
        body = self._line.offer() if self._offer is None else self._line.answer(self._offer, now)
        self.state = move(self.state, CallState.ANSWERING)
        self._answer_due = None
        self._signalling.answer(self.sip_call, body, self.identity.headers.answer)
        self._off_hook(now)
        self._line.expect_proof(now)
        self._journal.record(EventName.CALL_ANSWERED, now, codec=self._line.codec, setup_s=round(now - self._began, 3))

    def _take_back(self, reason: EndReason) -> None:
        cause = sip_cause(reason)
        headers = [cause.reason_header()]
        retry_after_s = self._retry_after_s or cause.retry_after_s
        if retry_after_s is not None:
            headers.append(("Retry-After", str(retry_after_s)))
        self._signalling.reject(self.sip_call, cause.status, cause.text, headers)
