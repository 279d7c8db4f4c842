"""The caller's audio as one unbroken line of samples.

What goes to the provider must last exactly as long as the caller's own time, whatever the network lost: the provider's
turn taking listens to the length of silences. Every audio packet names its place on the line by its RTP timestamp;
between the place reached and the place named lies a gap:

* packets are missing by sequence number: lost audio, concealed;
* none is missing: the sender was silent and saved its packets (RFC 3551 §4.1), filled with silence;
* nothing arrives at all: the clock fills with silence, ``lag_s`` behind the time the next packet was due, so that
  jitter never looks like silence. Audio that still comes for a time the clock has filled is cut off, to the sample.

A timestamp that fits nowhere (it jumps back, or further than time has passed) is a new beginning: the line goes on
where it is. However much a peer sends, the line does not run ahead of real time by more than its ``Budget``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.base.serial import TIMESTAMP_MODULUS, distance32
from gateway.media.codec.g711 import SAMPLE_RATE_HZ, Law
from gateway.media.receive.budget import Budget
from gateway.media.receive.concealment import Concealment
from gateway.media.receive.resumption import Resumption

MAX_GAP_TS = 60 * SAMPLE_RATE_HZ
"""At most a minute of silence is filled at once."""
GAP_TOLERANCE_TS = SAMPLE_RATE_HZ
"""A gap may be longer than the time since the newest packet by this much: that packet may have been late itself."""
_MAX_MARK_TS = 10 * SAMPLE_RATE_HZ
"""Marks further from the line are on a clock of their own: some gateways stamp telephone-events so."""
_RECENT_TS = 10 * SAMPLE_RATE_HZ
_CHUNK_SAMPLES = 160
_LONGEST_PACKET_SAMPLES = 60 * SAMPLE_RATE_HZ // 1000
_SLICE_SAMPLES = SAMPLE_RATE_HZ
_MASK = TIMESTAMP_MODULUS - 1


@dataclass(frozen=True, slots=True)
class Mending:
    """What was done to the line, in samples."""

    concealed_samples: int
    silence_samples: int
    """Filled in, by the clock or between talkspurts."""
    trimmed_samples: int
    """Real audio cut off because its time had been filled."""
    rebased: int
    """New beginnings by timestamp alone."""
    excess_packets: int
    """Audio packets dropped because they came faster than real time."""


class Timeline:
    """Turns packets, each in its turn, into audio without gaps. Samples equal bytes: both laws are one byte each."""

    def __init__(self, law: Law, on_audio: Callable[[bytes], None], *, lag_s: float) -> None:
        self._concealed_samples = 0
        self._silence_samples = 0
        self._trimmed_samples = 0
        self._rebased = 0
        self._law = law
        self._on_audio = on_audio
        self._lag_s = lag_s
        self._concealment = Concealment()
        self._resumption = Resumption()
        self._position_ts = 0
        """RTP timestamp of the next sample to give out."""
        self._end_ts = 0
        """RTP timestamp behind the newest audio packet: the sender's own position."""
        self._is_based = False
        self._is_running = False
        self._anchor_at = 0.0
        """When the newest packet arrived."""
        self._ahead_samples = 0
        """How far behind (negative: before) the position that packet ended."""
        self._packet_samples = _CHUNK_SAMPLES
        """Length of the longest packet so far: so long after one the next may be due."""
        self._budget = Budget()
        self._excess_packets = 0

    def start(self, now: float) -> None:
        """Let the clock run although no packet has come yet."""
        if not self._is_running:
            self._is_running = True
            self._anchor_at = now
            self._ahead_samples = 0
            self._budget.settle(0, now)

    def pause(self) -> None:
        """Stop: neither clock nor packets fill anything until the next packet or ``start``."""
        self._is_running = False
        self.rebase()

    def rebase(self) -> None:
        """The next packet belongs where the line is now, whatever its timestamp says."""
        self._is_based = False
        self._resumption.clear()

    def use_law(self, law: Law) -> None:
        """Payloads come in this law from now on."""
        if law.name != self._law.name:
            self._law = law
            self._concealment.forget()

    def add_audio(self, timestamp: int, payload: bytes, arrival: float, lost: int = 0) -> None:
        """The next audio packet in order; ``lost`` packets before it will not come."""
        samples = len(payload)
        if timestamp == self._position_ts and self._is_based and 0 < samples <= self._budget.samples:
            self._budget.samples -= samples
            if samples > self._packet_samples:
                self._note_length(samples)
            self._position_ts = self._end_ts = (timestamp + samples) & _MASK
            self._anchor_at = arrival
            self._ahead_samples = 0
            self._concealment.last_frame = payload
            self._on_audio(payload)
        elif payload:
            self._place(timestamp, payload, arrival, lost)
        else:
            self.add_mark(timestamp, arrival)

    def add_mark(self, timestamp: int, arrival: float) -> None:
        """A packet without audio (comfort noise, event) reached to ``timestamp``: up to there nothing is missing."""
        if not self._is_based:
            self.start(arrival)
            return
        ahead = distance32(self._position_ts, timestamp)
        if self._ahead_samples < ahead < _MAX_MARK_TS and self._unproven(ahead, arrival) <= GAP_TOLERANCE_TS:
            self._anchor_at = arrival
            self._ahead_samples = ahead

    @property
    def mending(self) -> Mending:
        """What was filled and cut so far."""
        return Mending(
            self._concealed_samples,
            self._silence_samples,
            self._trimmed_samples,
            self._rebased,
            self._excess_packets,
        )

    def is_recent(self, timestamp: int) -> bool:
        """Does a timestamp lie in what the sender has said in the last seconds?"""
        return -_RECENT_TS < distance32(self._end_ts, timestamp) < 0

    def fill(self, now: float) -> None:
        """Give out the silence that the clock says has passed."""
        if not self._is_running:
            return
        if self._resumption.has_ended(now):
            self._settle_resumption()
        elapsed = round((now - self._anchor_at - self._lag_s) * SAMPLE_RATE_HZ)
        due = self._ahead_samples + elapsed - self._packet_samples
        if due >= _CHUNK_SAMPLES:
            # The last second of slack is for the caller's own words: silence must not make them excess.
            believed = min(due, MAX_GAP_TS, max(self._budget.available(now) - SAMPLE_RATE_HZ, 0))
            believed -= believed % _CHUNK_SAMPLES
            self._budget.settle(believed, now)
            self._emit_silence(believed)
            self._ahead_samples -= due - due % _CHUNK_SAMPLES - believed

    @property
    def deadline(self) -> float | None:
        """When the clock has to fill next."""
        if not self._is_running:
            return None
        samples = _CHUNK_SAMPLES + self._packet_samples - self._ahead_samples
        return self._anchor_at + self._lag_s + samples / SAMPLE_RATE_HZ

    def _place(self, timestamp: int, payload: bytes, arrival: float, lost: int) -> None:
        """Any packet that does not simply follow."""
        if not self._is_based:
            self._begin_at(timestamp)
        ahead = distance32(self._position_ts, timestamp)
        if ahead > 0:
            self._close_gap(timestamp, ahead, arrival, lost)
        elif ahead < 0 and distance32(self._end_ts, timestamp) <= -len(payload):
            self._rebased += 1
            self._begin_at(timestamp)
        self._lay_down(timestamp, payload, arrival)
        self._end_ts = (timestamp + len(payload)) & _MASK

    def _lay_down(self, timestamp: int, payload: bytes, arrival: float) -> None:
        """The part of the payload that lies behind the position, if real time has room for it."""
        filled = distance32(timestamp, self._position_ts)
        if filled >= len(payload):
            self._hold_back(timestamp, payload, arrival)
        elif self._budget.affords(len(payload) - filled, arrival):
            self._resumption.clear()
            self._trimmed_samples += filled
            self._advance(payload, filled, arrival)
        else:
            self._drop(arrival)

    def _drop(self, arrival: float) -> None:
        """A packet too many: what comes next goes on where the line is."""
        self._excess_packets += 1
        self.rebase()
        self._is_running = True
        self._anchor_at = arrival
        self._ahead_samples = 0

    def _hold_back(self, timestamp: int, payload: bytes, arrival: float) -> None:
        """A packet wholly within filled time. The clock runs on meanwhile: it may be nothing but a straggler."""
        self._trimmed_samples += len(payload)
        self._resumption.hold(timestamp, payload, arrival)
        if self._resumption.has_stood_still():
            self._replay()

    def _settle_resumption(self) -> None:
        """The sender fell silent again before there was a verdict: decide by what there is."""
        if self._resumption.is_paced():
            self._replay()
        self._resumption.clear()

    def _replay(self) -> None:
        """The sender's clock stood still while ours filled: its audio follows now, none of it is late."""
        self._rebased += 1
        for timestamp, payload, arrival in self._resumption.take():
            self._trimmed_samples -= len(payload)
            if self._budget.affords(len(payload), arrival):
                self._begin_at(timestamp)
                self._advance(payload, 0, arrival)
            else:
                self._drop(arrival)

    def _begin_at(self, timestamp: int) -> None:
        self._is_based = True
        self._position_ts = self._end_ts = timestamp

    def _close_gap(self, timestamp: int, samples: int, now: float, lost: int) -> None:
        if not self._may_fill(samples, now):
            self._rebased += 1
            self._begin_at(timestamp)
        elif lost:
            self._concealed_samples += samples
            self._position_ts = timestamp
            for length in _slices(samples):
                self._on_audio(self._concealment.make(self._law, length))
        else:
            self._emit_silence(samples)

    def _may_fill(self, samples: int, now: float) -> bool:
        """Has the time passed that a gap claims?

        A gap that claims more leaves room for real audio, so that wrong timestamps never cost a word.
        """
        unproven = self._unproven(samples, now)
        if unproven > GAP_TOLERANCE_TS:
            return False
        return self._budget.covers(samples, now, spare=GAP_TOLERANCE_TS if unproven > 0 else 0)

    def _unproven(self, ahead: int, now: float) -> float:
        """By how much a place ahead exceeds the time since the newest packet, which ended ``_ahead_samples`` ahead."""
        return ahead - self._ahead_samples - (now - self._anchor_at) * SAMPLE_RATE_HZ

    def _advance(self, payload: bytes, skipped: int, arrival: float) -> None:
        """Give out a payload without its first ``skipped`` samples."""
        self._position_ts = (self._position_ts + len(payload) - skipped) & _MASK
        self._budget.samples -= len(payload) - skipped
        self._is_running = True
        self._anchor_at = arrival
        self._ahead_samples = 0
        self._note_length(len(payload))
        self._concealment.last_frame = payload
        self._on_audio(payload[skipped:])

    def _note_length(self, samples: int) -> None:
        self._packet_samples = min(max(samples, self._packet_samples), _LONGEST_PACKET_SAMPLES)

    def _emit_silence(self, samples: int) -> None:
        self._position_ts = (self._position_ts + samples) & _MASK
        self._ahead_samples -= samples
        self._silence_samples += samples
        self._concealment.forget()
        for length in _slices(samples):
            self._on_audio(self._law.silent(length))


def _slices(samples: int) -> list[int]:
    """The lengths of one second each that make up a gap, so that nobody receives a minute at once."""
    whole, rest = divmod(samples, _SLICE_SAMPLES)
    return [_SLICE_SAMPLES] * whole + [rest] * (rest > 0)
