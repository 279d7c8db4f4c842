"""One caller's conversation with one agent: the provider's events on one side, playout and uplink on the other.

No I/O and no clock: events and ``now`` go in; what must reach the provider waits in its protocol core, what must reach
the caller in the playout. The call's edges carry both away after each step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from gateway.base.clock import earliest
from gateway.call.conversation.actions import HANG_UP, ToolOutcome, tool_failure, tool_success
from gateway.call.conversation.digits import DigitCollector, message_for_agent
from gateway.call.conversation.farewell import Farewell
from gateway.call.conversation.hearing import Hearing
from gateway.call.conversation.turn import Floor, InterruptionPolicy, Reaction, TurnTaking
from gateway.call.conversation.uplink import Uplink
from gateway.call.journal import EventName, Journal
from gateway.inworld.protocol import RealtimeProtocol
from gateway.inworld.protocol_events import (
    AudioFinished,
    AudioReceived,
    HeardItem,
    ProviderFault,
    RealtimeEvent,
    ResponseFinished,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    ToolAbandoned,
    ToolCalled,
    TranscriptReceived,
)
from gateway.media.send.playout import Playout

GREETING_LIMIT_S = 5.0
"""A greeting of which nothing has been heard by then no longer keeps the caller from being heard."""
_DRAIN_MARGIN_S = 0.02
"""One frame: the last one counts as heard when the next would have been due."""

_TRANSFER_FAILED = (
    "The call could not be transferred: nobody took it. The caller is still with you and has heard nothing meanwhile. "
    "Say so in one sentence and offer to help."
)
_CALLED_OFF = "The caller wants to go on, so the call was not ended. Call hang_up again when the conversation is over."


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """What a conversation needs to know of its agent."""

    greeting_instructions: str | None
    """Instructions of the first response; None lets the caller speak first."""
    interruption: InterruptionPolicy
    tools: tuple[str, ...] = ()
    digit_pause_s: float | None = 1.5
    """How long a pause ends an entry of keypad digits; None keeps digits from the agent."""
    digit_terminator: str | None = "#"


class ConversationObserver(Protocol):
    """Counts what the operator's metrics show."""

    def digit_received(self) -> None: ...

    def interrupted(self) -> None: ...

    def provider_fault(self, code: str) -> None: ...


