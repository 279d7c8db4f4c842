"""Why a call ended: one closed set, mapped once to its SIP answer, its Q.850 cause and its metric label."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class EndReason(enum.Enum):
    """Every way a call can end. The value is the metric label and the word in records and events."""

    CALLER_HUNG_UP = "caller_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    API = "api"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    PROVIDER_FAILED = "provider_failed"
    NO_CAPACITY = "no_capacity"
    MEDIA_TIMEOUT = "media_timeout"
    MAX_DURATION = "max_duration"
    IDLE = "idle"
    TRANSFERRED = "transferred"
    SHUTDOWN = "shutdown"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class SipCause:
    """How an end is said in SIP: a final status before the answer, a Q.850 cause (RFC 3326) in the BYE after it."""

    status: int
    q850: int
    text: str
    retry_after_s: int | None = None

    def reason_header(self) -> tuple[str, str]:
        """The Reason header of a BYE or a refusal (RFC 3326 §2)."""
        return ("Reason", f'Q.850;cause={self.q850};text="{self.text}"')


_NORMAL = 16
_CAUSES: dict[EndReason, SipCause] = {
    EndReason.CALLER_HUNG_UP: SipCause(487, _NORMAL, "Normal call clearing"),
    EndReason.AGENT_HUNG_UP: SipCause(603, _NORMAL, "Agent ended the call"),
    EndReason.API: SipCause(603, _NORMAL, "Ended by the operator"),
    EndReason.NO_ANSWER: SipCause(480, 19, "No answer"),
    EndReason.BUSY: SipCause(486, 17, "Busy"),
    EndReason.REJECTED: SipCause(403, 21, "Rejected"),
    EndReason.CANCELLED: SipCause(487, _NORMAL, "Cancelled by the caller"),
    EndReason.PROVIDER_FAILED: SipCause(503, 41, "Voice agent not available", retry_after_s=10),
    EndReason.NO_CAPACITY: SipCause(503, 34, "No capacity", retry_after_s=5),
    EndReason.MEDIA_TIMEOUT: SipCause(408, 102, "No audio received"),
    EndReason.MAX_DURATION: SipCause(480, _NORMAL, "Maximum duration reached"),
    EndReason.IDLE: SipCause(480, _NORMAL, "Caller silent"),
    EndReason.TRANSFERRED: SipCause(480, _NORMAL, "Transferred"),
    EndReason.SHUTDOWN: SipCause(503, 41, "Gateway shutting down", retry_after_s=5),
    EndReason.ERROR: SipCause(500, 41, "Internal error"),
}


def sip_cause(reason: EndReason) -> SipCause:
    """The one SIP meaning of a reason."""
    return _CAUSES[reason]


_BY_STATUS: dict[int, EndReason] = {
    408: EndReason.NO_ANSWER,
    480: EndReason.NO_ANSWER,
    486: EndReason.BUSY,
    487: EndReason.CANCELLED,
    600: EndReason.BUSY,
}
"""Final answers to our INVITE that say more than their class (RFC 3261 §21)."""

_BY_Q850: dict[int, EndReason] = {
    17: EndReason.BUSY,
    18: EndReason.NO_ANSWER,
    19: EndReason.NO_ANSWER,
    20: EndReason.NO_ANSWER,
    21: EndReason.REJECTED,
}
"""Causes of the telephone network behind a gateway: user busy, not responding, not answering, absent, rejected."""


def refusal_reason(status: int, q850: int | None = None) -> EndReason:
    """What a final answer of 300 or above to our INVITE means.

    The Q.850 cause of a Reason header is what the telephone network itself said: gateways often put a status of their
    own before it (480 or 503 for a busy line), so the cause decides where it is one of those that name the callee.
    """
    if q850 in _BY_Q850:
        return _BY_Q850[q850]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return EndReason.ERROR if 500 <= status < 600 else EndReason.REJECTED
