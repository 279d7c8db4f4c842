"""Idempotency keys: an order sent twice, because its answer was lost, places one call."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.control.problems import Problem

KEPT_S = 24 * 3600.0
"""How long a key is remembered: whoever tries again does so within the day."""
MAX_KEYS = 10_000
"""Of each owner: nobody's flood makes another's order be placed twice."""
MAX_KEY_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class _Entry:
    fingerprint: bytes
    call_id: str
    until: float


class IdempotencyKeys:
    """Which order each key placed. Keys belong to whoever sent them, of whom the settings name a few; the oldest of an
    owner's go first when there are too many."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._entries: dict[str, OrderedDict[str, _Entry]] = {}

    def find(self, owner: str, key: str, body: bytes) -> str | None:
        """The call that this key has placed already. Raises Problem when it was sent with another body."""
        if not 0 < len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
            detail = f"Idempotency-Key is 1 to {MAX_KEY_CHARACTERS} printable characters"
            raise Problem(422, "idempotency_key_invalid", detail)
        self._forget_old()
        entries = self._entries.get(owner)
        entry = entries.get(key) if entries is not None else None
        if entry is None:
            return None
        if entry.fingerprint != _fingerprint(body):
            detail = "this Idempotency-Key was sent before with another order; use a new key for a new order"
            raise Problem(422, "idempotency_key_reused", detail)
        return entry.call_id

    def note(self, owner: str, key: str, body: bytes, call_id: str) -> None:
        """This key has placed that call. An order that was refused is not noted: it may be tried again."""
        entries = self._entries.setdefault(owner, OrderedDict())
        entries[key] = _Entry(_fingerprint(body), call_id, self._clock() + KEPT_S)
        if len(entries) > self._max_keys:
            entries.popitem(last=False)

    def _forget_old(self) -> None:
        now = self._clock()
        for owner, entries in list(self._entries.items()):
            while entries and next(iter(entries.values())).until <= now:
                entries.popitem(last=False)
            if not entries:
                del self._entries[owner]

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))


def _fingerprint(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
