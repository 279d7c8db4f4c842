"""The URIs that a trunk's settings become on the wire: Request-URI and Route."""

from __future__ import annotations

from dataclasses import replace

from gateway.sip.grammar import SipParseError, escape_user
from gateway.sip.resolution import ResolutionError
from gateway.sip.uri import SipUri


def request_uri(target: SipUri, user: str) -> SipUri:
    """``sip:NUMBER@host-of-the-target``, with the target's port and its parameters except the transport.

    The transport says how the next hop is reached, not who is called, and some carriers answer 404 to a URI that has
    it. ``user=phone`` is not added by us: carriers that want it are given it in the target
    (``sip:carrier.example;user=phone``), others compare URIs to the letter.
    """
    params = {name: value for name, value in target.params.items() if name != "transport"}
    return SipUri(target.scheme, escape_user(user), None, target.host, target.port, params)


def loose(proxy: SipUri) -> SipUri:
    """A proxy of the settings is a loose router, whether or not that was written."""
    return proxy if proxy.is_loose_router else replace(proxy, params={**proxy.params, "lr": None})


def uri_of_route(route: str) -> SipUri:
    """The URI of a Route element. Raises ResolutionError when it is none that can be reached."""
    try:
        return SipUri.parse(route.strip("<>").partition(">")[0])
    except SipParseError as error:
        raise ResolutionError(str(error)) from None
