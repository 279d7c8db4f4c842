"""Puts packets in order and waits for a missing one only as long as it was told.

The recogniser needs order, not pace, so nothing is delayed for its own sake: a packet whose turn it is passes at once,
one that comes early waits until those before it have come or their time is up.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Generic, TypeVar

from gateway.base.serial import distance16

Item = TypeVar("Item")

MAX_DROPOUT = 3000
"""A jump forward by more is a new beginning, not a loss (RFC 3550 A.1): one minute at 20 ms."""
MAX_MISORDER = 100
"""A packet further back is no straggler (RFC 3550 A.1)."""
MAX_HELD = 64
"""Packets held at most: more than any reorder time needs, and little for a peer to fill."""
_REMEMBERED = 256


class Placement(Enum):
    """What became of a packet."""

    TAKEN = auto()
    """Held; ``release`` gives it out when its turn comes."""
    LATE = auto()
    """Its place has been given up."""
    DUPLICATE = auto()
    """It has been here before, and gone out."""
    HELD_ALREADY = auto()
    """It is held already."""
    STRANGE = auto()
    """Its number fits nowhere near: a stray, or the sender began anew."""


class ReorderBuffer(Generic[Item]):
    """Orders items by 16-bit sequence number, within ``wait_s`` seconds."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        self.next_sequence = 0
        """Extended sequence number of the packet whose turn it is."""
        self.deadline: float | None = None
        """When the gap in front is given up; None while nothing is held."""
        self._first = 0
        self._straight = -1
        """The 16-bit number that may pass without being held; -1 while none may."""
        self._held: dict[int, tuple[float, Item]] = {}
        self._given_up: set[int] = set()

    def start(self, sequence: int) -> None:
        """Begin (anew) with this 16-bit number; whatever is held is forgotten."""
        self.next_sequence = self._first = sequence + (1 << 16)
        self._straight = sequence
        self.deadline = None
        self._held.clear()
        self._given_up.clear()

    @property
    def first(self) -> int:
        """Extended number the present source began with."""
        return self._first

    @property
    def highest(self) -> int:
        """Highest extended number seen; the one before ``first`` when none was."""
        return max(self._held, default=self.next_sequence - 1)

    def passes(self, sequence: int) -> bool:
        """Let a packet through whose turn it is while nothing else is held: the way of nearly all packets."""
        if sequence != self._straight:
            return False
        self.next_sequence += 1
        self._straight = (sequence + 1) & 0xFFFF
        return True

    def block(self) -> None:
        """Let no packet pass by until one has been inserted and released."""
        self._straight = -1

    def insert(self, sequence: int, item: Item, arrival: float) -> Placement:
        """Place an item that arrived at ``arrival`` (seconds)."""
        ahead = distance16(self.next_sequence & 0xFFFF, sequence)
        if ahead < 0:
            return self._judge_old(self.next_sequence + ahead) if ahead >= -MAX_MISORDER else Placement.STRANGE
        if ahead > MAX_DROPOUT:
            return Placement.STRANGE
        extended = self.next_sequence + ahead
        if extended in self._held:
            return Placement.HELD_ALREADY
        self._held[extended] = (arrival, item)
        self._straight = -1
        if self.deadline is None or arrival + self.wait_s < self.deadline:
            self.deadline = arrival + self.wait_s
        return Placement.TAKEN

    def _judge_old(self, extended: int) -> Placement:
        if extended in self._given_up:
            self._given_up.discard(extended)
            return Placement.LATE
        return Placement.LATE if extended < self._first else Placement.DUPLICATE

    def release(self, now: float) -> list[tuple[int, Item]]:
        """Items whose turn it is, each with the number of packets given up right before it."""
        ready: list[tuple[int, Item]] = []
        while self._held:
            lost = 0
            if self.next_sequence not in self._held:
                if not self._is_overdue(now):
                    break
                lost = self._give_up()
            _, item = self._held.pop(self.next_sequence)
            self.next_sequence += 1
            ready.append((lost, item))
            self.deadline = self._earliest_deadline()
        if not self._held:
            self._straight = self.next_sequence & 0xFFFF
        return ready

    def _is_overdue(self, now: float) -> bool:
        return len(self._held) > MAX_HELD or (self.deadline is not None and now >= self.deadline)

    def _give_up(self) -> int:
        """Skip the gap in front; answers how many packets it was."""
        reached = min(self._held)
        missing = range(self.next_sequence, reached)
        self._given_up.update(missing[-_REMEMBERED:])
        if len(self._given_up) > 2 * _REMEMBERED:
            self._given_up = {number for number in self._given_up if number >= reached - _REMEMBERED}
        self.next_sequence = reached
        return len(missing)

    def _earliest_deadline(self) -> float | None:
        return min((arrival for arrival, _ in self._held.values()), default=0.0) + self.wait_s if self._held else None
