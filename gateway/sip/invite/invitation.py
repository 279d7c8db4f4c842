"""What a call of ours is asked to be: whom to call, by which hops, and what to say."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sip.flow import Flow


@dataclass(frozen=True, slots=True)
class Invitation:
    """A call to place. Addresses are as From and To carry them, without tags; times are seconds."""

    request_uri: str
    hops: tuple[Flow, ...]
    """Tried in order: the next one when a hop says 503, is silent, or cannot be reached."""
    from_: str
    to: str
    body: bytes
    """Our SDP offer."""
    headers: tuple[tuple[str, str], ...] = ()
    route: tuple[str, ...] = ()
    """Preloaded Route elements (RFC 3261 §8.1.2), nearest hop first; a strict router's is put into the Request-URI."""
    contact_user: str | None = None
    """User part of our Contact; None: the user agent's own."""
    ring_timeout_s: float | None = None
    """From the first INVITE to a final answer, over all hops and redirects; None: the user agent's ring limit."""
    follows_redirects: bool = True
    """Whether 300, 301, 302 and 305 are told as ``CallRedirected``; else they are refusals like any other."""
