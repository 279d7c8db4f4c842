"""How the user agent names itself on the wire: Via, Contact, User-Agent and Server, per flow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from gateway.sip.flow import Flow, SocketAddress
from gateway.sip.grammar import format_host_port
from gateway.sip.message import Request


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

    def contact(self, flow: Flow) -> str:
        """Where requests inside the dialog reach us: the transport of the flow is the one they shall use."""
        host, port = self.advertise(flow)
        transport = "" if flow.transport == "udp" else f";transport={flow.transport}"
        return f"<sip:{self.contact_user}@{format_host_port(host, port)}{transport}>"

    @property
    def user_agent(self) -> tuple[str, str]:
        """For requests."""
        return ("User-Agent", self.product)

    @property
    def server(self) -> tuple[str, str]:
        """For responses."""
        return ("Server", self.product)


def stateless_tag(request: Request, key: bytes) -> str:
    """Our To tag where no state is kept (RFC 3261 §8.2.7): the same for each repetition, and not to be foretold."""
    names = ("Via", "Call-ID", "From", "CSeq")
    text = "\n".join(request.headers.get(name) or "" for name in names)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8, key=key).hexdigest()
