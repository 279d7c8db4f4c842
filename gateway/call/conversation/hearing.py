"""What the caller has really heard of the agent: by the playout's ledger, not by what was generated."""

from __future__ import annotations

from collections import OrderedDict

from gateway.media.send.playout import ItemKey, Playout

LOOK_S = 0.02
"""One frame: how often the ledger is looked at until the first packet of a turn has left."""
_MOST_TEXTS = 64


class Hearing:
    """When a turn of the agent begins to be heard, and which of its words were.

    Nothing is looked at before the line is open: a greeting may wait as long as it rings.
    """

    def __init__(self, playout: Playout) -> None:
        self._playout = playout
        self._is_line_open = False
        self._waiting: ItemKey | None = None
        self._look_at: float | None = None
        self._texts: OrderedDict[ItemKey, str] = OrderedDict()

    def line_opened(self, now: float) -> None:
        """Packets leave from here on."""
        if not self._is_line_open:
            self._is_line_open = True
            self._look_at = now + LOOK_S if self._waiting is not None else None

    def turn_queued(self, item: ItemKey, now: float) -> None:
        """The first audio of a turn waits in the playout."""
        self._waiting = item
        self._look_at = now + LOOK_S if self._is_line_open else None

    def next_deadline(self) -> float | None:
        """When to look again."""
        return self._look_at

    def turn_started(self, now: float) -> str | None:
        """The response whose first packet has left since the last look; None when there is none."""
        if self._waiting is None:
            return None
        heard = self._playout.ledger(self._waiting)
        if heard is None or not heard.sent_ms:
            self._look_at = now + LOOK_S if self._is_line_open else None
            return None
        response, _ = self._waiting
        self.cut_off()
        return response

    def cut_off(self) -> None:
        """What waited to be heard never will be."""
        self._waiting = self._look_at = None

    def note_text(self, item: ItemKey, text: str) -> None:
        """The words of an item, all that are known."""
        self._texts[item] = text
        self._texts.move_to_end(item)
        if len(self._texts) > _MOST_TEXTS:
            self._texts.popitem(last=False)

    def settle(self) -> list[tuple[str, str]]:
        """Item and heard words of everything noted; for when nothing more of it will be heard."""
        told = []
        for item, text in self._texts.items():
            heard = self._playout.ledger(item)
            if heard is not None and heard.sent_ms:
                told.append((item[1], heard_words(text, heard.sent_ms, heard.produced_ms)))
        self._texts.clear()
        return told


def heard_words(text: str, sent_ms: int, produced_ms: int) -> str:
    """The whole words of ``text`` that fit in what was sent of its audio, as if all letters took equally long."""
    if sent_ms >= produced_ms:
        return text
    end = len(text) * sent_ms // produced_ms
    if end < len(text) and not text[end].isspace():
        end = max((place for place, letter in enumerate(text[:end]) if letter.isspace()), default=0)
    return text[:end].rstrip()
