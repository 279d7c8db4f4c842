"""Who holds the floor, and what a sign of the caller's speech means for the agent's voice. Pure decisions."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Floor(enum.Enum):
    """Who is speaking right now, as far as the gateway has been told."""

    NOBODY = "nobody"
    CALLER = "caller"
    AGENT = "agent"


class Reaction(enum.Enum):
    """What to do with the agent's voice when the caller starts to speak."""

    INTERRUPT = "interrupt"
    KEEP_SPEAKING = "keep_speaking"
    NOTHING_TO_STOP = "nothing_to_stop"


@dataclass(frozen=True, slots=True)
class InterruptionPolicy:
    """An agent's ``interruption`` settings: whether callers may interrupt at all, and whether they may the greeting."""

    is_allowed: bool = True
    protects_greeting: bool = False


class TurnTaking:
    """Follows the conversation's turns and decides about barge-in.

    The provider detects speech on the caller's audio; this class only decides what follows. The greeting is the
    first response of a call: it ends when its last frame has been played, was interrupted, or never came.
    """

    def __init__(self, policy: InterruptionPolicy) -> None:
        self._policy = policy
        self.floor = Floor.NOBODY
        self.is_greeting = False
        self.is_caller_speaking = False

    @property
    def shields_caller_audio(self) -> bool:
        """True while a protected greeting plays: the provider must not hear the caller then."""
        return self.is_greeting and self._policy.protects_greeting

    @property
    def may_interrupt(self) -> bool:
        """Whether the agent's voice may be cut off for the caller's sake now."""
        return self._policy.is_allowed and not self.shields_caller_audio

    def greeting_requested(self) -> None:
        """The next response is the greeting."""
        self.is_greeting = True

    def agent_audio_queued(self) -> bool:
        """Agent audio entered the playout. True when that starts an agent turn."""
        starts = self.floor is not Floor.AGENT
        self.floor = Floor.AGENT
        return starts

    def agent_audio_played(self) -> bool:
        """The playout is dry and no more is to come. True when that ends an agent turn."""
        ended = self.floor is Floor.AGENT
        self.is_greeting = False
        if ended:
            self.floor = Floor.NOBODY
        return ended

    def caller_started(self, *, agent_is_active: bool) -> Reaction:
        """The provider heard the caller begin to speak (``speech_started``)."""
        self.is_caller_speaking = True
        if not agent_is_active:
            self.floor = Floor.CALLER
            return Reaction.NOTHING_TO_STOP
        if not self.may_interrupt:
            return Reaction.KEEP_SPEAKING
        self.floor = Floor.CALLER
        self.is_greeting = False
        return Reaction.INTERRUPT

    def caller_stopped(self) -> None:
        """The provider heard the caller end a turn (``speech_stopped``)."""
        self.is_caller_speaking = False
        if self.floor is Floor.CALLER:
            self.floor = Floor.NOBODY

    def agent_cut_off(self) -> None:
        """The agent's voice was cut, by the caller's speech or on our own account (a digit, a hold)."""
        self.is_greeting = False
        if self.floor is Floor.AGENT:
            self.floor = Floor.NOBODY
