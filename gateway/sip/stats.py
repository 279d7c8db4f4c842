"""What a user agent counts: plain integers that only grow, for metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class UserAgentStats:
    """Counters since the start."""

    requests_received: int = 0
    responses_received: int = 0
    requests_repeated: int = 0
    """Retransmissions that a server transaction absorbed or answered again."""
    malformed_requests: int = 0
    """Refused for what is wrong in them: 400, 513."""
    malformed_responses: int = 0
    unreadable_messages: int = 0
    """Neither a request nor a response, or a request without a way back."""
    stray_responses: int = 0
    """Responses that belong to no transaction of ours."""
    stray_acks: int = 0
    requests_refused: int = 0
    requests_silenced: int = 0
    """Not answered by a rule of ours, most of them not even parsed; connections cut off at the door among them."""
    requests_challenged: int = 0
    """Answered 401: whoever sent them may prove who it is."""
    calls_offered: int = 0
    calls_placed: int = 0
    failovers: int = 0
    """INVITEs sent to another hop because the one before said 503, was silent, or could not be reached."""
    redirects_followed: int = 0
    answers_repeated: int = 0
    """2xx sent again because their ACK had not come."""
    acks_missing: int = 0
    """Calls given up because no ACK ever came."""
    flows_failed: int = 0
