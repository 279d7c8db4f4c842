"""What the four transaction machines share: the wire, the timer table, and an end that leaves nothing armed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from gateway.base.clock import Deadlines
from gateway.sip.flow import Flow

TransactionKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimerValues:
    """The three estimates every SIP timer is made of, in seconds (RFC 3261 §17.1.1.1, table 4)."""

    t1: float = 0.5
    """Round-trip estimate."""
    t2: float = 4.0
    """Longest interval between repetitions of a non-INVITE request or an INVITE response."""
    t4: float = 5.0
    """How long a message may stay in the network."""

    @property
    def give_up_s(self) -> float:
        """64*T1: timers B, D, F, H, J, L and M, and how long a 2xx is repeated."""
        return 64 * self.t1

    @property
    def slow_after_s(self) -> float:
        """When timer E of a client, doubling from T1, has come to T2: 3.5 s (RFC 4320 §4.1)."""
        interval_s, at_s = self.t1, 0.0
        while interval_s < self.t2:
            at_s, interval_s = at_s + interval_s, 2 * interval_s
        return at_s


@dataclass(slots=True)
class TransactionContext:
    """The machines' hands: bytes go to ``outgoing``, deadlines are keyed by (transaction, timer letter)."""

    timers: TimerValues = field(default_factory=TimerValues)
    outgoing: list[tuple[Flow, bytes]] = field(default_factory=list)
    deadlines: Deadlines[tuple[TransactionKey, str]] = field(default_factory=Deadlines)
    forget: Callable[[Machine], None] = lambda machine: None
    """Told of each machine that has terminated; the table drops it."""
    unacknowledged: Counter[str] = field(default_factory=Counter)
    """Refused INVITEs whose ACK has not come, by the host that was refused over UDP."""

    def send(self, flow: Flow, data: bytes) -> None:
        """Queue ``data`` for the edge."""
        self.outgoing.append((flow, data))


class Machine:
    """Base of the four machines. A terminated one has no timer left and wants to be dropped from its table."""

    LETTERS: ClassVar[str] = ""
    """The RFC's letters of the timers this machine may arm."""

    def __init__(self, key: TransactionKey, flow: Flow, context: TransactionContext) -> None:
        self.key = key
        self.flow = flow
        self.is_terminated = False
        self._context = context
        self._timers = context.timers

    def _arm(self, letter: str, now: float, after_s: float) -> None:
        self._context.deadlines.set((self.key, letter), now + after_s)

    def _disarm(self, *letters: str) -> None:
        for letter in letters:
            self._context.deadlines.clear((self.key, letter))

    def _send(self, data: bytes) -> None:
        self._context.send(self.flow, data)

    def terminate(self) -> None:
        """Stop every timer; the machine reacts to nothing any more."""
        self._disarm(*self.LETTERS)
        self.is_terminated = True
        self._context.forget(self)

    def _linger(self, letter: str, now: float, after_s: float) -> None:
        """Stay to absorb repetitions until ``letter`` fires; at once over when the transport sends no repetitions."""
        self._disarm(*self.LETTERS)
        if after_s > 0:
            self._arm(letter, now, after_s)
        else:
            self.terminate()
