"""Digits from telephone-event packets (RFC 4733), one for each press of a key.

A press is known by its timestamp and event code; the packets that report it, however many are lost, repeated or out
of order, count once. It is told when its end is seen, when the next press shows that the end was lost, when no packet
came for ``SILENCE_S``, or after ``LONG_PRESS_TS`` while the key is still down, so that a stuck key withholds nothing.
Waiting for the end costs the length of the press (some 100 ms) and gives the press its true length.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from gateway.base.serial import distance32

DIGITS = "0123456789*#ABCD"
"""Event codes 0 to 15 (RFC 4733 §3.2, table 3)."""

SILENCE_S = 0.2
"""Senders update an event every 20 to 50 ms (RFC 4733 §2.5.1.2): after this long its end was lost."""
LONG_PRESS_TS = 8000
"""One second of the 8000 Hz clock."""

MAX_BLOCKS = 4
"""Blocks read of one packet: senders pack few, and a datagram has room for hundreds."""
DIGITS_PER_S = 20
"""Presses told at most, and as many at once after a pause: twice as fast as the fastest diallers."""

_SEGMENT_TS = 0xFFFF
"""The longest duration one segment can say; the next continues behind it (RFC 4733 §2.5.1.3)."""
_BLOCK = struct.Struct(">BBH")


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """A key of the telephone was pressed."""

    digit: str
    duration_ms: int
    """As far as it was reported: a lower bound when the end was lost or the key is still down."""


@dataclass(slots=True)
class _Press:
    """The press being reported."""

    event: int
    start_ts: int
    segment_ts: int
    """Timestamp of the packets that report it now: moves on with each segment of a long press."""
    duration_ts: int
    """Of the present segment."""
    heard_at: float
    is_told: bool = False

    def total_ts(self) -> int:
        return distance32(self.start_ts, self.segment_ts) + self.duration_ts


class TelephoneEventDecoder:
    """Feeds on event payloads in order of arrival; answers with what was pressed."""

    def __init__(self) -> None:
        self.ignored = 0
        """Blocks that are broken or stand for other events than the sixteen keys."""
        self.excess = 0
        """Presses not told because they came faster than ``DIGITS_PER_S``."""
        self.deadline: float | None = None
        """When the present press counts as ended for want of packets."""
        self._press: _Press | None = None
        self._ended: deque[tuple[int, int]] = deque(maxlen=8)
        self._allowance = float(DIGITS_PER_S)
        self._allowance_at = 0.0

    def receive(self, timestamp: int, payload: bytes, has_marker: bool, now: float) -> list[DigitPressed]:
        """One packet's payload: usually one block; several follow each other in time (RFC 4733 §2.5.1.5)."""
        pressed: list[DigitPressed] = []
        if len(payload) < _BLOCK.size:
            self.ignored += 1
        end = len(payload) - 3
        if end > MAX_BLOCKS * _BLOCK.size:
            self.ignored += len(payload) // _BLOCK.size - MAX_BLOCKS
            end = MAX_BLOCKS * _BLOCK.size
        for offset in range(0, end, _BLOCK.size):
            event, flags, duration_ts = _BLOCK.unpack_from(payload, offset)
            is_last = offset + 2 * _BLOCK.size > len(payload)
            if event < len(DIGITS):
                has_ended = bool(flags & 0x80) or not is_last
                seen = _Press(event, timestamp, timestamp, duration_ts, now)
                self._receive_block(seen, has_ended, has_marker, pressed)
            else:
                self.ignored += 1
            timestamp = (timestamp + duration_ts) & 0xFFFF_FFFF
        return self._ration(pressed, now) if pressed else pressed

    def handle_timeout(self, now: float) -> list[DigitPressed]:
        """Tells a press whose packets stopped coming without an end."""
        pressed: list[DigitPressed] = []
        if self.deadline is not None and now >= self.deadline:
            self._end(pressed)
        return self._ration(pressed, now) if pressed else pressed

    def _ration(self, pressed: list[DigitPressed], now: float) -> list[DigitPressed]:
        """No finger and no dialler is faster: what exceeds the rate is counted, not told."""
        refilled = self._allowance + (now - self._allowance_at) * DIGITS_PER_S
        self._allowance, self._allowance_at = min(refilled, float(DIGITS_PER_S)), now
        told = pressed[: int(self._allowance)]
        self._allowance -= len(told)
        self.excess += len(pressed) - len(told)
        return told

    def _receive_block(self, seen: _Press, has_ended: bool, has_marker: bool, pressed: list[DigitPressed]) -> None:
        if (seen.event, seen.start_ts) in self._ended:
            return
        press = self._press
        if press is not None and press.event == seen.event and _is_same_press(press, seen, has_marker):
            _continue(press, seen)
        elif press is not None and distance32(press.segment_ts, seen.start_ts) < 0:
            return  # a straggler of a press before this one
        else:
            self._end(pressed)
            press = self._press = seen
        self.deadline = seen.heard_at + SILENCE_S
        if has_ended:
            self._end(pressed)
        elif press.total_ts() >= LONG_PRESS_TS:
            _tell(press, pressed)

    def _end(self, pressed: list[DigitPressed]) -> None:
        """Tell the present press, if there is one, and know its late repetitions."""
        press, self._press, self.deadline = self._press, None, None
        if press is not None:
            _tell(press, pressed)
            self._ended.append((press.event, press.start_ts))
            if press.segment_ts != press.start_ts:
                self._ended.append((press.event, press.segment_ts))


def _tell(press: _Press, pressed: list[DigitPressed]) -> None:
    if not press.is_told:
        press.is_told = True
        pressed.append(DigitPressed(DIGITS[press.event], press.total_ts() // 8))


def _is_same_press(press: _Press, seen: _Press, has_marker: bool) -> bool:
    """Does a block of the same key belong to the press that has not ended yet?

    A key cannot go down again before it came up, so a block that starts within the span already reported is the same
    press: a further segment (RFC 4733 §2.5.1.3), or a sender that wrongly moves the timestamp with every packet.
    """
    moved_ts = distance32(press.segment_ts, seen.start_ts)
    if moved_ts == 0:
        return True
    if has_marker or moved_ts < 0:
        return False
    return moved_ts <= press.duration_ts or moved_ts == _SEGMENT_TS


def _continue(press: _Press, seen: _Press) -> None:
    if seen.start_ts == press.segment_ts:
        press.duration_ts = max(press.duration_ts, seen.duration_ts)
    else:
        press.segment_ts, press.duration_ts = seen.start_ts, seen.duration_ts
