"""Which of our addresses a peer sees: the routing table's answer, asked once per peer."""

from __future__ import annotations

import socket

_DISCARD_PORT = 9


class LocalAddresses:
    """Tells the source address the kernel takes toward a host.

    A UDP socket is connected and asked for its name, which sends nothing. Answers are kept for the last ``size``
    hosts: long enough for speed, short enough to follow a changed route within a scanner's or a trunk's traffic.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._known: dict[str, str] = {}

    def toward(self, remote_host: str) -> str | None:
        """Our address for ``remote_host`` (an IP literal); None when there is no route."""
        known = self._known.get(remote_host)
        if known is None:
            known = _ask_kernel(remote_host)
            if known is None:
                return None
            if len(self._known) >= self._size:
                del self._known[next(iter(self._known))]
            self._known[remote_host] = known
        return known

    def forget(self) -> None:
        """Ask anew, after an address or route of this host has changed."""
        self._known.clear()


def _ask_kernel(remote_host: str) -> str | None:
    family = socket.AF_INET6 if ":" in remote_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote_host, _DISCARD_PORT))
            return str(probe.getsockname()[0])
        except OSError:
            return None
