"""Whether a trunk is there, by its targets' answers to OPTIONS. Pure; ``now`` is monotonic seconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

MISSES_UNTIL_DOWN = 2
"""One lost packet is no outage."""
ANSWER_WITHIN_S = 10.0
"""A ping without an answer for so long is a miss. A later answer still counts."""
_NOT_SERVING = (408, 503)


class TrunkState(enum.Enum):
    """How a trunk, or one target of it, stands."""

    UNKNOWN = "unknown"
    """Nothing was asked yet, or nothing has come of it yet."""
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """One target. Times are monotonic seconds."""

    state: TrunkState = TrunkState.UNKNOWN
    since: float | None = None
    """When it took on this state."""
    last_reply: float | None = None
    """When anything came back, whatever it said."""
    rtt_s: float | None = None
    """Of the last answer that came."""
    status: int | None = None
    """Of the last answer."""
    misses: int = 0
    """In a row."""
    reason: str = ""
    """Why the last ping was a miss; "" when it was none."""


@dataclass(slots=True)
class _Target:
    health: TargetHealth = TargetHealth()
    due_at: float = 0.0
    pinged_at: float | None = None
    """When the ping left whose answer is waited for."""


@dataclass(slots=True)
class TrunkLiveness:
    """Asks each target every ``interval_s``, sooner after a miss, and judges the answers.

    Any answer shows that somebody is there, a refusal and a challenge (401) as much as 200. Two do not count: 408, for
    it is the word of a proxy that got none itself, and 503, by which a server says that it takes no calls.

    The driver: ``due`` says which targets to ping, ``sent`` that it was done, ``answered`` or ``missed`` what came.
    """

    targets: tuple[str, ...]
    interval_s: float
    state: TrunkState = TrunkState.UNKNOWN
    since: float | None = None
    _by_target: dict[str, _Target] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_target = {target: _Target() for target in self.targets}

    def due(self, now: float) -> list[str]:
        """The targets that want a ping. What is overdue has been missed by this."""
        for target in self.targets:
            pinged_at = self._by_target[target].pinged_at
            if pinged_at is not None and now >= pinged_at + self._patience_s:
                self.missed(target, "no answer", now)
        return [name for name, one in self._by_target.items() if one.pinged_at is None and now >= one.due_at]

    def sent(self, target: str, now: float) -> None:
        """A ping has left, or its address is being looked for."""
        self._by_target[target].pinged_at = now

    def answered(self, target: str, status: int, sent_at: float, now: float) -> None:
        """A final answer to a ping that left at ``sent_at``."""
        one = self._by_target.get(target)
        if one is None:
            return
        one.health = replace(one.health, last_reply=now, rtt_s=now - sent_at, status=status)
        if status in _NOT_SERVING:
            self.missed(target, f"answered {status}", now)
            return
        one.pinged_at = None
        one.due_at = now + self.interval_s
        self._enter(one, TrunkState.UP, now)
        one.health = replace(one.health, misses=0, reason="")

    def missed(self, target: str, reason: str, now: float) -> None:
        """Nothing came, or nothing could be sent."""
        one = self._by_target.get(target)
        if one is None:
            return
        one.pinged_at = None
        one.health = replace(one.health, misses=one.health.misses + 1, reason=reason)
        is_down = one.health.misses >= MISSES_UNTIL_DOWN
        one.due_at = now + (self.interval_s if is_down else self._patience_s)
        if is_down:
            self._enter(one, TrunkState.DOWN, now)

    def next_deadline(self) -> float | None:
        """When ``due`` should be asked."""
        return min(
            (
                one.due_at if one.pinged_at is None else one.pinged_at + self._patience_s
                for one in self._by_target.values()
            ),
            default=None,
        )

    def health(self, target: str) -> TargetHealth:
        """How one target stands."""
        return self._by_target[target].health

    @property
    def _patience_s(self) -> float:
        return min(ANSWER_WITHIN_S, self.interval_s)

    def _enter(self, one: _Target, state: TrunkState, now: float) -> None:
        if one.health.state is not state:
            one.health = replace(one.health, state=state, since=now)
            self._judge(now)

    def _judge(self, now: float) -> None:
        """Up as long as one target is; down when all are."""
        states = {one.health.state for one in self._by_target.values()}
        state = TrunkState.UP if TrunkState.UP in states else TrunkState.UNKNOWN
        if states == {TrunkState.DOWN}:
            state = TrunkState.DOWN
        if state is not self.state:
            self.state, self.since = state, now
