"""What every call is made of: its parts, its agent, its clock, its end. ``call`` adds what happens while it lasts."""

from __future__ import annotations

import abc
import contextlib
from dataclasses import dataclass

from gateway.base.clock import earliest
from gateway.base.errors import LocalProtocolError
from gateway.call.conversation.conversation import Conversation
from gateway.call.identity import CallIdentity, CallLimits
from gateway.call.journal import EventName, Journal
from gateway.call.legs import ProviderLeg, Signalling
from gateway.call.line import Line
from gateway.call.sip_reply import SipReply
from gateway.call.states import CallState, move
from gateway.call.termination import EndReason, sip_cause
from gateway.inworld.protocol import RealtimeProtocol
from gateway.inworld.protocol_events import AudioReceived, ProviderFault, RealtimeEvent, SessionClosed, SessionReady

MEDIA_CHECK_S = 1.0
"""How often the audio that comes, or does not, is looked at."""


@dataclass(frozen=True, slots=True)
class CallParts:
    """What a call is made of."""

    signalling: Signalling
    line: Line
    provider: ProviderLeg
    protocol: RealtimeProtocol
    conversation: Conversation
    journal: Journal


class CallCore(abc.ABC):
    """Owns the state and the three legs."""

    def __init__(self, identity: CallIdentity, parts: CallParts, *, limits: CallLimits, state: CallState) -> None:
        self.identity = identity
        self.state = state
        self.sip_call: str | None = None
        """The user agent's id of the call; None until there is one."""
        self.end_reason: EndReason | None = None
        self._limits = limits
        self._signalling = parts.signalling
        self._line = parts.line
        self._provider = parts.provider
        self._protocol = parts.protocol
        self._conversation = parts.conversation
        self._journal = parts.journal
        self._began = 0.0
        self._answered_at: float | None = None
        self._media_check: float | None = None
        self._resumed_at = 0.0
        self._is_session_ready = False
        self._retry_after_s: int | None = None

    @property
    def is_ended(self) -> bool:
        """Nothing moves any more."""
        return self.state is CallState.ENDED

    @property
    def is_answered(self) -> bool:
        """The telephone is, or was, off the hook."""
        return self._answered_at is not None

    # --- what call and its directions have of their own --------------------------------------------------------

    @abc.abstractmethod
    def begin(self, now: float) -> None:
        """The call exists: connect the agent, tell the far end."""

    @abc.abstractmethod
    def _session_ready(self, now: float) -> None:
        """The agent can speak and listen."""

    @abc.abstractmethod
    def _agent_spoke(self, now: float) -> None:
        """Sound of the agent has come."""

    @abc.abstractmethod
    def _setup_deadline(self) -> float | None:
        """When something of the way to the answer falls due."""

    @abc.abstractmethod
    def _handle_setup_timeout(self, now: float) -> None:
        """That time has come."""

    @abc.abstractmethod
    def _take_back(self, reason: EndReason) -> None:
        """Says to the far end that there will be no call."""

    @property
    def _waits_for_answer(self) -> bool:
        """The call is one that we place, and nobody has picked up yet."""
        return False

    @abc.abstractmethod
    def _in_call_deadline(self) -> float | None:
        """When something of the established call falls due."""

    @abc.abstractmethod
    def _handle_in_call_timeout(self, now: float) -> None:
        """That time has come."""

    @abc.abstractmethod
    def _tell_ended(self) -> None:
        """Every leg has been told to go."""

    def _require(self, *states: CallState) -> None:
        """Raises LocalProtocolError unless the call is in one of these."""
        if self.state not in states:
            wanted = " or ".join(state.value for state in states)
            raise LocalProtocolError(f"the call is {self.state.value}, not {wanted}")

    # --- facts of the provider ---------------------------------------------------------------------------------

    def handle_provider_event(self, event: RealtimeEvent, now: float) -> None:
        """One event of the session. Audio first: nothing else is as frequent."""
        if self.is_ended:
            return
        self._conversation.handle_event(event, now)
        if isinstance(event, AudioReceived):
            if self._answered_at is None:
                self._agent_spoke(now)
        elif isinstance(event, SessionReady):
            self._take_session(event, now)
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

    def _take_session(self, event: SessionReady, now: float) -> None:
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
        self._session_ready(now)

    # --- time --------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """The earliest of everything this call waits for."""
        if self.is_ended:
            return None
        return earliest(
            self._setup_deadline(),
            self._line.next_deadline(),
            self._media_check,
            self._in_call_deadline(),
            self._ends_at(),
            self._conversation.next_deadline(),
        )

    def handle_timeout(self, now: float) -> None:
        """Does what has fallen due."""
        if not self.is_ended:
            self._handle_own_timeouts(now)
        if not self.is_ended:
            self._conversation.handle_timeout(now)
            self._act(now)

    def _handle_own_timeouts(self, now: float) -> None:
        ends_at, setup = self._ends_at(), self._setup_deadline()
        if ends_at is not None and now >= ends_at:
            self.end(EndReason.MAX_DURATION, now)
            return
        if setup is not None and now >= setup:
            self._handle_setup_timeout(now)
        self._line.handle_timeout(now)
        in_call = self._in_call_deadline()
        if in_call is not None and now >= in_call:
            self._handle_in_call_timeout(now)
        if self._media_check is not None and now >= self._media_check:
            self._check_media(now)

    # --- the end -----------------------------------------------------------------------------------------------

    def end(self, reason: EndReason, now: float, *, is_gone: bool = False, reply: SipReply | None = None) -> None:
        """Ends the call, whatever its state; later ends mean nothing.

        ``is_gone``: the peer has ended it in SIP, with ``reply`` where it said more.
        """
        if self.is_ended:
            return
        self.state = move(self.state, CallState.ENDED)
        self.end_reason = reason
        try:
            if not is_gone:
                self._tell_peer(reason)
        finally:
            self._release(reason, now, reply or SipReply())

    def _tell_peer(self, reason: EndReason) -> None:
        if self.sip_call is None:
            return
        if self.is_answered:
            self._signalling.hang_up(self.sip_call, [sip_cause(reason).reason_header(), *self.identity.headers.bye])
        else:
            self._take_back(reason)

    def _release(self, reason: EndReason, now: float, reply: SipReply) -> None:
        """Lets go of every leg, whatever happens to the others: nothing may outlive its call."""
        with contextlib.ExitStack() as legs:
            legs.callback(self._tell_ended)
            legs.callback(self._provider.close)
            legs.callback(self._protocol.close, now)
            legs.callback(self._line.close)
            self._conversation.close(now)
            self._record_end(reason, now, reply)

    def _record_end(self, reason: EndReason, now: float, reply: SipReply) -> None:
        self._journal.record(
            EventName.CALL_ENDED,
            now,
            reason=reason.value,
            answered=self.is_answered,
            duration_s=round(now - self._answered_at, 3) if self._answered_at is not None else 0.0,
            media=self._line.figures() if self.is_answered else {},
            provider_faults=dict(self._conversation.provider_faults),
            **reply.details(),
        )

    # --- while it lasts ----------------------------------------------------------------------------------------

    def _off_hook(self, now: float) -> None:
        """The telephone is answered: RTP flows, the agent hears, and the clock of the call runs."""
        self._answered_at = now
        self._line.start()
        self._line.open()
        self._conversation.line_opened(now)
        self._media_check = now + MEDIA_CHECK_S

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
        self._media_check = now + MEDIA_CHECK_S
        self._line.check(now)
        if self.state in (CallState.HELD, CallState.TRANSFERRING) or self._answered_at is None:
            return
        silence_limit_s = self._limits.media_silence_s
        silent_s = self._line.silent_for(now, max(self._answered_at, self._resumed_at))
        if silence_limit_s and silent_s >= silence_limit_s:
            self.end(EndReason.MEDIA_TIMEOUT, now)
        elif self._limits.idle_s and self._conversation.idle_for(now) >= self._limits.idle_s:
            self.end(EndReason.IDLE, now)
