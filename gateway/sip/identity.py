"""How the user agent names itself on the wire: Via, Contact, User-Agent and Server, per flow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from gateway.sip.address import Address
from gateway.sip.flow import Flow, SocketAddress
from gateway.sip.grammar import SipParseError, format_host_port
from gateway.sip.message import Request
from gateway.sip.uri import SipUri


@dataclass(frozen=True, slots=True)
class Identity:
    """``advertise`` tells the host and port by which the far end of a flow reaches us."""

    contact_user: str
    product: str
    advertise: Callable[[Flow], SocketAddress]

    def via(self, flow: Flow, branch: str) -> str:
        """A Via of ours; ``rport`` asks for answers to the port we send from (RFC 3581 §3)."""
        host, port = self.advertise(flow)
        return f"SIP/2.0/{flow.transport.upper()} {format_host_port(host, port)};branch={branch};rport"

    def contact(self, flow: Flow, *, user: str | None = None, is_sips: bool = False) -> str:
        """Where requests inside the dialog reach us: the transport of the flow is the one they shall use.

        Over TLS that is ``sip:`` with ``transport=tls``: RFC 3261 §26.2.2 deprecates the parameter, yet it is what
        equipment writes and reads, and ``sips:`` would demand TLS of every hop to the caller, which we cannot promise.
        ``is_sips``: the peer itself spoke of ``sips:``, then we must too (RFC 3261 §12.1.1, RFC 5630 §4). Over
        WebSocket it is ``transport=ws``, secured or not (RFC 7118 §5.2). ``user``: another user part than usual.
        """
        host, port = self.advertise(flow)
        scheme = "sips" if is_sips and flow.is_secure else "sip"
        return f"<{scheme}:{user or self.contact_user}@{format_host_port(host, port)}{_transport_param(flow, scheme)}>"

    @property
    def user_agent(self) -> tuple[str, str]:
        """For requests."""
        return ("User-Agent", self.product)

    @property
    def server(self) -> tuple[str, str]:
        """For responses."""
        return ("Server", self.product)


def _transport_param(flow: Flow, scheme: str) -> str:
    if flow.is_websocket:
        return ";transport=ws"
    if flow.transport == "udp" or scheme == "sips":  # RFC 3261 §26.2.2: sips means TLS by itself
        return ""
    return f";transport={flow.transport}"


def names_sips(*addresses: str) -> bool:
    """Whether one of them is a ``sips:`` URI: as Request-URI or top Route they want such a Contact (§8.1.1.8)."""
    return any(map(_is_sips, addresses))


def demands_sips(invite: Request) -> bool:
    """Whether the answer to ``invite`` must name a ``sips:`` Contact (RFC 3261 §12.1.1).

    It must when the Request-URI is one, or the top Record-Route, or without any Record-Route the Contact.
    """
    try:
        path = invite.headers.split("Record-Route") or invite.headers.split("Contact")
        return _is_sips(invite.uri) or (bool(path) and _is_sips(path[0]))
    except SipParseError:
        return False


def _is_sips(address: str) -> bool:
    uri = Address.parse(address).uri
    return isinstance(uri, SipUri) and uri.scheme == "sips"


def stateless_tag(request: Request, key: bytes) -> str:
    """Our To tag where no state is kept (RFC 3261 §8.2.7): the same for each repetition, and not to be foretold."""
    names = ("Via", "Call-ID", "From", "CSeq")
    text = "\n".join(request.headers.get(name) or "" for name in names)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8, key=key).hexdigest()
