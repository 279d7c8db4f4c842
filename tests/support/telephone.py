"""An endpoint in the hands of a test."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from gateway.base.ids import IdSource
from gateway.sip.admission import ALLOW
from gateway.sip.events import CallOffered, CallReoffered, Event
from gateway.sip.transaction.machine import TimerValues
from gateway.sip.transport.endpoint import Endpoint
from gateway.sip.transport.limits import TransportLimits
from gateway.sip.transport.tls import TlsContexts
from gateway.sip.user_agent import UserAgent, UserAgentConfig
from tests.support.sip_peer import ANSWER, invitation
from tests.support.waiting import until

QUICK = TimerValues(t1=0.1, t2=0.4, t4=0.1)
LISTEN = ("udp://127.0.0.1:0", "tcp://127.0.0.1:0")


class Telephone:
    """An endpoint that answers what it is offered and remembers what it was told."""

    def __init__(
        self,
        answers: bool = True,
        timers: TimerValues = QUICK,
        *,
        listen: Sequence[str] = LISTEN,
        tls: TlsContexts | None = None,
        limits: TransportLimits | None = None,
        origins: Collection[str] = (),
    ) -> None:
        self.events: list[Event] = []
        self.answers = answers
        config = UserAgentConfig(
            advertise=lambda flow: flow.local,
            admit=lambda request, flow, now: ALLOW,
            timers=timers,
            user_agent="telephone",
        )
        user_agent = UserAgent(config, IdSource())
        self.endpoint = Endpoint(user_agent, listen, on_event=self._on_event, tls=tls, limits=limits, origins=origins)

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, CallOffered):
            self.endpoint.ring(event.call)
            if self.answers:
                self.endpoint.answer(event.call, ANSWER)
        elif isinstance(event, CallReoffered):
            self.endpoint.answer_offer(event.call, ANSWER)

    def call(self, other: Telephone, transport: Any, **identity: str) -> str:
        there = ("127.0.0.1", other.endpoint.port(transport))
        flow = self.endpoint.flow_to(there, transport, **identity)
        return self.endpoint.invite(invitation(flow, request_uri=f"sip:agent@127.0.0.1:{there[1]}"))

    async def told(self, kind: type[Any]) -> Any:
        await until(lambda: any(isinstance(event, kind) for event in self.events))
        return next(event for event in self.events if isinstance(event, kind))

    async def quiet(self) -> None:
        """Until no call and no dialog is left. That transactions end too is shown on virtual time."""
        agent = self.endpoint.user_agent
        await until(lambda: (agent.dialogs, agent.calls) == (0, 0), 10)

    async def __aenter__(self) -> Telephone:
        await self.endpoint.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.endpoint.stop()
