"""Where messages go: answers by Via (RFC 3261 §18.2, RFC 3581 §4), requests by their Route (RFC 3261 §12.2.1.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

from gateway.sip.address import Address
from gateway.sip.flow import Flow, SocketAddress, default_port
from gateway.sip.grammar import SipParseError
from gateway.sip.message import Request
from gateway.sip.uri import SipUri, parse_uri


def stamp_source(request: Request, flow: Flow) -> None:
    """Write into the topmost Via where the request really came from.

    ``received`` is added when sent-by does not say it (RFC 3261 §18.2.1), and always beside a filled ``rport``
    (RFC 3581 §4). What the sender put there itself is overwritten. Raises SipParseError without a readable Via.
    """
    via = request.via
    host, port = flow.remote
    if via.wants_rport:
        stamped = via.with_params(received=host, rport=port)
    elif not _is_same(via.host, host) or "received" in via.params:
        stamped = via.with_params(received=host)
    else:
        return
    request.headers.replace_first("Via", str(stamped))


def reply_flow(request: Request, flow: Flow) -> Flow:
    """The flow on which ``request``, stamped, is answered, and on which the dialog it opens will live.

    Over TCP and TLS: the same connection, or when it is gone a new one to the source address at the sent-by port
    (RFC 3261 §18.2.2). Over WebSocket: that connection or none, for its sent-by is a stand-in (RFC 7118 §5.2.1).
    Over UDP: the address the request came from. Its port is the sent-by port only where the
    sender did not ask for ``rport`` and gave its own true address: an old device that sends from one port and listens
    on another. A sent-by that is not the source is behind a NAT, which lets nothing in but answers to the source port.
    """
    via = request.via
    host, _ = flow.remote
    if flow.is_websocket:
        return flow
    if flow.is_reliable:
        return flow.with_fallback((host, via.port or default_port(flow.transport)))
    if via.wants_rport or not _is_same(via.host, host):
        return flow
    return replace(flow, remote=(host, via.port or default_port(flow.transport)))


def _is_same(sent_by: str, host: str) -> bool:
    """An IPv6 address may be written in many ways, ours in one."""
    if sent_by == host or ":" not in sent_by:
        return sent_by == host
    try:
        return str(ipaddress.ip_address(sent_by)) == host
    except ValueError:
        return False


def refusal_flow(request: Request, flow: Flow) -> Flow:
    """Where a request is refused that may be broken. A Via that is there and cannot be read is answered to the source.

    Stamps it. Raises SipParseError when there is no Via at all.
    """
    try:
        stamp_source(request, flow)
        return reply_flow(request, flow)
    except SipParseError:
        if "Via" not in request.headers:
            raise
        return flow


def request_path(target: str, route_set: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Request-URI and Route elements of a request to ``target`` by way of ``route_set``, nearest hop first.

    A strict router, one without ``lr``, wants itself in the Request-URI and the target last (RFC 3261 §12.2.1.1).
    Raises SipParseError when its Route is no address.
    """
    if not route_set or is_loose(route_set[0]):
        return target, tuple(route_set)
    first = Address.parse(route_set[0]).uri
    uri = str(without_method(first)) if isinstance(first, SipUri) else str(first)
    return uri, (*route_set[1:], f"<{target}>")


def next_hop(target: str, route_set: Sequence[str]) -> tuple[str, SocketAddress] | None:
    """Transport and address that RFC 3261 §8.1.2 sends such a request to; None where a name would have to be resolved.

    Without a transport parameter it is UDP, for ``sips:`` TLS (RFC 3263 §4.1 for an IP address).
    """
    uri = Address.parse(route_set[0]).uri if route_set else parse_uri(target)
    if not isinstance(uri, SipUri):
        return None
    try:
        host = str(ipaddress.ip_address(uri.host))
    except ValueError:
        return None
    transport = uri.transport or "udp"
    if uri.scheme == "sips" and transport in ("udp", "tcp"):
        transport = "tls"
    return transport, (host, uri.port or default_port(transport))


def is_loose(route: str) -> bool:
    """Whether a Route element leaves the Request-URI alone. Raises SipParseError when it is no address."""
    uri = Address.parse(route).uri
    return not isinstance(uri, SipUri) or uri.is_loose_router


def without_method(uri: SipUri) -> SipUri:
    """Without what may not stand in a Request-URI (RFC 3261 §19.1.1 table 1): the method parameter and headers."""
    params = {name: value for name, value in uri.params.items() if name != "method"}
    return SipUri(uri.scheme, uri.user, uri.password, uri.host, uri.port, params)
