"""Who fails to prove a password too often, and is not listened to for a while. Pure: time is an argument.

A source is told by its address alone, and behind one address there may be a whole office. So a source where somebody
has proved a password lately, or that is a trunk's, is never silenced for what it passes on: there only the name that
fails is refused, without its password being looked at. Failures come from sources that have seen a challenge of ours
(the digest's nonce says so), so nobody can have another one banned by forging its address.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_ENTRIES = 10_000
"""Of each table. Beyond, the oldest entry goes."""

KNOWN_FOR_S = 3600.0
"""How long a source counts as known after somebody there has proved a password."""


@dataclass(frozen=True, slots=True)
class BanRule:
    """``failures`` within ``within_s`` keep a source out ``for_s``, all in seconds."""

    failures: int
    within_s: float
    for_s: float


class BanChange(enum.Enum):
    """What happened to a source."""

    BANNED = "banned"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class BanEvent:
    """A source is kept out from now on, or no longer. ``username`` "" means all of it, else this name only."""

    change: BanChange
    source: str
    username: str
    for_s: float


Banned = tuple[str, str]
"""A source and "", or a source and the user name that fails there."""


@dataclass(slots=True)
class _Failures:
    began: float
    count: int


class Bans:
    """Counts failures, keeps bans, and tells both ends of each."""

    def __init__(self, rule: BanRule | None, tell: Callable[[BanEvent], None], *, limit: int = MAX_ENTRIES) -> None:
        self._rule = rule
        self._tell = tell
        self._limit = limit
        self._failures: OrderedDict[Banned, _Failures] = OrderedDict()
        self._bans: OrderedDict[Banned, float] = OrderedDict()
        self._known: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Bans in force, as of the last question."""
        return len(self._bans)

    @property
    def entries(self) -> int:
        """Everything that is remembered, for a check of memory."""
        return len(self._failures) + len(self._bans) + len(self._known)

    def apply(self, rule: BanRule | None) -> None:
        """Another rule. Bans in force stay until their time, but end when nobody is banned any more."""
        self._rule = rule
        if rule is None:
            for banned in list(self._bans):
                self._release(banned)
            self._failures.clear()

    def bans(self, source: str, now: float) -> bool:
        """Whether nothing of this source is listened to."""
        self.expire(now)
        return (source, "") in self._bans

    def refuses(self, source: str, username: str, now: float) -> bool:
        """Whether this name is refused from this source, right password or not."""
        self.expire(now)
        return (source, username) in self._bans

    def is_known(self, source: str, now: float) -> bool:
        """Whether somebody there has proved a password lately."""
        proved_at = self._known.get(source)
        return proved_at is not None and now - proved_at < KNOWN_FOR_S

    def succeeded(self, source: str, username: str, now: float) -> None:
        """Somebody has proved a password."""
        self._known.pop(source, None)
        _make_room(self._known, self._limit)
        self._known[source] = now
        self._failures.pop((source, username), None)
        self._failures.pop((source, ""), None)

    def failed(self, source: str, username: str, now: float, *, is_trusted: bool = False) -> None:
        """Somebody has failed to. ``is_trusted``: the source is known otherwise, and only the name can be at fault."""
        if self._rule is None:
            return
        banned = (source, username if is_trusted or self.is_known(source, now) else "")
        failures = self._failures.pop(banned, None)
        if failures is None or now - failures.began >= self._rule.within_s:
            failures = _Failures(now, 0)
        failures.count += 1
        if failures.count >= self._rule.failures:
            self._ban(banned, now, self._rule)
            return
        _make_room(self._failures, self._limit)
        self._failures[banned] = failures

    def expire(self, now: float) -> None:
        """Let go whose time is over."""
        # In order of their end, unless a reload has changed the time: then some are let go a little later.
        while self._bans:
            banned, until = next(iter(self._bans.items()))
            if until > now:
                return
            self._release(banned)

    def _ban(self, banned: Banned, now: float, rule: BanRule) -> None:
        while len(self._bans) >= self._limit:
            self._release(next(iter(self._bans)))
        is_new = banned not in self._bans
        self._bans[banned] = now + rule.for_s
        if is_new:
            self._tell(BanEvent(BanChange.BANNED, banned[0], banned[1], rule.for_s))

    def _release(self, banned: Banned) -> None:
        del self._bans[banned]
        self._tell(BanEvent(BanChange.RELEASED, banned[0], banned[1], 0.0))


def _make_room(table: OrderedDict[Banned, _Failures] | OrderedDict[str, float], limit: int) -> None:
    while len(table) >= limit:
        table.popitem(last=False)
