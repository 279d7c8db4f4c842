"""Places calls as the gateway does, by trunks, resolver, user agent and endpoint, without agents and audio."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, TypeVar

from gateway.base.ids import IdSource
from gateway.sdp.offer_answer import LocalMedia, create_offer
from gateway.settings.schema import TrunkSettings
from gateway.sip.admission import ALLOW
from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallRedirected,
    CallRefused,
    CallRinging,
    Event,
    HopFailed,
)
from gateway.sip.flow import SocketAddress
from gateway.sip.transport.endpoint import Endpoint
from gateway.sip.transport.resolver import Resolver
from gateway.sip.user_agent import UserAgent, UserAgentConfig
from gateway.trunks.hops import Hops
from gateway.trunks.outbound import OutboundTrunks
from tests.support.waiting import until

Kind = TypeVar("Kind")


class PlacingPhone:
    """One trunk, one call at a time. ``events`` is what happened, in order."""

    def __init__(self, address: str, trunk: dict[str, Any], *, nameserver: SocketAddress | None = None) -> None:
        config = UserAgentConfig(advertise=lambda flow: flow.local, admit=lambda request, flow: ALLOW)
        self.endpoint = Endpoint(
            UserAgent(config, IdSource()), [f"udp://{address}:0", f"tcp://{address}:0"], on_event=self._on_event
        )
        self.resolver = Resolver(nameservers=[nameserver] if nameserver else [])
        settings = TrunkSettings.model_validate({"allow_destinations": ["*"], **trunk})
        self.trunks = OutboundTrunks(
            {"carrier": settings},
            hops=Hops(self.resolver, self.endpoint.flow_to, lambda: ("udp", "tcp")),
        )
        self.events: list[Event] = []
        self.call = ""
        self.begun_at = 0.0
        self._address = address
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> PlacingPhone:
        await self.endpoint.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self.endpoint.stop()

    async def dial(self, to: str = "+15550100", **given: Any) -> None:
        offer = create_offer(LocalMedia(address=self._address, port=40_000, session_id=1, codecs=("PCMU",)))
        self.begun_at = time.monotonic()
        name = self.trunks.choose(to)
        self.call = self.endpoint.invite(await self.trunks.invitation(name, to, body=offer, **given))

    def hang_up(self) -> None:
        self.endpoint.hang_up(self.call)

    async def told(self, kind: type[Kind], count: int = 1, limit_s: float = 10.0) -> Kind:
        """The ``count``-th event of a kind."""
        await until(lambda: len(self.of(kind)) >= count, limit_s)
        return self.of(kind)[count - 1]

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def kinds(self) -> list[type[Any]]:
        """What happened, without the ringing."""
        return [type(event) for event in self.events if not isinstance(event, CallRinging)]

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, HopFailed):
            self.trunks.hop_failed(event)
        elif isinstance(event, CallRedirected):
            task = asyncio.get_running_loop().create_task(self._follow(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _follow(self, event: CallRedirected) -> None:
        found = await self.trunks.redirection("carrier", event)
        if found is None:
            self.endpoint.give_up(event.call)
        else:
            self.endpoint.redirect(event.call, found.request_uri, found.hops, contact=found.contact, route=found.route)


__all__ = ["CallAnswered", "CallEnded", "CallRefused", "PlacingPhone"]
