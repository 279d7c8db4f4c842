"""Responses by id: which one speaks, which are over, which are fenced off, and how much audio each item had."""

from __future__ import annotations

import enum
from collections import OrderedDict
from dataclasses import dataclass, field

from gateway.inworld.transcripts import AgentText

_RESPONSES_KEPT = 64
"""Finished responses remembered, so that their late events are known as late."""


class TextSource(enum.Enum):
    """With both modalities the same words come twice; whichever stream is first in a response is the one."""

    TRANSCRIPT = enum.auto()
    TEXT = enum.auto()


@dataclass(slots=True)
class ResponseRecord:
    """One response. Item ids may come again in a later one, so everything about items is kept in here."""

    id: str
    is_fenced: bool = False
    is_finished: bool = False
    text_source: TextSource | None = None
    produced_bytes: dict[str, int] = field(default_factory=dict)
    finished_items: set[str] = field(default_factory=set)
    truncated_items: set[str] = field(default_factory=set)
    texts: dict[str, AgentText] = field(default_factory=dict)

    @property
    def had_audio(self) -> bool:
        """Whether the agent said anything."""
        return bool(self.produced_bytes)

    def unfinished_items(self) -> list[str]:
        """Items with audio whose end was not announced."""
        return [item_id for item_id in self.produced_bytes if item_id not in self.finished_items]

    def takes_text_from(self, source: TextSource) -> bool:
        """Locks onto the first text stream and says whether ``source`` is that one."""
        if self.text_source is None:
            self.text_source = source
        return self.text_source is source


class Responses:
    """Every response of a conversation that matters still."""

    def __init__(self) -> None:
        self.active: ResponseRecord | None = None
        """The latest response that is not over on the service's side, fenced or not."""
        self.speaking: dict[str, ResponseRecord] = {}
        """Responses whose events count: neither over nor fenced. One look-up decides about an audio delta."""
        self._records: OrderedDict[str, ResponseRecord] = OrderedDict()

    def get(self, response_id: str) -> ResponseRecord | None:
        """A response we have met, in whatever state."""
        return self._records.get(response_id)

    def start(self, response_id: str) -> ResponseRecord | None:
        """A response begins; None when it is known already."""
        if response_id in self._records:
            return None
        record = self._records[response_id] = ResponseRecord(response_id)
        self.speaking[response_id] = record
        self.active = record
        self._forget_oldest()
        return record

    def finish(self, record: ResponseRecord) -> None:
        """The service is done with a response."""
        record.is_finished = True
        self.speaking.pop(record.id, None)
        if self.active is record:
            self.active = None

    def fence(self, record: ResponseRecord) -> None:
        """From now on nothing this response says becomes an event."""
        record.is_fenced = True
        self.speaking.pop(record.id, None)

    def left_behind(self, record: ResponseRecord) -> list[ResponseRecord]:
        """Responses that began before ``record`` and were never reported as over."""
        older: list[ResponseRecord] = []
        for other in self._records.values():
            if other is record:
                break
            if not other.is_finished:
                older.append(other)
        return older

    def _forget_oldest(self) -> None:
        while len(self._records) > _RESPONSES_KEPT:
            forgotten, record = self._records.popitem(last=False)
            self.speaking.pop(forgotten, None)
            if self.active is record:
                self.active = None
