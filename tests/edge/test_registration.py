"""A gateway registers at another one over real sockets, and is found there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.observability.metrics import Metrics
from gateway.observability.node_events import NodeEvent, NodeEvents
from gateway.settings.schema import TrunkSettings
from gateway.sip.admission import ALLOW
from gateway.sip.digest import DigestServer
from gateway.sip.events import Event
from gateway.sip.flow import Flow
from gateway.sip.registrar import Registrar, RegistrarConfig
from gateway.sip.transport.endpoint import Endpoint
from gateway.sip.uri import SipUri
from gateway.sip.user_agent import UserAgent, UserAgentConfig
from gateway.trunks.registrations import Callbacks, Registrations
from tests.support.waiting import until

ALGORITHMS = {"udp": ("MD5",), "tcp": ("SHA-512-256",)}


def user_agent(registrar: Registrar | None = None) -> UserAgent:
    config = UserAgentConfig(
        advertise=lambda flow: flow.local,
        admit=lambda request, flow, now: ALLOW,
        hears=lambda flow, now: None,
        registrar=registrar,
    )
    return UserAgent(config, IdSource())


@contextlib.asynccontextmanager
async def started(agent: UserAgent, on_event: object = lambda event: None) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(agent, ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"], on_event=on_event)  # type: ignore[arg-type]
    await endpoint.start()
    try:
        yield endpoint
    finally:
        await endpoint.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_a_gateway_registers_at_a_gateway_and_takes_it_back(transport: str, password: str) -> None:
    digest = DigestServer("carrier", b"key", {"acme": Secret("right")}.get, ALGORITHMS[transport])
    registrar = Registrar(RegistrarConfig({"acme": 2}), digest)
    seen: list[NodeEvent] = []
    async with started(user_agent(registrar)) as carrier:
        handlers: list[Registrations] = []

        def on_event(event: Event) -> None:
            handlers[0].handle_sip_event(event)

        async with started(user_agent(), on_event) as ours:

            async def find_hops(name: str, settings: TrunkSettings, uri: SipUri) -> list[Flow]:
                return [ours.flow_to(("127.0.0.1", carrier.port(transport)), transport)]  # type: ignore[arg-type]

            registrations = Registrations(
                ours.send_request,
                find_hops,
                ours.user_agent.contact,
                NodeEvents([seen.append]),
                Metrics(),
                IdSource(),
                callbacks=Callbacks(share=ours.user_agent.watch),
            )
            handlers.append(registrations)
            settings = TrunkSettings.model_validate(
                {"targets": ["sip:127.0.0.1"], "username": "acme", "password": password, "register": True}
            )
            registrations.apply({"carrier": settings})
            await until(lambda: bool(seen))
            (shown,) = registrations.status()
            if password == "wrong":
                assert (shown.state, shown.status, shown.rule) == ("failed", 403, "refused")
                assert len(registrar) == 0
            else:
                assert shown.state == "registered"
                (binding,) = registrar.contacts("acme", time.monotonic())
                assert binding.reg_id == 1
                assert SipUri.parse(binding.uri).port == ours.port(transport)  # type: ignore[arg-type]
            await registrations.stop()
            assert len(registrar) == 0
            assert [event.name.value for event in seen] == (
                ["trunk.registration_failed"] if password == "wrong" else ["trunk.registered", "trunk.unregistered"]
            )
