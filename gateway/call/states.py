"""The states of a call as a table: what may follow what, and nothing else."""

from __future__ import annotations

import enum

from gateway.base.errors import LocalProtocolError


class CallState(enum.Enum):
    """Where a call is in its life."""

    RINGING = "ringing"
    ANSWERING = "answering"
    TALKING = "talking"
    HELD = "held"
    ENDED = "ended"


TRANSITIONS: dict[CallState, frozenset[CallState]] = {
    CallState.RINGING: frozenset({CallState.ANSWERING, CallState.ENDED}),
    CallState.ANSWERING: frozenset({CallState.TALKING, CallState.ENDED}),
    CallState.TALKING: frozenset({CallState.HELD, CallState.ENDED}),
    CallState.HELD: frozenset({CallState.TALKING, CallState.ENDED}),
    CallState.ENDED: frozenset(),
}
"""RINGING: the caller hears ringback while the agent connects. ANSWERING: the 200 is out, its ACK is not in."""


def move(current: CallState, target: CallState) -> CallState:
    """The new state, or a LocalProtocolError when the table has no such step."""
    if target not in TRANSITIONS[current]:
        raise LocalProtocolError(f"a call that is {current.value} cannot become {target.value}")
    return target
