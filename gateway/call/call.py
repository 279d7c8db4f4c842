"""One telephone call from its INVITE to its end: it owns the state and the three legs, and nothing outlives it.

A call is driven from outside by facts (a SIP event, a provider event, a digit, a deadline), each with ``now``. It does
no I/O of its own: its legs do. After each fact whoever drove it reads ``next_deadline()``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.base.clock import earliest
from gateway.base.errors import RemoteProtocolError
from gateway.call.conversation import Conversation
from gateway.call.journal import EventName, Journal
from gateway.call.legs import Legs
from gateway.call.negotiation import Agreement, Negotiator
from gateway.call.states import CallState, move
from gateway.call.termination import EndReason, sip_cause
from gateway.inworld.protocol import RealtimeProtocol
from gateway.inworld.protocol_events import AudioReceived, ProviderFault, RealtimeEvent, SessionClosed, SessionReady
from gateway.media.codec.g711 import BYTES_PER_MS
from gateway.media.config import Direction, StreamConfig

GREETING_WAIT_S = 1.0
"""How long after the session is ready the answer waits for the first sound of the greeting."""
UNPROVEN_MEDIA_S = 3.0
"""How long audio goes to an address that only SDP has named: without an ACK or a packet from there, the INVITE's source
may be forged and the address a victim's."""
_MEDIA_CHECK_S = 1.0


@dataclass(frozen=True, slots=True)
class CallLimits:
    """When the gateway ends a call by itself; 0 means never."""

    answer_after_s: float = 10.0
    duration_s: float = 3600.0
    idle_s: float = 0.0
    media_silence_s: float = 30.0


@dataclass(frozen=True, slots=True)
class CallIdentity:
    """Who calls whom, and what the settings made of it."""

    call_id: str
    sip_call: str
    """The user agent's id of the call."""
    sip_call_id: str
    """The Call-ID header: what carriers ask for."""
    source: str
    """The IP address that signals."""
    caller: str
    callee: str
    trunk: str
    agent: str
    rule: str


