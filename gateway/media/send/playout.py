"""The one queue toward the caller, and the ledger of what has left it.

The provider speaks faster than real time; here the surplus waits, cut into frames, until the pacer takes them one by
one. There is no other queue behind this one, so that one flush empties everything. The ledger knows for each provider
item how many bytes went out in RTP packets: that number, and no clock, says what the caller has heard.

The event loop's thread fills, the pacer's thread takes: one lock, held for a few operations, keeps frames and ledger
together.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from itertools import groupby

from gateway.media.codec.g711 import BYTES_PER_MS, PCMU, Law

ItemKey = tuple[str, str]
"""(response id, item id) of the provider."""

MAX_PENDING_BYTES = 10 * 60 * 1000 * BYTES_PER_MS
"""Ten minutes of speech in waiting: nobody means to say that much."""
_MAX_RECORDS = 256
"""Items whose ledger is kept, the oldest forgotten first."""


@dataclass(frozen=True, slots=True)
class ItemHeard:
    """How much of a provider item has left in RTP packets."""

    item: ItemKey
    sent_ms: int
    """Whole milliseconds of audio that went out."""
    produced_ms: int
    """Whole milliseconds of audio that were given to the playout."""


class _Record:
    """The ledger's line for one item, in bytes."""

    __slots__ = ("is_finished", "is_flushed", "item", "produced", "sent", "waiting")

    def __init__(self, item: ItemKey) -> None:
        self.item = item
        self.produced = 0
        self.sent = 0
        self.waiting = 0
        self.is_finished = False
        self.is_flushed = False

    def heard(self) -> ItemHeard:
        return ItemHeard(self.item, self.sent // BYTES_PER_MS, self.produced // BYTES_PER_MS)


_Frame = tuple[bytes, _Record, int]
"""Bytes of one packet's payload, the item they belong to, and how many of them are its audio and not padding."""


class Playout:
    """Audio waiting for the caller, in the law of the wire. Every frame handed out is ``frame_bytes`` long.

    What is enqueued is in the law given here, for good; ``reshape`` names another one for the wire.
    """

    def __init__(self, law: Law = PCMU, frame_bytes: int = 160, *, max_pending_bytes: int = MAX_PENDING_BYTES) -> None:
        self.dropped_bytes = 0
        """Refused because the queue was full."""
        self.stale_bytes = 0
        """Refused because their item had been flushed."""
        self._spoken_law = law
        self._law = law
        self._frame_bytes = frame_bytes
        self._max_pending_bytes = max_pending_bytes
        self.lock = threading.Lock()
        """Held by every method that does not say otherwise, and by who needs frame and packet format to match."""
        self._frames: deque[_Frame] = deque()
        self._tail = b""
        """Audio of the newest item that does not fill a frame yet."""
        self._newest: _Record | None = None
        self._records: dict[ItemKey, _Record] = {}
        self._pending_bytes = 0
        self._last: tuple[_Record, int] | None = None

    def enqueue(self, item: ItemKey, payload: bytes) -> None:
        """Append audio of an item. Another item than before ends the one before it."""
        with self.lock:
            if self._law is not self._spoken_law:
                payload = self._spoken_law.translate(payload, self._law)
            record = self._open_record(item)
            if record.is_flushed:
                self.stale_bytes += len(payload)
            elif self._pending_bytes + len(payload) > self._max_pending_bytes:
                self.dropped_bytes += len(payload)
            else:
                record.produced += len(payload)
                record.waiting += len(payload)
                self._pending_bytes += len(payload)
                self._cut(record, payload)

    def finish(self, item: ItemKey) -> None:
        """No more audio of this item will come: its last frame is padded with silence."""
        with self.lock:
            record = self._records.get(item)
            if record is not None:
                self._finish(record)

    def flush(self) -> list[ItemHeard]:
        """Drop everything that waits. Answers for each item that was cut off: unfinished, or with audio unsent.

        Audio that still comes for these items is refused. The frame after this call is silence.
        """
        with self.lock:
            cut_off = [record for record in self._records.values() if self._is_alive(record)]
            for record in cut_off:
                record.is_flushed = record.is_finished = True
            self._frames.clear()
            self._tail = b""
            self._pending_bytes = 0
            return [record.heard() for record in cut_off]

    def next_frame(self) -> bytes | None:
        """The next frame to send, counted as sent; None when there is none."""
        with self.lock:
            return self.take_frame()

    def take_frame(self) -> bytes | None:
        """As ``next_frame``, for the pacer's thread that holds the lock already."""
        if not self._frames:
            self._last = None
            return None
        frame, record, audio_bytes = self._frames.popleft()
        record.sent += audio_bytes
        record.waiting -= audio_bytes
        self._pending_bytes -= audio_bytes
        self._last = (record, audio_bytes)
        return frame

    def mark_unsent(self) -> None:
        """The frame handed out last did not leave after all (pacer's thread)."""
        with self.lock:
            if self._last is not None:
                record, audio_bytes = self._last
                record.sent -= audio_bytes
                self._last = None

    def reshape(self, law: Law, frame_bytes: int) -> None:
        """Another law of the wire or frame length; what waits is cut and translated anew. The caller holds the lock."""
        if law == self._law and frame_bytes == self._frame_bytes:
            return
        waiting = [(record, self._law.translate(frame[:size], law)) for frame, record, size in self._frames]
        tail, self._tail = self._law.translate(self._tail, law), b""
        self._law, self._frame_bytes = law, frame_bytes
        self._frames.clear()
        self._cut_anew(waiting, tail)

    @property
    def pending_ms(self) -> int:
        """Audio that waits, in whole milliseconds."""
        return self._pending_bytes // BYTES_PER_MS

    @property
    def is_drained(self) -> bool:
        """True when all audio that was given has left."""
        return self._pending_bytes == 0

    def ledger(self, item: ItemKey) -> ItemHeard | None:
        """What has been heard of an item; None when it is unknown or long gone."""
        with self.lock:
            record = self._records.get(item)
            return None if record is None else record.heard()

    def _is_alive(self, record: _Record) -> bool:
        return not record.is_flushed and (not record.is_finished or record.waiting > 0)

    def _open_record(self, item: ItemKey) -> _Record:
        record = self._records.get(item)
        if record is None:
            record = self._records[item] = _Record(item)
            if len(self._records) > _MAX_RECORDS:
                self._forget_oldest()
        if record is not self._newest and not record.is_flushed:
            if self._newest is not None:
                self._finish(self._newest)
            self._newest = record
        record.is_finished = record.is_flushed
        return record

    def _forget_oldest(self) -> None:
        """Make room in the ledger: the oldest item that is over and done with, else the oldest."""
        settled = (item for item, record in self._records.items() if not self._is_alive(record))
        del self._records[next(settled, next(iter(self._records)))]

    def _finish(self, record: _Record) -> None:
        record.is_finished = True
        if record is self._newest:
            self._pad(record)

    def _pad(self, record: _Record) -> None:
        """Make the tail, which is this item's, a frame."""
        tail, self._tail = self._tail, b""
        if tail:
            self._frames.append((tail + self._law.silent(self._frame_bytes - len(tail)), record, len(tail)))

    def _cut(self, record: _Record, payload: bytes) -> None:
        """Cut the tail and the payload into frames; what is left becomes the tail."""
        audio = self._tail + payload if self._tail else payload
        size = self._frame_bytes
        whole = len(audio) - len(audio) % size
        self._frames.extend((audio[start : start + size], record, size) for start in range(0, whole, size))
        self._tail = audio[whole:]

    def _cut_anew(self, waiting: list[tuple[_Record, bytes]], tail: bytes) -> None:
        """``waiting`` is the audio of each frame in the queue, ``tail`` that of the newest item behind them."""
        if tail and self._newest is not None:
            waiting.append((self._newest, tail))
        runs = [(record, [audio for _, audio in run]) for record, run in groupby(waiting, key=lambda frame: frame[0])]
        for index, (record, pieces) in enumerate(runs, start=1):
            self._cut(record, b"".join(pieces))
            if index < len(runs) or record.is_finished:
                self._pad(record)