class Conversation:
    """Follows the turns, stops the agent when the caller speaks, runs its tools, tells it the digits.

    ``wants_hang_up`` turns true when the agent has ended the call and its goodbye was heard.
    """

    def __init__(
        self,
        profile: AgentProfile,
        *,
        protocol: RealtimeProtocol,
        playout: Playout,
        uplink: Uplink,
        journal: Journal,
        observer: ConversationObserver,
    ) -> None:
        self._profile = profile
        self._protocol = protocol
        self._playout = playout
        self._uplink = uplink
        self._journal = journal
        self._observer = observer
        self._turns = TurnTaking(profile.interruption)
        self._farewell = Farewell()
        self._hearing = Hearing(playout)
        self._digits = _collector_for(profile)
        self._open_responses: set[str] = set()
        self._drain_check: float | None = None
        self._greeting_due: float | None = None
        self._is_held = False
        self._owes_response = False
        self._last_activity = 0.0
        self.provider_faults: Counter[str] = Counter()
        """How often each fault was reported; only the first of each is an event."""
        self.wants_hang_up = False
        self.has_agent_audio = False

    @property
    def is_greeting_expected(self) -> bool:
        """Whether the agent speaks first."""
        return self._profile.greeting_instructions is not None

    @property
    def is_greeting_over(self) -> bool:
        """It has been heard, was cut off, or there is none."""
        return not self._turns.is_greeting

    def idle_for(self, now: float) -> float:
        """Seconds for which neither side has spoken or was about to."""
        is_quiet = self._turns.floor is Floor.NOBODY and not self._turns.is_caller_speaking
        return now - self._last_activity if is_quiet and not self._is_agent_active() else 0.0

    # --- time --------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """The earliest of: turn heard, playout dry, greeting overdue, digits complete, goodbye heard or overdue."""
        digits = self._digits.next_deadline() if self._digits else None
        return earliest(
            self._hearing.next_deadline(),
            self._drain_check,
            self._greeting_due,
            digits,
            self._farewell.next_deadline(),
        )

    def handle_timeout(self, now: float) -> None:
        """Does what has fallen due."""
        if self._digits and (entry := self._digits.handle_timeout(now)):
            self._tell_digits(entry, now)
        if self._greeting_due is not None and now >= self._greeting_due:
            self._give_up_silent_greeting(now)
        look_at = self._hearing.next_deadline()
        if look_at is not None and now >= look_at:
            self._note_turn_started(now)
        if self._drain_check is not None and now >= self._drain_check:
            self._check_playout(now)
        self._check_farewell(now)

    # --- the provider's side -----------------------------------------------------------------------------------

    def handle_event(self, event: RealtimeEvent, now: float) -> None:
        """One event of the protocol core. The audio path comes first: it is the busiest."""
        match event:
            case AudioReceived():
                self._receive_audio(event, now)
            case AudioFinished():
                self._playout.finish((event.response_id, event.item_id))
                self._expect_drain(now)
            case SpeechStarted():
                self._caller_started(now)
            case SpeechStopped():
                self._turns.caller_stopped()
                self._last_activity = now
                self._journal.record(EventName.USER_STOPPED, now)
            case ResponseStarted():
                self._response_started(event, now)
            case ResponseFinished():
                self._response_finished(event, now)
            case ToolCalled():
                self._run_tool(event, now)
            case ToolAbandoned():
                self._journal.record(
                    EventName.TOOL_RETURNED, now, tool=event.name, outcome=ToolOutcome.INTERRUPTED.value
                )
            case TranscriptReceived(is_final=True):
                self._record_transcript(event, now)
            case ProviderFault(is_benign=False):
                self.note_fault(event.code, event.message, now, param=event.param)
            case _:
                pass

    # --- the call's side ---------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """The provider's session is ready: ask for the greeting, if there is one."""
        self._last_activity = now
        if self._profile.greeting_instructions is None:
            return
        self._turns.greeting_requested()
        self._greeting_due = now + GREETING_LIMIT_S
        self._update_shield()
        self._protocol.request_response(now, self._profile.greeting_instructions)

    def receive_digit(self, digit: str, now: float) -> None:
        """A key was pressed. It is told to the agent with the rest of its entry."""
        self._last_activity = now
        self._observer.digit_received()
        self._journal.record(EventName.DIGIT_RECEIVED, now, digit=digit)
        if self._digits and (entry := self._digits.receive_digit(digit, now)):
            self._tell_digits(entry, now)

    def line_opened(self, now: float) -> None:
        """What the agent says leaves in packets from here on."""
        self._hearing.line_opened(now)

    def close(self, now: float) -> None:
        """The call is over: what was heard until here is all that will be."""
        self._note_turn_started(now)
        self._tell_heard_words(now)

    def hold(self, now: float) -> None:
        """The caller put us on hold: be quiet, and do not let hold music talk to the agent."""
        self._is_held = True
        self._call_off_farewell()
        if self._is_agent_active():
            self._owes_response = True
            self._interrupt(now, is_own_decision=True)
        self._update_shield()

    def resume(self, now: float) -> None:
        """The caller is back: whatever the hold cut off or kept waiting is answered now."""
        self._is_held = False
        self._last_activity = now
        self._update_shield()
        if self._owes_response:
            self._owes_response = False
            self._protocol.request_response(now)

    def transfer_failed(self, now: float) -> None:
        """The caller could not be sent elsewhere: the agent is told, and says so."""
        self._protocol.add_message("system", _TRANSFER_FAILED)
        self._owes_response = True
        self.resume(now)

    # --- the agent's voice -------------------------------------------------------------------------------------

    def _response_started(self, event: ResponseStarted, now: float) -> None:
        self._open_responses.add(event.response_id)
        self._farewell.response_started()
        if self._is_held:
            self._owes_response = True
            self._interrupt(now, is_own_decision=True)

    def _receive_audio(self, event: AudioReceived, now: float) -> None:
        self._playout.enqueue((event.response_id, event.item_id), event.audio)
        self.has_agent_audio = True
        self._greeting_due = None
        if self._turns.agent_audio_queued():
            self._hearing.turn_queued((event.response_id, event.item_id), now)
        self._expect_drain(now)

    def _note_turn_started(self, now: float) -> None:
        """A turn begins when its first packet leaves, however long ago it was generated."""
        response = self._hearing.turn_started(now)
        if response is not None:
            self._journal.record(EventName.AGENT_STARTED, now, response=response)

    def _tell_heard_words(self, now: float) -> None:
        for item, text in self._hearing.settle():
            self._journal.record(EventName.TRANSCRIPT_AGENT, now, item=item, text=text, state="heard")

    def _expect_drain(self, now: float) -> None:
        self._drain_check = now + self._playout.pending_ms / 1000 + _DRAIN_MARGIN_S

    def _check_playout(self, now: float) -> None:
        if not self._playout.is_drained:
            self._expect_drain(now)
            return
        self._drain_check = None
        if self._is_agent_active():
            return
        self._note_turn_started(now)
        if self._turns.agent_audio_played():
            self._last_activity = now
            self._journal.record(EventName.AGENT_STOPPED, now)
            self._tell_heard_words(now)
        self._update_shield()

    def _give_up_silent_greeting(self, now: float) -> None:
        self._greeting_due = None
        self._turns.agent_audio_played()
        self._update_shield()
        self.note_fault("greeting_without_audio", "nothing of the greeting has come; the caller is heard now", now)

    def _response_finished(self, event: ResponseFinished, now: float) -> None:
        self._open_responses.discard(event.response_id)
        if event.status in ("failed", "incomplete"):
            self.note_fault(f"response_{event.status}", event.reason, now)
        if not self._open_responses:
            self._farewell.response_finished()
        self._expect_drain(now)

    def _is_agent_active(self) -> bool:
        """The agent is heard, or will be: audio waits, a response is open, or one was asked for."""
        is_speaking = not self._playout.is_drained or bool(self._open_responses)
        return is_speaking or self._protocol.is_expecting_response

    def note_fault(self, code: str, message: str, now: float, *, param: str = "") -> None:
        """A fault of the provider: counted each time, told the first time."""
        self._observer.provider_fault(code)
        self.provider_faults[code] += 1
        if self.provider_faults[code] == 1:
            self._journal.record(EventName.PROVIDER_ERROR, now, code=code, message=message, param=param)

    # --- the caller's turn -------------------------------------------------------------------------------------

    def _caller_started(self, now: float) -> None:
        self._last_activity = now
        reaction = self._turns.caller_started(agent_is_active=self._is_agent_active())
        if reaction is Reaction.INTERRUPT:
            # A response that has yet to begin is ours to stop: the provider interrupts only what it is saying.
            self._interrupt(now, is_own_decision=not self._open_responses and self._protocol.is_expecting_response)
        self._journal.record(EventName.USER_STARTED, now, reaction=reaction.value)
        if reaction is not Reaction.KEEP_SPEAKING:
            self._call_off_farewell()

    def _interrupt(self, now: float, *, is_own_decision: bool) -> None:
        """Flush, fence, truncate: in this order and in one go, so that no old frame can follow."""
        self._note_turn_started(now)
        flushed = self._playout.flush()
        self._hearing.cut_off()
        heard = [HeardItem(*cut.item, cut.sent_ms, cut.produced_ms) for cut in flushed]
        self._protocol.interrupt(heard, now, is_client_initiated=is_own_decision)
        self._open_responses.clear()
        self._drain_check = self._greeting_due = None
        self._turns.agent_cut_off()
        self._update_shield()
        if heard:
            self._observer.interrupted()
            self._journal.record(EventName.INTERRUPTED, now, items=[_summary(item) for item in heard])
        self._tell_heard_words(now)

    def _call_off_farewell(self) -> None:
        if self._farewell.call_off():
            self._protocol.add_message("system", _CALLED_OFF)

    def _update_shield(self) -> None:
        self._uplink.is_silenced = self._is_held or self._turns.shields_caller_audio

    def _tell_digits(self, digits: str, now: float) -> None:
        if self._turns.may_interrupt and self._is_agent_active():
            self._interrupt(now, is_own_decision=True)
        self._call_off_farewell()
        self._protocol.add_message("user", message_for_agent(digits))
        if self._is_held:
            self._owes_response = True
        else:
            self._protocol.request_response(now)

    def _record_transcript(self, event: TranscriptReceived, now: float) -> None:
        if event.role == "user":
            self._journal.record(EventName.TRANSCRIPT_USER, now, item=event.item_id, text=event.text)
            return
        self._journal.record(EventName.TRANSCRIPT_AGENT, now, item=event.item_id, text=event.text, state="generated")
        self._hearing.note_text((event.response_id, event.item_id), event.text)
        if self._turns.floor is not Floor.AGENT:  # its audio is over already
            self._tell_heard_words(now)

    # --- tools -------------------------------------------------------------------------------------------------

    def _run_tool(self, event: ToolCalled, now: float) -> None:
        self._journal.record(EventName.TOOL_CALLED, now, tool=event.name, call_id=event.call_id)
        output, outcome = self._answer_for(event)
        is_hang_up = event.name == HANG_UP and outcome is ToolOutcome.DONE
        wants_response = not is_hang_up or self._farewell.begin(now, goodbye_was_spoken=event.response_had_audio)
        self._protocol.answer_tool(event.call_id, output, now, wants_response=wants_response)
        self._journal.record(EventName.TOOL_RETURNED, now, tool=event.name, outcome=outcome.value)
        self._expect_drain(now)

    def _answer_for(self, event: ToolCalled) -> tuple[str, ToolOutcome]:
        if event.name not in self._profile.tools:
            return tool_failure(f"there is no tool named {event.name!r} on this line"), ToolOutcome.UNKNOWN_TOOL
        if event.arguments is None:
            return tool_failure("the arguments are not a JSON object; send them again"), ToolOutcome.BAD_ARGUMENTS
        if self._turns.is_caller_speaking or self._is_held:
            return tool_failure("the caller is speaking; listen first"), ToolOutcome.CALLER_IS_SPEAKING
        return tool_success(), ToolOutcome.DONE

    def _check_farewell(self, now: float) -> None:
        everything_was_played = self._playout.is_drained and not self._open_responses
        if self._farewell.is_due(now, everything_was_played=everything_was_played):
            self.wants_hang_up = True
        elif self._farewell.is_pending and self._farewell.next_deadline() is None and self._drain_check is None:
            self._expect_drain(now)


def _summary(item: HeardItem) -> dict[str, object]:
    return {"item": item.item_id, "heard_ms": int(item.sent_ms), "produced_ms": int(item.produced_ms)}


def _collector_for(profile: AgentProfile) -> DigitCollector | None:
    if profile.digit_pause_s is None:
        return None
    return DigitCollector(pause_s=profile.digit_pause_s, terminator=profile.digit_terminator)
