"""The states of a call as a table: what may follow what, and nothing else."""

from __future__ import annotations

import enum

from gateway.base.errors import LocalProtocolError


class CallState(enum.Enum):
    """Where a call is in its life."""

    QUEUED = "queued"
    """Outbound: taken, its address is being looked up; the agent connects."""
    DIALING = "dialing"
    """Outbound: the INVITE is out."""
    RINGING = "ringing"
    """Inbound: the caller hears ringback while the agent connects. Outbound: the far end says that it rings."""
    ANSWERING = "answering"
    """Inbound: the 200 is out, its ACK is not in. Outbound: answered, and the agent is not ready yet."""
    TALKING = "talking"
    HELD = "held"
    """By the far end, by us, or by both."""
    TRANSFERRING = "transferring"
    """The far end was asked to call somebody else, and the agent is silent until that has worked or failed."""
    ENDED = "ended"


_ANY_END = frozenset({CallState.ENDED})

TRANSITIONS: dict[CallState, frozenset[CallState]] = {
    CallState.QUEUED: frozenset({CallState.DIALING}) | _ANY_END,
    CallState.DIALING: frozenset({CallState.RINGING, CallState.ANSWERING}) | _ANY_END,
    CallState.RINGING: frozenset({CallState.ANSWERING}) | _ANY_END,
    CallState.ANSWERING: frozenset({CallState.TALKING}) | _ANY_END,
    CallState.TALKING: frozenset({CallState.HELD, CallState.TRANSFERRING}) | _ANY_END,
    CallState.HELD: frozenset({CallState.TALKING, CallState.TRANSFERRING}) | _ANY_END,
    CallState.TRANSFERRING: frozenset({CallState.TALKING, CallState.HELD}) | _ANY_END,
    CallState.ENDED: frozenset(),
}


def move(current: CallState, target: CallState) -> CallState:
    """The new state, or a LocalProtocolError when the table has no such step."""
    if target not in TRANSITIONS[current]:
        raise LocalProtocolError(f"a call that is {current.value} cannot become {target.value}")
    return target
