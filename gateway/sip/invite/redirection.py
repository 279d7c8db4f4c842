"""Where a redirected call may go next (RFC 3261 §8.1.3.4): the target set, best first, without loops, bounded."""

from __future__ import annotations

from gateway.sip.address import Address
from gateway.sip.grammar import SipParseError
from gateway.sip.message import Response
from gateway.sip.routing import without_method
from gateway.sip.uri import OtherUri, SipUri, Uri, parse_uri

MAX_REDIRECTS = 5
"""Contacts that one call tries. More are a loop that changes its name, or a search at our expense."""

MAX_TARGETS = 10
"""Contacts that are kept; a redirect that lists more means its best ones."""

USE_PROXY = 305
_FOLLOWED = (300, 301, 302, USE_PROXY)
"""380 describes a service, not a place to ask (RFC 3261 §21.3.5); 303 and 304 are none of SIP."""


class RedirectTargets:
    """The target set of one call. No URI is tried twice."""

    def __init__(self, request_uri: str) -> None:
        self.contacts: tuple[str, ...] = ()
        """Not tried yet, highest q first."""
        self.response: Response | None = None
        """The redirect that named the first of them."""
        self._tried: list[Uri] = [parse_uri(request_uri)]
        self._followed = 0

    def add(self, response: Response) -> bool:
        """Take the contacts of a redirect, before those left of an earlier one. False: there is nothing to follow."""
        if response.status not in _FOLLOWED:
            return False
        known = [*self._tried, *map(parse_uri, self.contacts)]
        fresh = []
        for uri in _best_first(response):
            if not any(uri.equivalent(other) for other in known):
                known.append(uri)
                fresh.append(str(uri))
        if not fresh:
            return False
        self.contacts = (*fresh, *self.contacts)[:MAX_TARGETS]
        self.response = response
        return self.has_more

    @property
    def has_more(self) -> bool:
        """A contact is left, and the call has not been sent around too often."""
        return bool(self.contacts) and self._followed < MAX_REDIRECTS

    def take(self, contact: str | None) -> None:
        """``contact``, or the first one, is being tried; those before it were found unreachable."""
        at = self.contacts.index(contact) if contact in self.contacts else 0
        self._tried += map(parse_uri, self.contacts[: at + 1])
        self.contacts = self.contacts[at + 1 :]
        self._followed += 1


def _best_first(response: Response) -> list[Uri]:
    """Contacts that can be called, by q (RFC 3261 §20.10; 1 when absent), else in the order written."""
    try:
        contacts = response.contacts
    except SipParseError:
        return []
    ranked = sorted(contacts, key=_preference, reverse=True)
    uris = [address.uri for address in ranked]
    return [without_method(uri) if isinstance(uri, SipUri) else uri for uri in uris if not isinstance(uri, OtherUri)]


def _preference(address: Address) -> float:
    text = address.params.get("q")
    try:
        return min(max(float(text), 0.0), 1.0) if text else 1.0
    except ValueError:
        return 1.0
