"""What a call of ours is asked to be: whom to call, by which hops, and what to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.sip.admission import Allow
from gateway.sip.digest import Credentials
from gateway.sip.flow import Flow
from gateway.sip.invite.reliability import Reliability
from gateway.sip.transaction.large_request import LARGEST_DATAGRAM

MakeOffer = Callable[[Flow], bytes | None]


@dataclass(frozen=True, slots=True)
class Target:
    """Somewhere else to ask, under a Request-URI of its own: another carrier's edge, another phone of an account."""

    request_uri: str
    hops: tuple[Flow, ...]
    route: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Invitation:
    """A call to place. Addresses are as From and To carry them, without tags; times are seconds."""

    request_uri: str
    hops: tuple[Flow, ...]
    """Tried in order: the next one when a hop says 503, is silent, or cannot be reached."""
    from_: str
    to: str
    body: bytes
    """Our SDP offer. Empty: the peer makes it in its 2xx, and ``answer_offer`` sends ours in the ACK."""
    headers: tuple[tuple[str, str], ...] = ()
    route: tuple[str, ...] = ()
    """Preloaded Route elements (RFC 3261 §8.1.2), nearest hop first; a strict router's is put into the Request-URI."""
    credentials: Credentials | None = None
    """Answers 401 and 407."""
    contact_user: str | None = None
    """User part of our Contact; None: the user agent's own."""
    ring_timeout_s: float | None = None
    """From the first INVITE to a final answer, over all hops and redirects; None: the user agent's ring limit."""
    follows_redirects: bool = True
    """Whether 300, 301, 302 and 305 are told as ``CallRedirected``; else they are refusals like any other."""
    tries_tcp_above: int = LARGEST_DATAGRAM
    """Octets above which the INVITE, when it would go by UDP, tries TCP first; 0: never."""
    reliable: Reliability | None = None
    """Whether the peer's provisional answers may, or must, be reliable; None: as the user agent is configured."""
    make_offer: MakeOffer | None = None
    """Makes the offer for a hop, in the place of ``body``: the peer there may have to be told another address.

    Asked before each INVITE to another hop than the one before, redirects included, and must not come back into the
    user agent. None: audio cannot be had there, so the hop is passed over.
    """
    more_targets: tuple[Target, ...] = ()
    """Tried in order when no hop of the one before served."""
    admission: Allow | None = None
    """Whose call it is. Whoever knows its tags and speaks from a host that it was not placed to must have been let in
    as the same; nobody is the same as ``ALLOW``. None: whoever is let in at all may speak in it."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """The first target and those after it."""
        return (Target(self.request_uri, self.hops, self.route), *self.more_targets)
