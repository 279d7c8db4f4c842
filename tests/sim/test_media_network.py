"""A caller's RTP through a network that loses, delays, reorders and doubles packets, on virtual time.

The provider must hear a line exactly as long as the caller's own time, with every packet that came in time at its
place.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count

from hypothesis import event, given, settings
from hypothesis import strategies as st

from gateway.base.ids import IdSource
from gateway.media.config import StreamConfig
from gateway.media.stream import RtpStream
from tests.support.rtp_caller import ADDRESS, Ear, RtpCaller, speech

SILENCE = 0xFF
REORDER_S = 0.04
LAG_S = 0.1
RATE = 8000
EPSILON_S = 1e-6


@dataclass(frozen=True)
class Fate:
    """What the network does to one packet."""

    delay_s: float = 0.0
    is_lost: bool = False
    copy_after_s: float | None = None


@dataclass(frozen=True)
class Utterance:
    """One thing the caller does: a packet of speech, or a pause without packets before it."""

    samples: int
    pause: int
    fate: Fate


@dataclass
class Network:
    """Delivers packets to a stream in the order they arrive and fires the stream's timer in between."""

    config: StreamConfig
    ear: Ear = field(default_factory=Ear)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.stream = RtpStream(self.config, IdSource(1), on_audio=self.ear.hear, on_digit=self.ear.digits.append)
        self._in_flight: list[tuple[float, int, bytes]] = []
        self._serial = count()

    def carry(self, packet: bytes, sent_at: float, fate: Fate) -> None:
        """A packet enters the network."""
        if fate.is_lost:
            return
        heapq.heappush(self._in_flight, (sent_at + fate.delay_s, next(self._serial), packet))
        if fate.copy_after_s is not None:
            heapq.heappush(self._in_flight, (sent_at + fate.delay_s + fate.copy_after_s, next(self._serial), packet))

    def deliver_all(self) -> None:
        """Until nothing is in flight and nothing waits behind a gap."""
        while self._in_flight:
            self._run_timers(self._in_flight[0][0])
            self.now, _, packet = heapq.heappop(self._in_flight)
            self.stream.receive_datagram(packet, ADDRESS, self.now)
        while (deadline := self.stream.gap_deadline) is not None:
            self._run_timers(deadline)

    def _run_timers(self, until: float) -> None:
        while (deadline := self.stream.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.stream.handle_timeout(self.now)


@dataclass(frozen=True)
class Sent:
    """A packet as the caller knows it: its place in samples from the start, and when it arrived first."""

    start: int
    samples: int
    arrival: float | None


def talk(network: Network, utterances: list[Utterance], caller: RtpCaller) -> list[Sent]:
    """The caller sends everything at its time; answers with what became of it."""
    sent, at = [], 0
    base = caller.timestamp
    for utterance in utterances:
        caller.silent(utterance.pause)
        at += utterance.pause
        sent_at = network.now + (at + utterance.samples) / RATE
        fate = utterance.fate
        network.carry(stamped(caller, at, utterance.samples), sent_at, fate)
        sent.append(Sent(at, utterance.samples, None if fate.is_lost else sent_at + fate.delay_s))
        at += utterance.samples
    assert caller.timestamp == (base + at) & 0xFFFF_FFFF
    network.deliver_all()
    return sent


def stamped(caller: RtpCaller, at: int, samples: int) -> bytes:
    """A packet whose audio tells its place from the start of the call, whatever the timestamp's base."""
    packet = caller.audio(samples)
    return packet[:12] + speech(at, samples)


def first_heard(sent: list[Sent]) -> int:
    """Index of the packet that arrived first: the line starts there."""
    arrived = [(packet.arrival, index) for index, packet in enumerate(sent) if packet.arrival is not None]
    return min(arrived)[1]


def came_in_time(sent: list[Sent], index: int) -> bool:
    """A packet is in time when no packet behind it has waited for longer than the reorder time."""
    arrival = sent[index].arrival
    behind = [packet.arrival for packet in sent[index + 1 :] if packet.arrival is not None]
    return arrival is not None and all(arrival < other + REORDER_S - EPSILON_S for other in behind)


def fates(max_delay_ms: int) -> st.SearchStrategy[Fate]:
    delays = st.integers(0, max_delay_ms).map(lambda delay_ms: delay_ms / 1000)
    copies = st.one_of(st.none(), st.integers(0, 300).map(lambda after_ms: after_ms / 1000))
    return st.one_of(
        st.builds(Fate, delay_s=delays),
        st.builds(Fate, delay_s=delays, copy_after_s=copies),
        st.just(Fate(is_lost=True)),
    )


def utterances(max_delay_ms: int) -> st.SearchStrategy[list[Utterance]]:
    """A call in packets of one length, now and then a short one, with pauses."""
    pauses = st.one_of(st.just(0), st.just(0), st.integers(0, 12_000))

    def of_length(samples: int) -> st.SearchStrategy[list[Utterance]]:
        sizes = st.sampled_from([samples, samples, samples, 37])
        return st.lists(st.builds(Utterance, sizes, pauses, fates(max_delay_ms)), min_size=1, max_size=60)

    return st.sampled_from([160, 80, 240, 480]).flatmap(of_length)


def agreed() -> StreamConfig:
    return StreamConfig("PCMU", 0, 101, ADDRESS, reorder_ms=int(REORDER_S * 1000))


@given(
    utterances(max_delay_ms=60),
    st.sampled_from([0, 65_500]),
    st.sampled_from([0, 0xFFFF_FFFF - 3000, 0x7FFF_FFF0]),
)
@settings(max_examples=200, deadline=None)
def test_the_line_is_exactly_as_long_as_the_callers_time(
    script: list[Utterance], sequence: int, timestamp: int
) -> None:
    network = Network(agreed())
    sent = talk(network, script, RtpCaller(sequence=sequence, timestamp=timestamp))
    if all(packet.arrival is None for packet in sent):
        assert network.ear.audio == b""
        return
    start = sent[first_heard(sent)].start
    last = [packet for packet in sent if packet.arrival is not None][-1]
    assert last.arrival is not None
    end = last.start + last.samples
    event(f"packets lost: {sum(packet.arrival is None for packet in sent)}")
    length = len(network.ear.audio)
    waited = max(network.now - last.arrival - LAG_S, 0.0)
    assert end - start <= length <= end - start + waited * RATE + 1
    assert set(network.ear.audio[end - start :]) <= {SILENCE}, "only the clock goes on behind the last packet"


@given(utterances(max_delay_ms=60))
@settings(max_examples=200, deadline=None)
def test_every_packet_that_came_in_time_is_at_its_place(script: list[Utterance]) -> None:
    network = Network(agreed())
    sent = talk(network, script, RtpCaller())
    if all(packet.arrival is None for packet in sent):
        return
    first = first_heard(sent)
    start = sent[first].start
    for index in range(first, len(sent)):
        packet = sent[index]
        if came_in_time(sent, index):
            place = packet.start - start
            assert network.ear.audio[place : place + packet.samples] == speech(packet.start, packet.samples)


@given(utterances(max_delay_ms=60))
@settings(max_examples=200, deadline=None)
def test_everything_that_arrived_is_accounted_for(script: list[Utterance]) -> None:
    network = Network(agreed())
    sent = talk(network, script, RtpCaller())
    arrived = [packet for packet in sent if packet.arrival is not None]
    copies = sum(u.fate.copy_after_s is not None and not u.fate.is_lost for u in script)
    statistics, mending = network.stream.statistics, network.stream.mending
    assert statistics.packets == len(arrived) + copies
    assert statistics.restarts == statistics.ssrc_changes == mending.rebased == 0
    played = len(network.ear.audio) - mending.silence_samples - mending.concealed_samples
    assert played <= sum(packet.samples for packet in arrived)
    if statistics.late == 0 and mending.trimmed_samples == 0:
        assert played == sum(packet.samples for packet in arrived)


@given(st.lists(st.integers(0, 60), min_size=20, max_size=60))
@settings(max_examples=100, deadline=None)
def test_without_loss_jitter_below_the_reorder_time_changes_nothing(delays_ms: list[int]) -> None:
    network = Network(StreamConfig("PCMU", 0, 101, ADDRESS, reorder_ms=60))
    script = [
        Utterance(160, 0, Fate(delay_s=min(delay, 59) / 1000 if index else 0.0))
        for index, delay in enumerate(delays_ms)
    ]
    talk(network, script, RtpCaller())
    assert network.ear.audio == speech(0, 160 * len(script))
    assert network.stream.mending.concealed_samples == 0


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3000)), min_size=1, max_size=8),
    st.floats(-0.006, 0.006),
)
@settings(max_examples=100, deadline=None)
def test_outages_of_any_length_shift_nothing_whatever_the_callers_clock(
    bursts: list[tuple[int, int]], skew: float
) -> None:
    """Talk, then the network is down for some packets, again and again; the caller's clock runs fast or slow."""
    network = Network(agreed())
    caller = RtpCaller()
    at, began = 0, network.now
    end = 0
    for talking, down in bursts:
        for _ in range(talking):
            network.carry(stamped(caller, at, 160), began + (at + 160) / RATE * (1 + skew), Fate())
            at += 160
            end = at
        for _ in range(down // 20):
            caller.audio()
            at += 160
    network.deliver_all()
    assert len(network.ear.audio) == end
    assert network.ear.audio[-160:] == speech(end - 160, 160)


@given(st.integers(1, 400), st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_a_stalled_network_that_lets_everything_go_at_once_shifts_nothing(stalled: int, after: int) -> None:
    """Packets are held up and arrive together: what the clock has filled meanwhile is cut off them, to the sample."""
    network = Network(agreed())
    caller = RtpCaller()
    began = network.now
    for index in range(10 + stalled + after):
        due = began + (index + 1) * 0.02
        let_go = began + (10 + stalled) * 0.02
        is_stalled = 10 <= index < 10 + stalled
        network.carry(stamped(caller, index * 160, 160), let_go if is_stalled else due, Fate())
    network.deliver_all()
    total = 160 * (10 + stalled + after)
    assert len(network.ear.audio) == total
    assert network.ear.audio[:1600] == speech(0, 1600)
    kept = min(stalled, 5) + after
    assert network.ear.audio[total - 160 * kept :] == speech(total - 160 * kept, 160 * kept)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.booleans(), st.floats(-0.006, 0.006))
@settings(max_examples=100, deadline=None)
def test_bursts_of_up_to_a_second_lose_nothing(bursts: list[int], is_ours: bool, skew: float) -> None:
    """The network, or our own event loop (no timer fires), holds packets up and lets them go at once."""
    network = Network(agreed())
    caller = RtpCaller()
    began, at = network.now, 0
    for burst in bursts:
        held_up: list[bytes] = []
        for _ in range(burst):
            held_up.append(stamped(caller, at, 160))
            at += 160
        let_go = began + at / RATE * (1 + skew)
        for packet in held_up:
            if is_ours:
                network.stream.receive_datagram(packet, ADDRESS, let_go)
            else:
                network.carry(packet, let_go, Fate())
        network.deliver_all()
    mending = network.stream.mending
    assert len(network.ear.audio) == at
    assert mending.excess_packets == mending.rebased == 0
    if is_ours:
        assert network.ear.audio == speech(0, at)


@given(st.integers(60, 4000), st.sampled_from([80, 160, 480, 1400]), st.integers(0, 16_000))
@settings(max_examples=15, deadline=None)
def test_no_sender_makes_more_audio_than_time_passes(packets_per_s: int, samples: int, leap: int) -> None:
    network = Network(agreed())
    caller = RtpCaller()
    began = network.now
    for index in range(packets_per_s * 3):
        caller.silent(leap if index % 7 == 0 else 0)
        network.carry(caller.audio(samples), began + index / packets_per_s, Fate())
    network.deliver_all()
    assert len(network.ear.audio) <= (2 + (network.now - began) * 1.01) * RATE + 1


@given(st.lists(st.booleans(), min_size=10, max_size=200))
def test_a_packet_in_order_waits_for_nothing_however_bad_the_network_is(arrivals: list[bool]) -> None:
    network = Network(agreed())
    caller = RtpCaller()
    is_next = True  # the packet before this one has gone out
    for has_arrived in arrivals:
        packet = caller.audio()
        network.now += 0.02
        network.stream.handle_timeout(network.now)
        if has_arrived:
            network.stream.receive_datagram(packet, ADDRESS, network.now)
            went_out = network.ear.audio.endswith(packet[12:])
            assert went_out or not is_next
            is_next = went_out
        else:
            is_next = False


def test_stalls_that_drain_slowly_cost_none_of_the_callers_words() -> None:
    network = Network(agreed())
    caller = RtpCaller()
    network.stream.start(network.now)
    began, arrives = network.now, 0.0
    for number in range(180 * 50):
        due = number * 0.02
        arrives = max(due, arrives + 0.013)  # the backlog of a stall comes at one and a half times the pace of speech
        if number and number % 200 == 0:
            arrives = max(arrives, due + 0.4)
        network.carry(caller.audio(), began + due, Fate(delay_s=arrives - due))
    network.deliver_all()
    assert network.stream.mending.excess_packets == 0
    assert network.stream.mending.trimmed_samples <= 0.005 * 180 * RATE
