"""Whom a call may be sent to, and how Refer-To names them: a transfer is a call that somebody pays for, too."""

from __future__ import annotations

from typing import Protocol

from gateway.call.call import Call
from gateway.settings.schema import Settings
from gateway.sip.grammar import escape_user, format_host_port
from gateway.sip.uri import SipUri
from gateway.trunks.destination import OutboundRefused, parse_destination

TRANSFER_OFF = "trunks.transfer"


class Choosing(Protocol):
    """``OutboundTrunks.choose``: raises OutboundRefused for what may not be called."""

    def choose(self, to: str, trunk: str | None = None) -> str: ...


class ReferTargets:
    """Judges by the trunk the call is on: its ``transfer`` and its ``allow_destinations``, as for a call of our own."""

    def __init__(self, settings: Settings, trunks: Choosing) -> None:
        self._settings = settings
        self._trunks = trunks

    def apply(self, settings: Settings) -> None:
        """Other settings for transfers to come."""
        self._settings = settings

    def check(self, call: Call) -> None:
        """Raises OutboundRefused when calls of this one's trunk are not transferred at all."""
        trunk = self._settings.trunks.get(call.identity.trunk)
        if trunk is not None and trunk.transfer == "off":
            raise OutboundRefused(TRANSFER_OFF, f"trunk {call.identity.trunk} has transfer: off")

    def uri_for(self, call: Call, to: str) -> str:
        """The Refer-To URI for a number, a user or a URI. Raises OutboundRefused."""
        self.check(call)
        trunk = self._settings.trunks.get(call.identity.trunk)
        self._trunks.choose(to, call.identity.trunk if trunk is not None else None)
        destination = parse_destination(to)
        if destination.uri is not None:
            return str(destination.uri)
        user = escape_user(destination.user)
        if trunk is not None and trunk.targets:
            target = trunk.targets[0]
            return str(SipUri(target.scheme, user, None, target.host, target.port))
        return f"sip:{user}@{format_host_port(call.identity.source or 'localhost', None)}"
