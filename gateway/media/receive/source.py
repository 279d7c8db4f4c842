"""Whose packets are the caller's: by address (latching) and by synchronisation source (RFC 3550 §8, A.1 adapted).

A telephone behind address translation sends from another address than its SDP says, so the first valid packet decides
(symmetric RTP, RFC 4961). From then on the address is guarded: nobody takes a call over by sending to its port.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.base.serial import distance16
from gateway.media.config import Address

PROOF_PACKETS = 3
"""A newcomer shows this many packets in sequence before it is believed."""
_TRANSITION_S = 1.0
"""After a re-INVITE moved the media, packets still on the way from the old address are welcome this long."""
SSRC_SILENCE_S = 0.1
"""A synchronisation source that was silent for this long gives way at once to another."""
_MAX_HELD = 8


@dataclass(slots=True)
class _Newcomer:
    """An address that wants to be adopted, and how many packets in sequence it has shown."""

    address: Address
    ssrc: int
    sequence: int
    run: int = 1

    def is_followed_by(self, address: Address, ssrc: int, sequence: int) -> bool:
        return (address, ssrc, sequence) == (self.address, self.ssrc, (self.sequence + 1) & 0xFFFF)


@dataclass(slots=True)
class SourceLatch:
    """The address the caller's packets come from. ``announced`` is the SDP's, None while it is unknown."""

    announced: Address | None
    relatch_after_s: float = 1.0
    """The present source must have been silent for this long before a stranger may take its place."""
    address: Address | None = None
    """Latched: packets from here are the caller's and ours go there."""
    heard_at: float | None = None
    """When the last accepted packet came; kept by the owner."""
    relatched: int = 0
    _former: Address | None = None
    _former_until: float = 0.0
    _newcomer: _Newcomer | None = field(default=None)

    def expect(self, announced: Address | None, now: float) -> None:
        """A new SDP: when it names another address, everything learnt about the old one is history."""
        if announced == self.announced:
            return
        self.announced = announced
        self._former, self._former_until = self.address, now + _TRANSITION_S
        self.address = None
        self._newcomer = None

    def admit(self, address: Address, ssrc: int, sequence: int, is_expected_type: bool, now: float) -> bool:
        """May this packet, from another address than the latched one, come in? Latches where it proves itself."""
        if self.address is None:
            return self._admit_first(address, is_expected_type, now)
        if not is_expected_type:
            return False
        if self._newcomer is not None and self._newcomer.is_followed_by(address, ssrc, sequence):
            self._newcomer.sequence = sequence
            self._newcomer.run += 1
        else:
            self._newcomer = _Newcomer(address, ssrc, sequence)
        if self._newcomer.run < PROOF_PACKETS or not self._may_replace(address, now):
            return False
        self._latch(address)
        self.relatched += 1
        return True

    def _admit_first(self, address: Address, is_expected_type: bool, now: float) -> bool:
        if address == self.announced:
            self._latch(address)
        elif not is_expected_type:
            return False
        elif address != self._former or now >= self._former_until:
            self._latch(address)
        return True

    def _may_replace(self, newcomer: Address, now: float) -> bool:
        """The address that signalling named is trusted more than one that merely came first."""
        is_silent = self.heard_at is None or now - self.heard_at >= self.relatch_after_s
        return is_silent or newcomer == self.announced

    def _latch(self, address: Address) -> None:
        self.address = address
        self._newcomer = None


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
