"""Words out of streams that repeat themselves: the caller's cumulative "deltas" and the agent's two text streams."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

_ITEMS_KEPT = 32
"""Utterances remembered; later events about older ones start afresh."""
_TELLING_LENGTH = 8
"""Characters a partial text must have before "the next one begins with all of it" proves that deltas are cumulative."""


class Words(NamedTuple):
    """The whole text of an item so far."""

    text: str
    is_final: bool


class _Utterance:
    __slots__ = ("is_completed", "text")

    def __init__(self) -> None:
        self.text = ""
        self.is_completed = False


class CallerTranscripts:
    """The caller's words by item.

    Deltas are incremental by name and cumulative in practice, so each is reconciled with what is known: equal keeps,
    a longer text that begins with the known one replaces it, a shorter beginning of it is stale, and anything else is
    appended. Once a service has shown that its deltas are cumulative, anything else is a revision and replaces.
    """

    def __init__(self) -> None:
        self._utterances: OrderedDict[str, _Utterance] = OrderedDict()
        self._is_cumulative = False

    def add_delta(self, item_id: str, delta: str) -> Words | None:
        """A partial text; None when it changes nothing or comes after the final one."""
        utterance = self._utterance(item_id)
        if utterance.is_completed:
            return None
        return self._changed(utterance, self._reconcile(utterance.text, delta))

    def replace(self, item_id: str, text: str) -> Words | None:
        """A snapshot of the whole partial text."""
        utterance = self._utterance(item_id)
        return None if utterance.is_completed else self._changed(utterance, text)

    def complete(self, item_id: str, text: str) -> Words:
        """The final text. It may come again for the same item, longer: the last one holds."""
        utterance = self._utterance(item_id)
        utterance.is_completed = True
        utterance.text = text
        return Words(text, is_final=True)

    def _reconcile(self, known: str, delta: str) -> str:
        if known.startswith(delta):
            return known
        if delta.startswith(known):
            self._is_cumulative = self._is_cumulative or len(known) >= _TELLING_LENGTH
            return delta
        return delta if self._is_cumulative else known + delta

    @staticmethod
    def _changed(utterance: _Utterance, text: str) -> Words | None:
        if text == utterance.text:
            return None
        utterance.text = text
        return Words(text, is_final=False)

    def _utterance(self, item_id: str) -> _Utterance:
        utterance = self._utterances.get(item_id)
        if utterance is None:
            utterance = self._utterances[item_id] = _Utterance()
            if len(self._utterances) > _ITEMS_KEPT:
                self._utterances.popitem(last=False)
        return utterance


class AgentText:
    """The agent's words in one item: increments, and "done" texts that come per item or per sentence."""

    __slots__ = ("_open", "_settled")

    def __init__(self) -> None:
        self._settled = ""
        self._open = ""

    def add_delta(self, delta: str) -> Words | None:
        """More words."""
        if not delta:
            return None
        self._open += delta
        return Words(self._settled + self._open, is_final=False)

    def finish(self, text: str | None) -> Words:
        """A sentence or the whole item in full. The done text wins over the deltas it covers."""
        whole = self._settled + self._open
        spoken = (text or "").strip()
        if not spoken or whole.strip().endswith(spoken):
            self._settled = whole
        elif spoken.startswith(self._settled.strip()):
            self._settled = spoken
        else:
            self._settled = _join(self._settled, spoken)
        self._open = ""
        return Words(self._settled, is_final=True)


def _join(before: str, after: str) -> str:
    return before + after if not before or before[-1].isspace() else f"{before} {after}"
