"""What a 200 to REGISTER grants (RFC 3261 §10.2.4, RFC 3608, RFC 5626 §4.2.1), read tolerantly: registrars differ."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sip.address import Address
from gateway.sip.flow import SocketAddress
from gateway.sip.grammar import MAX_UINT32, SipParseError, parse_number, unquote_string
from gateway.sip.message import Response
from gateway.sip.uri import SipUri

MAX_SERVICE_ROUTES = 10
MAX_ROUTE_CHARS = 2048
"""Of all elements together: they go into every request through that trunk, and one of 1300 octets leaves UDP."""

_MAX_EXPIRES_S = 7 * 86_400
"""A registrar that grants more than a week is asked again after one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """``expires_s`` 0: the registrar does not list us."""

    expires_s: int
    service_route: tuple[str, ...]
    flow_timer_s: int | None


def read_grant(response: Response, contact: str, asked_s: int) -> Grant:
    """``contact`` is the Contact we sent, ``asked_s`` what we asked for."""
    return Grant(
        min(_granted_s(response, contact, asked_s), _MAX_EXPIRES_S),
        _service_route(response),
        response.seconds("Flow-Timer"),
    )


def seen_as(response: Response) -> SocketAddress | None:
    """Where our request came from, if the Via says that it is not where it said (RFC 3581 §4)."""
    try:
        via = response.via
        host, port = via.received or via.host, via.rport or via.port
    except SipParseError:
        return None
    return (host, port) if port is not None and (host, port) != (via.host, via.port) else None


def _granted_s(response: Response, contact: str, asked_s: int) -> int:
    """Expires of our own Contact. Border controllers write another one for us: a single one is ours then."""
    otherwise = response.seconds("Expires")
    fallback = asked_s if otherwise is None else otherwise
    try:
        listed = list(response.contacts)
        ours = Address.parse(contact)
    except SipParseError:
        return fallback
    if not listed:
        # Some leave the list out, and mean that all is as asked; an empty one with Expires: 0 is no binding.
        return fallback
    own = next((address for address in listed if _is_same(address, ours)), None)
    if own is None and len(listed) > 1:
        return fallback
    value = (own or listed[0]).params.get("expires")
    try:
        return fallback if value is None else parse_number(unquote_string(value), MAX_UINT32, "expires")
    except SipParseError:
        return fallback


def _is_same(listed: Address, ours: Address) -> bool:
    instance = ours.params.get("+sip.instance")
    if instance is not None and listed.params.get("+sip.instance") == instance:
        return listed.params.get("reg-id") == ours.params.get("reg-id")
    return isinstance(listed.uri, SipUri) and listed.uri.equivalent(ours.uri)


def _service_route(response: Response) -> tuple[str, ...]:
    """The elements as written; none when they are no Route."""
    try:
        elements = response.headers.split("Service-Route")
        if len(elements) > MAX_SERVICE_ROUTES or sum(map(len, elements)) > MAX_ROUTE_CHARS:
            return ()
        fits = all(isinstance(Address.parse(element).uri, SipUri) and "\0" not in element for element in elements)
    except SipParseError:
        return ()
    return tuple(elements) if fits else ()
