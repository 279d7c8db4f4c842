"""Whose packets are the caller's: by address (latching) and by synchronisation source (RFC 3550 §8, A.1 adapted).

A telephone behind address translation sends from another address than its SDP says (symmetric RTP, RFC 4961), so where
packets come from decides. But anybody can send to a port: addresses are ranked by what signalling knows of them, the
better rank wins, and one that signalling knows nothing of has to prove itself and to be without a rival.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from gateway.base.serial import distance16
from gateway.media.config import Address

PROOF_PACKETS = 3
"""A newcomer shows this many packets in sequence before it is believed."""
KNOWN_SILENCE_S = 5.0
"""A source that signalling knows keeps its place against strangers for this long after it was heard last."""
_ABANDONED_S = 0.2
"""A candidate that was silent for this long leaves its place to the next: above any packet length."""
_TRANSITION_S = 1.0
"""After a re-INVITE moved the media, packets still on the way from the old address are welcome this long."""
SSRC_SILENCE_S = 0.1
"""A synchronisation source that was silent for this long gives way at once to another."""
_MAX_HELD = 8


class Rank(IntEnum):
    """What signalling knows of an address; the lower, the better."""

    ANNOUNCED = 1
    """Address and port of the SDP."""
    ANNOUNCED_HOST = 2
    """The SDP's host with another port."""
    SIGNALLING_HOST = 3
    """The host the SIP messages come from: the outside of the caller's address translation, most of the time."""
    STRANGER = 4


@dataclass(slots=True)
class _Candidate:
    """An address that wants to be adopted, and how many packets in sequence it has shown."""

    address: Address
    ssrc: int
    sequence: int
    kept_until: float
    """Until then no other address of the same rank may take its place."""
    run: int = 1

    def is_followed_by(self, ssrc: int, sequence: int) -> bool:
        return (ssrc, sequence) == (self.ssrc, (self.sequence + 1) & 0xFFFF)


@dataclass(slots=True)
class SourceLatch:
    """The address the caller's packets come from. ``announced`` is the SDP's, None while it is unknown."""

    announced: Address | None
    relatch_after_s: float = 1.0
    """The present source must have been silent for this long before one that is no better may take its place."""
    signalling_host: str | None = None
    """Where the SIP messages come from."""
    address: Address | None = None
    """Latched: packets from here are the caller's and ours go there."""
    heard_at: float | None = None
    """When the last accepted packet came; kept by the owner."""
    relatched: int = 0
    _known_heard_at: float = -math.inf
    """When, with nobody latched, a packet of a known address came."""
    _former: Address | None = None
    _former_until: float = 0.0
    _candidates: dict[Rank, _Candidate] = field(default_factory=dict)
    """One of each rank, so that worse ones cannot disturb the proof of a better."""

    def expect(self, announced: Address | None, now: float) -> None:
        """A new SDP: when it names another address, everything learnt about the old one is history."""
        if announced == self.announced:
            return
        self.announced = announced
        self._former, self._former_until = self.address, now + _TRANSITION_S
        self.address = None
        self._known_heard_at = -math.inf
        self._candidates.clear()

    def rank(self, address: Address) -> Rank:
        """What signalling knows of an address."""
        if self.announced is not None and address[0] == self.announced[0]:
            return Rank.ANNOUNCED if address[1] == self.announced[1] else Rank.ANNOUNCED_HOST
        return Rank.SIGNALLING_HOST if address[0] == self.signalling_host else Rank.STRANGER

    def admit(self, address: Address, ssrc: int, sequence: int, is_audio: bool, now: float) -> bool:
        """May this packet, from another address than the latched one, come in? Latches where it proves itself.

        Only audio proves anything: a telephone-event never latches.
        """
        rank = self.rank(address)
        is_proven = is_audio and self._prove(_Candidate(address, ssrc, sequence, now + _ABANDONED_S), rank, now)
        if self.address is None:
            return self._admit_first(address, rank, is_audio, is_proven, now)
        if not is_proven or not self._may_replace(rank, now):
            return False
        self._latch(address, rank)
        self.relatched += 1
        return True

    def _prove(self, seen: _Candidate, rank: Rank, now: float) -> bool:
        """One more packet of a candidate: has it shown enough?"""
        present = self._candidates.get(rank)
        if present is None or (present.address != seen.address and now >= present.kept_until):
            self._candidates[rank] = seen
        elif present.address != seen.address:
            return False
        elif present.is_followed_by(seen.ssrc, seen.sequence):
            seen.run = present.run + 1
            self._candidates[rank] = seen
        else:  # begins again, and whoever comes next may do so in its place
            seen.kept_until = now
            self._candidates[rank] = seen
        return seen.run >= PROOF_PACKETS

    def _admit_first(self, address: Address, rank: Rank, is_audio: bool, is_proven: bool, now: float) -> bool:
        """With nobody latched: known addresses are heard at once, and latched with their first audio."""
        if rank is not Rank.STRANGER:
            self._known_heard_at = now
        if address == self._former and rank is not Rank.ANNOUNCED and now < self._former_until:
            return True
        if rank is Rank.STRANGER and not (is_proven and now - self._known_heard_at >= KNOWN_SILENCE_S):
            return False
        if is_audio:
            self._latch(address, rank)
        return True

    def _may_replace(self, newcomer: Rank, now: float) -> bool:
        """An address that signalling knows better is trusted more than one that merely came first."""
        present = Rank.STRANGER if self.address is None else self.rank(self.address)
        if newcomer < present:
            return True
        silent_s = math.inf if self.heard_at is None else now - self.heard_at
        is_kept = newcomer is Rank.STRANGER and present is not Rank.STRANGER
        return silent_s >= (max(self.relatch_after_s, KNOWN_SILENCE_S) if is_kept else self.relatch_after_s)

    def _latch(self, address: Address, rank: Rank) -> None:
        self.address = address
        self._candidates = {better: its for better, its in self._candidates.items() if better < rank}


