"""What arrived and what did not: the network's truth before any mending (RFC 3550 §6.4.1, A.3, A.8)."""

from __future__ import annotations

from dataclasses import dataclass

CLOCK_HZ = 8000.0

_UNRELATED_TS = 80_000.0
"""Two transit times further apart than 10 s of samples share no clock: a wrap or a new start, not jitter."""


@dataclass(slots=True)
class ReceiveStatistics:
    """Counters of one call's incoming RTP. Sums run over all sources; jitter and fractions follow the present one."""

    packets: int = 0
    """Accepted RTP packets of every payload type."""
    octets: int = 0
    """Payload bytes of those packets."""
    jitter_ts: float = 0.0
    """Interarrival jitter in timestamp units of 1/8000 s (RFC 3550 A.8)."""
    reordered: int = 0
    """Packets that came early and were put in order."""
    late: int = 0
    """Packets that came after their place had been given up."""
    duplicates: int = 0
    given_up: int = 0
    """Packets that did not come within the reorder time; some of them count as late afterwards."""
    comfort_noise: int = 0
    events: int = 0
    """Telephone-event packets, repetitions included."""
    excess_digits: int = 0
    """Presses that came faster than anybody dials, and were not told."""
    unknown_payload_types: int = 0
    malformed: int = 0
    rtcp_on_rtp_port: int = 0
    rejected_source: int = 0
    """Valid packets from an address that is not the caller's."""
    ignored_on_hold: int = 0
    """Packets that came although our direction says we do not receive."""
    foreign_ssrc: int = 0
    """Packets of a synchronisation source that did not become the present one."""
    ssrc_changes: int = 0
    restarts: int = 0
    """Sequence numbers that began anew without a new SSRC."""

    base: int = 0
    """First extended sequence number of the present source."""
    highest: int = -1
    """Highest extended sequence number of the present source."""
    expected_before: int = 0
    """Packets expected from earlier sources and before restarts."""

    _transit: float | None = None
    _expected_reported: int = 0
    _packets_reported: int = 0

    def count_audio(self, timestamp: int, arrival: float, octets: int) -> None:
        """An audio packet arrived: ``arrival`` in seconds, ``timestamp`` in samples."""
        self.packets += 1
        self.octets += octets
        transit = arrival * CLOCK_HZ - timestamp
        previous, self._transit = self._transit, transit
        if previous is not None:
            difference = abs(transit - previous)
            if difference < _UNRELATED_TS:
                self.jitter_ts += (difference - self.jitter_ts) * 0.0625

    def count_other(self, octets: int) -> None:
        """A packet whose timestamp is not its sending time: events keep that of their start (RFC 4733 §2.2.1)."""
        self.packets += 1
        self.octets += octets

    def begin_source(self, first_sequence: int) -> None:
        """A source starts, or starts anew, at that extended sequence number."""
        self.expected_before = self.expected
        self.base = first_sequence
        self.highest = first_sequence - 1
        self._transit = None
        self.jitter_ts = 0.0

    @property
    def expected(self) -> int:
        """Packets that should have come (RFC 3550 A.3)."""
        return self.expected_before + self.highest + 1 - self.base

    @property
    def lost(self) -> int:
        """Cumulative number of packets lost (RFC 3550 §6.4.1): negative when duplicates outnumber losses."""
        return self.expected - self.packets

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter in milliseconds."""
        return self.jitter_ts * 1000.0 / CLOCK_HZ

    def take_fraction_lost(self) -> int:
        """Fraction lost since the last call, in 1/256 as a receiver report carries it (RFC 3550 A.3)."""
        expected = self.expected - self._expected_reported
        lost = expected - (self.packets - self._packets_reported)
        self._expected_reported = self.expected
        self._packets_reported = self.packets
        if expected <= 0 or lost <= 0:
            return 0
        return min(255, (lost << 8) // expected)
