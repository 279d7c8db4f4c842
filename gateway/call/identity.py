"""Who a call is between, what the settings made of it, and when the gateway ends it by itself."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


class CallDirection(enum.Enum):
    """Who dialled. The value is the word in events and answers."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True)
class CallLimits:
    """When the gateway ends a call by itself; 0 means never."""

    answer_after_s: float = 10.0
    """How long an answer waits for the agent: before it (inbound), or after it (outbound)."""
    ring_s: float = 60.0
    """How long a call we place may go unanswered, the search for its address included."""
    duration_s: float = 3600.0
    idle_s: float = 0.0
    media_silence_s: float = 30.0


@dataclass(frozen=True, slots=True)
class CallHeaders:
    """Headers of the trunk's templates, filled for one call."""

    answer: tuple[tuple[str, str], ...] = ()
    refer: tuple[tuple[str, str], ...] = ()
    bye: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FarEnd:
    """Whom a live call has moved to."""

    number: str
    sip_call_id: str
    source: str
    """The IP address that signals."""
    account: str = ""


@dataclass(frozen=True, slots=True)
class CallIdentity:
    """Who calls whom, and what the settings made of it."""

    call_id: str
    caller: str
    callee: str
    trunk: str
    agent: str
    rule: str
    """The route that chose the agent; ``order`` where whoever ordered the call did."""
    direction: CallDirection = CallDirection.INBOUND
    sip_call_id: str = ""
    """The Call-ID header: what carriers ask for. Of a call we place it is known when its INVITE leaves."""
    source: str = ""
    """The IP address that signals; "" for a call we place."""
    account: str = ""
    """The account that calls, by its name; "" for calls of trunks."""
    tried: tuple[str, ...] = ()
    """The routes that were looked at, each with why it did not fit; the last one fits."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the agent's instructions and the header templates may name."""
    headers: CallHeaders = CallHeaders()
    """What goes out with the answer, a transfer and the hang-up."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Whatever who placed the call wants to find again; never interpreted."""

    def moved_to(self, far_end: FarEnd) -> CallIdentity:
        """The same call with somebody else: the far end is the caller of an inbound call, the callee of an outbound."""
        is_caller = self.direction is CallDirection.INBOUND
        return replace(
            self,
            caller=far_end.number if is_caller else self.caller,
            callee=self.callee if is_caller else far_end.number,
            sip_call_id=far_end.sip_call_id,
            source=far_end.source,
            account=far_end.account,
        )

    def parties(self) -> dict[str, str]:
        """As an event names them."""
        return {"caller": self.caller, "callee": self.callee, "sip_call_id": self.sip_call_id}