class Call:
    """See the module. ``on_end`` is called once, when every leg has been told to go."""

    def __init__(
        self,
        identity: CallIdentity,
        *,
        limits: CallLimits,
        offer: bytes | None,
        negotiator: Negotiator,
        legs: Legs,
        protocol: RealtimeProtocol,
        conversation: Conversation,
        journal: Journal,
        on_end: Callable[[Call], None],
    ) -> None:
        self.identity = identity
        self.state = CallState.RINGING
        self.end_reason: EndReason | None = None
        self._limits = limits
        self._offer = offer
        self._negotiator = negotiator
        self._signalling = legs.signalling
        self._media = legs.media
        self._provider = legs.provider
        self._protocol = protocol
        self._conversation = conversation
        self._journal = journal
        self._on_end = on_end
        self._began = 0.0
        self._answered_at: float | None = None
        self._answer_due: float | None = None
        self._media_check: float | None = None
        self._proof_due: float | None = None
        self._agreed: StreamConfig | None = None
        self._is_media_stopped = False
        self._resumed_at = 0.0
        self._is_session_ready = False
        self._is_on_hold = False
        self._retry_after_s: int | None = None

    @property
    def is_ended(self) -> bool:
        """Nothing moves any more."""
        return self.state is CallState.ENDED

    # --- facts of signalling -----------------------------------------------------------------------------------

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
            agent=who.agent,
            rule=who.rule,
            sip_call_id=who.sip_call_id,
        )
        self._answer_due = now + self._limits.answer_after_s
        self._signalling.ring(who.sip_call)
        self._journal.record(EventName.CALL_RINGING, now)
        self._provider.start()

    def confirmed(self, body: bytes | None, now: float) -> None:
        """The ACK came. When the offer was ours it carries the answer."""
        if self.state is not CallState.ANSWERING:
            return
        if self._offer is None and not self._take_late_answer(body, now):
            return
        self.state = move(self.state, CallState.TALKING)
        self._proof_due = None
        if self._is_media_stopped:
            self._resume_proven_media(now)
        self._follow_hold(now)
        self._act(now)

    def reoffered(self, offer: bytes | None, now: float) -> None:
        """A re-INVITE: another port, hold or resume, or a refresh that changes nothing."""
        if offer is None:
            self._signalling.answer_offer(self.identity.sip_call, self._negotiator.offer().description)
            return
        try:
            agreement = self._negotiator.answer(offer)
        except RemoteProtocolError as error:
            self._signalling.refuse_offer(self.identity.sip_call, error.status)
            return
        self._apply(agreement, now)
        self._signalling.answer_offer(self.identity.sip_call, agreement.description)

    def reoffer_confirmed(self, body: bytes | None, now: float) -> None:
        """The ACK of a re-INVITE; with a body it answers an offer of ours."""
        if body is None:
            return
        try:
            self._apply(self._negotiator.accept(body), now)
        except RemoteProtocolError:
            self.end(EndReason.ERROR, now)

    # --- facts of the provider ---------------------------------------------------------------------------------

    def handle_provider_event(self, event: RealtimeEvent, now: float) -> None:
        """One event of the session. Audio first: nothing else is as frequent."""
        if self.is_ended:
            return
        self._conversation.handle_event(event, now)
        if isinstance(event, AudioReceived):
            if self.state is CallState.RINGING:
                self._answer_when_due(now)
        elif isinstance(event, SessionReady):
            self._session_ready(event, now)
        elif isinstance(event, SessionClosed):
            self._journal.record(EventName.PROVIDER_LOST, now, code=event.code, reason=event.reason)
            self.end(EndReason.PROVIDER_FAILED, now)
        elif isinstance(event, ProviderFault) and event.is_fatal:
            self.end(EndReason.PROVIDER_FAILED, now)
        self._act(now)

    def provider_refused(self, why: str, now: float, *, retry_after_s: int | None = None) -> None:
        """The session could not be opened, or not as the call needs it."""
        if not self.is_ended:
            self._conversation.note_fault("no_session", why, now)
            self._retry_after_s = retry_after_s
            self.end(EndReason.PROVIDER_FAILED, now)

    # --- facts of the media ------------------------------------------------------------------------------------

    def receive_digit(self, digit: str, now: float) -> None:
        """A key was pressed."""
        if not self.is_ended:
            self._conversation.receive_digit(digit, now)
            self._act(now)

    # --- time --------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """The earliest of everything this call waits for."""
        if self.is_ended:
            return None
        return earliest(
            self._answer_due, self._proof_due, self._media_check, self._ends_at(), self._conversation.next_deadline()
        )

    def handle_timeout(self, now: float) -> None:
        """Does what has fallen due."""
        if not self.is_ended:
            self._handle_own_timeouts(now)
        if not self.is_ended:
            self._conversation.handle_timeout(now)
            self._act(now)

    def _handle_own_timeouts(self, now: float) -> None:
        ends_at = self._ends_at()
        if ends_at is not None and now >= ends_at:
            self.end(EndReason.MAX_DURATION, now)
            return
        if self._answer_due is not None and now >= self._answer_due:
            self._answer_due_passed(now)
        if self._proof_due is not None and now >= self._proof_due:
            self._stop_unproven_media(now)
        if self._media_check is not None and now >= self._media_check:
            self._check_media(now)

    # --- the end -----------------------------------------------------------------------------------------------

    def end(self, reason: EndReason, now: float, *, is_gone: bool = False) -> None:
        """Ends the call, whatever its state; later ends mean nothing. ``is_gone``: the peer has ended it in SIP."""
        if self.is_ended:
            return
        was_answered = self._answered_at is not None
        self.state = move(self.state, CallState.ENDED)
        self.end_reason = reason
        try:
            if not is_gone:
                self._tell_caller(reason, was_answered=was_answered)
        finally:
            self._release(reason, now, was_answered=was_answered)

    def _release(self, reason: EndReason, now: float, *, was_answered: bool) -> None:
        """Lets go of every leg, whatever happens to the others: nothing may outlive its call."""
        with contextlib.ExitStack() as legs:
            legs.callback(self._on_end, self)
            legs.callback(self._provider.close)
            legs.callback(self._protocol.close, now)
            legs.callback(self._media.close)
            self._record_end(reason, now, was_answered=was_answered)

    def _record_end(self, reason: EndReason, now: float, *, was_answered: bool) -> None:
        self._journal.record(
            EventName.CALL_ENDED,
            now,
            reason=reason.value,
            answered=was_answered,
            duration_s=round(now - self._answered_at, 3) if self._answered_at is not None else 0.0,
            media=self._media_figures() if was_answered else {},
            provider_faults=dict(self._conversation.provider_faults),
        )

    def _media_figures(self) -> dict[str, float]:
        """What the line was like: packets of RFC 3550 A.3 and A.8, and what had to be put in for those that lacked."""
        stream = self._media.stream
        received = stream.statistics
        return {
            "packets_received": received.packets,
            "packets_lost": received.lost,
            "packets_late": received.late,
            "jitter_ms": round(received.jitter_ms, 2),
            "concealed_ms": stream.mending.concealed_samples // BYTES_PER_MS,
            "packets_sent": stream.sent.packets,
        }

    def _tell_caller(self, reason: EndReason, *, was_answered: bool) -> None:
        cause = sip_cause(reason)
        headers = [cause.reason_header()]
        if was_answered:
            self._signalling.hang_up(self.identity.sip_call, headers)
            return
        retry_after_s = self._retry_after_s or cause.retry_after_s
        if retry_after_s is not None:
            headers.append(("Retry-After", str(retry_after_s)))
        self._signalling.reject(self.identity.sip_call, cause.status, cause.text, headers)

    # --- answering ---------------------------------------------------------------------------------------------

    def _session_ready(self, event: SessionReady, now: float) -> None:
        self._journal.record(
            EventName.PROVIDER_CONNECTED,
            now,
            session=event.session_id,
            differences=[item.path for item in event.differences],  # values may hold the agent's instructions
        )
        if not event.is_format_as_asked:
            # Native G.711 both ways is all this version speaks (docs/decisions/0004).
            self.provider_refused(f"it insists on {event.input_format} in, {event.output_format} out", now)
            return
        self._is_session_ready = True
        self._conversation.begin(now)
        self._answer_due = now + (GREETING_WAIT_S if self._conversation.is_greeting_expected else 0.0)
        self._answer_when_due(now)

    def _answer_when_due(self, now: float) -> None:
        if self.state is CallState.RINGING and (
            self._conversation.has_agent_audio or not self._conversation.is_greeting_expected
        ):
            self._answer(now)

    def _answer_due_passed(self, now: float) -> None:
        if self.state is not CallState.RINGING:
            self._answer_due = None
        elif self._is_session_ready:
            self._answer(now)
        else:
            waited = f"the session was not ready within {self._limits.answer_after_s:g} s"
            self.provider_refused(waited, now)

    def _answer(self, now: float) -> None:
        agreement = self._negotiator.offer() if self._offer is None else self._negotiator.answer(self._offer)
        self.state = move(self.state, CallState.ANSWERING)
        self._answer_due = None
        self._answered_at = now
        self._agree(agreement, now)
        self._signalling.answer(self.identity.sip_call, agreement.description)
        self._media.start()
        self._media_check = now + _MEDIA_CHECK_S
        self._proof_due = now + UNPROVEN_MEDIA_S
        self._journal.record(
            EventName.CALL_ANSWERED, now, codec=agreement.stream.codec, setup_s=round(now - self._began, 3)
        )

    def _take_late_answer(self, body: bytes | None, now: float) -> bool:
        try:
            agreement = self._negotiator.accept(body or b"")
        except RemoteProtocolError:
            self.end(EndReason.ERROR, now)
            return False
        self._agree(agreement, now)
        return True

    # --- while it lasts ----------------------------------------------------------------------------------------

    def _apply(self, agreement: Agreement, now: float) -> None:
        self._agree(agreement, now)
        self._follow_hold(now)
        self._act(now)

    def _agree(self, agreement: Agreement, now: float) -> None:
        self._is_on_hold = agreement.is_on_hold
        self._agreed = agreement.stream
        self._is_media_stopped = False
        self._media.stream.update(agreement.stream, now)

    def _stop_unproven_media(self, now: float) -> None:
        """Neither an ACK nor audio has shown that somebody is there: silent until one of them comes."""
        self._proof_due = None
        if self._media.stream.last_received is None and self._agreed is not None:
            self._is_media_stopped = True
            direction: Direction = "recvonly" if self._agreed.may_receive else "inactive"
            self._media.stream.update(replace(self._agreed, direction=direction), now)

    def _resume_proven_media(self, now: float) -> None:
        self._is_media_stopped = False
        if self._agreed is not None:
            self._media.stream.update(self._agreed, now)

    def _follow_hold(self, now: float) -> None:
        """What offer and answer said about hold becomes the call's state, once the call is established."""
        if self._is_on_hold and self.state is CallState.TALKING:
            self.state = move(self.state, CallState.HELD)
            self._journal.record(EventName.CALL_HELD, now)
            self._conversation.hold(now)
        elif not self._is_on_hold and self.state is CallState.HELD:
            self.state = move(self.state, CallState.TALKING)
            self._resumed_at = now
            self._journal.record(EventName.CALL_RESUMED, now)
            self._conversation.resume(now)

    def _act(self, now: float) -> None:
        """Carries out what the conversation has decided, and sends what its protocol has to say."""
        if self.is_ended:
            return
        if self._conversation.wants_hang_up:
            self.end(EndReason.AGENT_HUNG_UP, now)
            return
        self._provider.flush()

    def _ends_at(self) -> float | None:
        if self._answered_at is None or not self._limits.duration_s:
            return None
        return self._answered_at + self._limits.duration_s

    def _check_media(self, now: float) -> None:
        self._media_check = now + _MEDIA_CHECK_S
        if self._is_media_stopped and self._media.stream.last_received is not None:
            self._resume_proven_media(now)
        if self.state is CallState.HELD or self._answered_at is None or not self._media.stream.config.may_receive:
            return
        heard_at = max(self._media.stream.last_received or 0.0, self._answered_at, self._resumed_at)
        silence_limit_s = self._limits.media_silence_s
        if silence_limit_s and now - heard_at >= silence_limit_s:
            self.end(EndReason.MEDIA_TIMEOUT, now)
        elif self._limits.idle_s and self._conversation.idle_for(now) >= self._limits.idle_s:
            self.end(EndReason.IDLE, now)
