"""What the far end of a call has said it can do."""

from __future__ import annotations

from gateway.sip.capabilities import option_tags
from gateway.sip.message import Request, Response


class Peer:
    """Methods by its last Allow, extensions by its last Supported. What it has never said it is not asked for."""

    def __init__(self) -> None:
        self._methods: frozenset[str] = frozenset()
        self._options: frozenset[str] = frozenset()
        self._refused: set[str] = set()

    def note(self, message: Request | Response) -> None:
        """Read Allow and Supported of whatever the peer sent; a message without them says nothing new."""
        if "Allow" in message.headers:
            self._methods = option_tags(message, "Allow")
        if "Supported" in message.headers:
            self._options = option_tags(message, "Supported")

    def refused(self, method: str) -> None:
        """It answered 405 or 501, whatever its Allow says."""
        self._refused.add(method)

    def allows(self, method: str) -> bool:
        """The method may be tried."""
        return method.lower() in self._methods and method not in self._refused

    def supports(self, option: str) -> bool:
        """The extension is understood."""
        return option in self._options
