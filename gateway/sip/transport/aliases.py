"""Connections that peers opened and offer for requests toward them (RFC 5923)."""

from __future__ import annotations

from typing import Protocol

from gateway.sip.flow import Flow, SocketAddress, default_port
from gateway.sip.grammar import SipParseError
from gateway.sip.message import Request, parse_message
from gateway.sip.transport.tls_names import Certificate, covers

_ALIAS = b"alias"
_FAR_ENOUGH = 2048
"""Where a topmost Via lies; a message without the word there is not parsed for it."""
MAX_ALIASES = 8
"""Of one connection: a peer has no more ports than that to be reached at."""


class AliasedConnection(Protocol):
    """What is asked of a connection."""

    @property
    def number(self) -> int:
        """The endpoint's number of it."""

    @property
    def flow(self) -> Flow:
        """The flow of what comes in on it."""

    @property
    def certificate(self) -> Certificate:
        """The peer's verified certificate; empty when there is none."""


Key = tuple[str, SocketAddress, str]


class Aliases:
    """Which accepted connection leads to the address that its peer listens on.

    Over TLS the peer's certificate must be for the host in its Via (RFC 5923 §7.2): else anybody could draw another's
    requests to himself. Over TCP, where nothing proves that, only a peer whose Via names the very address it connects
    from is believed; on WebSocket there is nothing to alias.
    """

    def __init__(self) -> None:
        self._connections: dict[Key, int] = {}
        self._keys: dict[int, list[Key]] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def find(self, transport: str, address: SocketAddress, server_name: str) -> int:
        """The number of a connection that leads there; 0 when there is none."""
        return self._connections.get((transport, address, server_name), 0)

    def learn(self, data: bytes, connection: AliasedConnection) -> None:
        """Take the offer of a request, where it may be believed."""
        flow = connection.flow
        known = self._keys.get(connection.number, [])
        key = _key_of(data, flow, connection.certificate)
        if key is None or key in self._connections or len(known) >= MAX_ALIASES:
            return
        self._connections[key] = connection.number
        self._keys[connection.number] = [*known, key]

    def forget(self, number: int) -> None:
        """The connection is gone."""
        for key in self._keys.pop(number, ()):
            if self._connections.get(key) == number:
                del self._connections[key]


def asks_for_alias(data: bytes) -> bool:
    """Whether a message may carry the offer; cheap, for it is asked of each one."""
    return _ALIAS in data[:_FAR_ENOUGH].lower()


def _key_of(data: bytes, flow: Flow, certificate: Certificate) -> Key | None:
    try:
        message = parse_message(data)
        via = message.via
    except SipParseError:
        return None
    if not isinstance(message, Request) or "alias" not in via.params:
        return None
    address = (flow.remote[0], via.port or default_port(flow.transport))
    if flow.transport == "tcp" and via.host == flow.remote[0]:
        return ("tcp", address, "")
    if flow.transport == "tls" and covers(certificate, via.host):
        return ("tls", address, "" if via.host == flow.remote[0] else via.host.lower())
    return None
