"""The receive half of a stream: a datagram comes in, the caller's audio and digits come out.

A packet in order passes straight through, in the caller's own call; everything rarer leaves the straight path at the
first check it fails.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.base.clock import earliest
from gateway.base.serial import distance16
from gateway.media.config import Address, StreamConfig
from gateway.media.receive.gaps import Timeline
from gateway.media.receive.reorder import Placement, ReorderBuffer
from gateway.media.receive.source import Arrival, RestartProbe, SourceLatch, SsrcGuard
from gateway.media.receive.statistics import ReceiveStatistics
from gateway.media.receive.telephone_event import DigitPressed, TelephoneEventDecoder
from gateway.media.rtp import RtpError, RtpPacket, is_rtcp, parse_packet

COMFORT_NOISE = 13
"""Static payload type of comfort noise at 8000 Hz (RFC 3389 §4). Its level is not rendered: it counts as silence."""


class Receiver:
    """Feeds on datagrams of one port. ``now`` is monotonic seconds everywhere."""

    def __init__(
        self, config: StreamConfig, *, on_audio: Callable[[bytes], None], on_digit: Callable[[str], None]
    ) -> None:
        self.latch = SourceLatch(config.announced, config.relatch_after_s, config.signalling_address)
        self.timeline = Timeline(config.law, on_audio, lag_s=config.silence_lag_ms / 1000)
        self.last_digit: DigitPressed | None = None
        self._statistics = ReceiveStatistics()
        self._on_digit = on_digit
        self._guard = SsrcGuard()
        self._present_ssrc = -1
        self._present_heard_at = 0.0
        self._reorder: ReorderBuffer[Arrival] = ReorderBuffer(config.reorder_ms / 1000)
        self._probe = RestartProbe()
        self._events = TelephoneEventDecoder()
        self._lost_packets = 0
        """Given up since the last audio."""
        self._adopt(config)

    def _adopt(self, config: StreamConfig) -> None:
        self._audio_type = config.payload_type
        self._event_type = config.telephone_event_payload_type
        self._is_open = config.may_receive
        self._reorder.wait_s = config.reorder_ms / 1000

    def update(self, config: StreamConfig, now: float) -> None:
        """A re-INVITE agreed on something else."""
        was_open = self._is_open
        self._adopt(config)
        self.latch.relatch_after_s = config.relatch_after_s
        self.latch.signalling_host = config.signalling_address
        self.latch.expect(config.announced, now)
        self.timeline.use_law(config.law)
        if was_open and not self._is_open:
            self._flush()
            self.timeline.pause()
        elif self._is_open and not was_open:
            self.timeline.start(now)

    def _flush(self) -> None:
        """Forget what waits for its turn: after a hold its turn is over. What was expected until now stays counted."""
        if self._present_ssrc >= 0:
            self._statistics.highest = self._reorder.highest
        self._reorder.start(self._reorder.next_sequence & 0xFFFF)
        self._guard.ssrc = None
        self._present_ssrc = -1
        self._probe.clear()

    @property
    def statistics(self) -> ReceiveStatistics:
        """The counters, brought up to date."""
        if self._present_ssrc >= 0:
            self._statistics.highest = self._reorder.highest
        self._statistics.excess_digits = self._events.excess
        return self._statistics

    def receive(self, datagram: bytes | memoryview, source: Address, now: float) -> None:
        """One datagram from the port."""
        try:
            packet = parse_packet(datagram)
        except RtpError:
            self._statistics.malformed += 1
            return
        payload_type, _, sequence, timestamp, ssrc, payload = packet
        latch = self.latch
        if (source != latch.address or not self._is_open) and not self._may_enter(packet, source, now):
            return
        latch.heard_at = now
        if payload_type == self._audio_type and ssrc == self._present_ssrc:
            self._statistics.count_audio(timestamp, now, len(payload))
            self._present_heard_at = now
            if self._reorder.passes(sequence):
                self.timeline.add_audio(timestamp, payload, now)
            else:
                self._order(Arrival(sequence, timestamp, payload, True, now))
        else:
            self._receive_other(packet, datagram, now)

    def handle_timeout(self, now: float) -> None:
        """Give up gaps that waited long enough, end digits whose end was lost, fill silence."""
        if self._reorder.deadline is not None:
            self._release(now)
        if self._events.deadline is not None:
            self._tell(self._events.handle_timeout(now))
        if self._reorder.deadline is None:
            self.timeline.fill(now)

    def next_deadline(self) -> float | None:
        """When ``handle_timeout`` has something to do."""
        reorder = self._reorder.deadline
        return earliest(self._events.deadline, self.timeline.deadline if reorder is None else reorder)

    @property
    def gap_deadline(self) -> float | None:
        """When a gap that holds audio back is given up: the deadline that is not to be missed by much."""
        return self._reorder.deadline

    def _may_enter(self, packet: RtpPacket, source: Address, now: float) -> bool:
        """A packet that is not from the latched address, or comes while we do not receive."""
        is_audio = packet.payload_type == self._audio_type and len(packet.payload) > 0
        if source != self.latch.address and not self.latch.admit(source, packet.ssrc, packet.sequence, is_audio, now):
            self._statistics.rejected_source += 1
            return False
        if not self._is_open:
            self.latch.heard_at = now
            self._statistics.ignored_on_hold += 1
        return self._is_open

    def _receive_other(self, packet: RtpPacket, datagram: bytes | memoryview, now: float) -> None:
        """Anything but audio of the present source."""
        if is_rtcp(datagram):
            self._statistics.rtcp_on_rtp_port += 1
            return
        arrival = self._classify(packet, now)
        if packet.ssrc == self._present_ssrc:
            self._statistics.count_other(len(packet.payload))
            self._present_heard_at = now
            self._order(arrival)
            return
        self._statistics.foreign_ssrc += 1
        if arrival.is_audio:  # some gateways send nothing but digits on a source of their own
            self._reorder.block()
            self._begin_source(self._guard.consider(packet.ssrc, arrival, self._present_heard_at))

    def _classify(self, packet: RtpPacket, now: float) -> Arrival:
        payload_type, has_marker, sequence, timestamp, _, payload = packet
        if payload_type == self._audio_type:
            return Arrival(sequence, timestamp, payload, True, now)
        if payload_type == self._event_type:
            self._statistics.events += 1
            self._tell(self._events.receive(timestamp, payload, has_marker, now))
            timestamp = (timestamp + int.from_bytes(payload[2:4], "big")) & 0xFFFF_FFFF
        elif payload_type == COMFORT_NOISE:
            self._statistics.comfort_noise += 1
        else:
            self._statistics.unknown_payload_types += 1
        return Arrival(sequence, timestamp, b"", False, now)

    def _begin_source(self, packets: list[Arrival]) -> None:
        """Another synchronisation source takes over, with the packets that proved it; with none it does not yet."""
        if not packets or self._guard.ssrc is None:
            return
        if self._present_ssrc >= 0:
            self._statistics.ssrc_changes += 1
        self._begin_sequence(packets)
        self._statistics.foreign_ssrc -= len(packets)
        for arrival in packets:
            self._statistics.count_audio(arrival.timestamp, arrival.at, len(arrival.payload))
        self._present_ssrc = self._guard.ssrc
        self._present_heard_at = packets[-1].at

    def _begin_sequence(self, packets: list[Arrival]) -> None:
        """Go on with these packets, whose numbers and timestamps know nothing of the ones before."""
        statistics = self.statistics
        self._reorder.start(packets[0].sequence)
        statistics.begin_source(self._reorder.next_sequence)
        self._lost_packets = 0
        self.timeline.rebase()
        for arrival in packets:
            self._order(arrival)

    def _order(self, arrival: Arrival) -> None:
        """A packet of the present source that may have to wait for others, or for which others waited."""
        self._guard.note_present()
        is_behind = distance16(self._reorder.highest & 0xFFFF, arrival.sequence) < 0
        placement = self._reorder.insert(arrival.sequence, arrival, arrival.at)
        if placement is Placement.TAKEN:
            self._probe.clear()
            self._statistics.reordered += is_behind
            self._release(arrival.at)
        else:
            self._refuse(arrival, placement)

    def _release(self, now: float) -> None:
        """Give out what is in order by now."""
        for lost, arrival in self._reorder.release(now):
            self._statistics.given_up += lost
            self._lost_packets += lost
            if arrival.is_audio:
                self.timeline.add_audio(arrival.timestamp, arrival.payload, arrival.at, self._lost_packets)
                self._lost_packets = 0
            else:
                self.timeline.add_mark(arrival.timestamp, arrival.at)

    def _refuse(self, arrival: Arrival, placement: Placement) -> None:
        """A packet that is not in its place: a straggler, a copy, or the first sign of a new beginning."""
        self._statistics.late += placement is Placement.LATE
        self._statistics.duplicates += placement is Placement.DUPLICATE
        if placement is Placement.HELD_ALREADY:
            self._statistics.duplicates += 1
            return
        needed = RestartProbe.STRANGE_RUN
        if placement is not Placement.STRANGE and (not arrival.is_audio or self.timeline.is_recent(arrival.timestamp)):
            needed = RestartProbe.LATE_RUN
        self._reorder.block()
        run = self._probe.observe(arrival, needed)
        if run:
            self._statistics.restarts += 1
            self._begin_sequence(run)

    def _tell(self, digits: list[DigitPressed]) -> None:
        for digit in digits:
            self.last_digit = digit
            self._on_digit(digit.digit)