class Arrival(NamedTuple):
    """A packet as the receive path carries it: audio, or without audio a mark of how far its sender's time went."""

    sequence: int
    timestamp: int
    payload: bytes
    is_audio: bool
    at: float


class SsrcGuard:
    """Decides when another synchronisation source takes over, without losing its first packets.

    One stray packet must not end a stream, and two streams at once must not alternate. So packets of another source are
    held until a second one comes with none of the present source between them; a present source that is silent gives
    way at once.
    """

    def __init__(self) -> None:
        self.ssrc: int | None = None
        """The present source."""
        self._candidate: int | None = None
        self._held: list[Arrival] = []
        self._run = 0

    def note_present(self) -> None:
        """A packet of the present source came: the candidate's run is broken."""
        self._run = 0

    def consider(self, ssrc: int, arrival: Arrival, heard_at: float) -> list[Arrival]:
        """A packet of another source. Answers with the packets to go on with, in order, once it takes over."""
        if ssrc != self._candidate:
            self._candidate = ssrc
            self._held.clear()
            self._run = 0
        self._held.append(arrival)
        del self._held[:-_MAX_HELD]
        self._run += 1
        if self.ssrc is not None and self._run < 2 and arrival.at - heard_at < SSRC_SILENCE_S:
            return []
        return self._take_over()

    def _take_over(self) -> list[Arrival]:
        self.ssrc, self._candidate = self._candidate, None
        first = self._held[0].sequence
        return sorted(self._held, key=lambda arrival: distance16(first, arrival.sequence))


class RestartProbe:
    """Finds a sender that began its sequence numbers anew, without a new source identifier (RFC 3550 A.1, bad_seq)."""

    STRANGE_RUN = 2
    """Packets in sequence that prove it when neither their numbers nor their timestamps fit the present."""
    LATE_RUN = 8
    """The same for packets that look like the recent past, where stragglers and repetitions come from too."""

    def __init__(self) -> None:
        self._run: list[Arrival] = []

    def __bool__(self) -> bool:
        return bool(self._run)

    def clear(self) -> None:
        """A packet came in its place: what was out of place was a stray."""
        self._run.clear()

    def observe(self, arrival: Arrival, needed: int) -> list[Arrival]:
        """A packet out of place. Answers with the run once it is long enough to be the new beginning."""
        if self._run and arrival.sequence != (self._run[-1].sequence + 1) & 0xFFFF:
            self._run.clear()
        self._run.append(arrival)
        if len(self._run) < needed:
            return []
        run, self._run = self._run, []
        return run
