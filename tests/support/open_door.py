"""A user agent behind a real door, on virtual time: what strangers and forged sources can make it send."""

from __future__ import annotations

from typing import Any

from gateway.base.ids import IdSource
from gateway.call.door.door import Door
from gateway.observability.node_events import NodeEvents
from gateway.settings.schema import Settings
from gateway.sip.events import Event
from gateway.sip.flow import Flow, Transport
from gateway.sip.user_agent import UserAgent, UserAgentConfig
from gateway.trunks.accounts import Accounts

CARRIER, STRANGER = "198.51.100.7", "203.0.113.66"

SETTINGS: dict[str, Any] = {
    "inworld": {"api_key": "", "max_sessions": 20},
    "trunks": {"carrier": {"accept_from": ["198.51.100.0/24"]}},
    "accounts": {"1001": {"password": "right"}},
    "agents": {"desk": {}},
    "routes": [{"agent": "desk"}],
}


class OpenDoor:
    """``send`` gives it one datagram or message; ``pass_time`` lets it repeat itself."""

    def __init__(self, **sections: Any) -> None:
        settings = Settings.model_validate(SETTINGS | sections)
        self.door = Door(settings, key=b"k", is_in_call=lambda host: False, tell=lambda event: None)
        self.accounts = Accounts(settings.accounts, self.door.digest, NodeEvents([]))
        config = UserAgentConfig(
            advertise=lambda flow: ("192.0.2.1", 5060),
            admit=self.door.admit,
            hears=self.door.hears,
            registrar=self.accounts.registrar if settings.accounts else None,
        )
        self.ua = UserAgent(config, IdSource(1))
        self.now = 1000.0
        self.events: list[Event] = []

    def send(self, data: bytes, host: str, transport: Transport = "udp") -> list[bytes]:
        """What comes back at once."""
        flow = Flow(transport, ("192.0.2.1", 5060), (host, 5060), connection=0 if transport == "udp" else 1)
        self.ua.receive_message(data, flow, self.now)
        return self.take()

    def pass_time(self, seconds: float) -> list[bytes]:
        """What is sent meanwhile."""
        until, sent = self.now + seconds, []
        while (due := self.ua.next_deadline()) is not None and due <= until:
            self.now = due
            self.ua.handle_timeout(due)
            sent += self.take()
        self.now = until
        return sent

    def take(self) -> list[bytes]:
        """What it has to send; its events are gathered, and told to the door."""
        while (event := self.ua.next_event()) is not None:
            self.events.append(event)
            self.door.note(event)
        return [data for _, data in self.ua.take_outgoing()]
