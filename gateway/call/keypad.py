"""Keys told by SIP INFO beside those told in RTP: read, and counted once where a peer tells each of them twice."""

from __future__ import annotations

import re

from gateway.sip.events import InfoReceived

SAME_KEY_S = 1.0
"""Within so long the same key from the other source is the same press: RTP events and INFO differ by a round trip."""

_KEYS = frozenset("0123456789*#ABCD")
_SIGNAL = re.compile(r"(?im)^\s*Signal\s*=\s*([0-9*#A-D]{1,2})\s*$")
_NAMES = {"10": "*", "11": "#"}
"""How some equipment writes the two keys that are no digits (after RFC 4733's event numbers)."""


def read_info_digit(event: InfoReceived) -> str | None:
    """The key of an INFO: ``Signal=5`` of application/dtmf-relay, or the bare key of application/dtmf."""
    text = event.body[:256].decode("utf-8", "replace")
    if event.content_type.lower() == "application/dtmf":
        digit = text.strip().upper()
        return digit if digit in _KEYS else None
    if event.content_type.lower() != "application/dtmf-relay":
        return None
    found = _SIGNAL.search(text)
    if found is None:
        return None
    digit = _NAMES.get(found[1], found[1].upper())
    return digit if digit in _KEYS else None


class KeySources:
    """Two ways by which keys come. Each press of one way cancels out one press of the same key by the other."""

    def __init__(self) -> None:
        self._unmatched: list[tuple[float, str, str]] = []

    def is_news(self, digit: str, source: str, now: float) -> bool:
        """Whether this press was not told by the other source already."""
        self._unmatched = [press for press in self._unmatched if now - press[0] < SAME_KEY_S]
        for index, (_, known, other) in enumerate(self._unmatched):
            if known == digit and other != source:
                del self._unmatched[index]
                return False
        self._unmatched.append((now, digit, source))
        return True
