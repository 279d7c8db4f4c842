"""Trunks are asked over whatever the settings say, told up and down once, and counted."""

from __future__ import annotations

import asyncio

import pytest

from gateway.base.errors import CapacityError
from gateway.observability.metrics import Metrics
from gateway.observability.node_events import NodeEvent, NodeEvents
from gateway.settings.schema import TrunkSettings
from gateway.sip.client_requests import ClientRequest
from gateway.sip.events import CallCancelled, RequestAnswered, RequestFailed
from gateway.sip.flow import Flow
from gateway.sip.resolution import ResolutionError
from gateway.sip.transaction.table import RequestFailure
from gateway.sip.uri import SipUri
from gateway.trunks.pings import Pings
from tests.support.sip_peer import request, respond

HOPS = [Flow("udp", ("192.0.2.1", 5060), (f"203.0.113.{number}", 5060)) for number in (1, 2)]


def trunk(**given: object) -> TrunkSettings:
    return TrunkSettings.model_validate({"targets": ["sip:carrier.example"], **given})


class Node:
    """Pings with a clock, an endpoint that keeps what it is to send, and sinks."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[ClientRequest] = []
        self.seen: list[NodeEvent] = []
        self.asked: list[str] = []
        self.hops: list[Flow] | Exception = HOPS
        self.is_full = False
        self.metrics = Metrics()
        self.pings = Pings(
            self.send_request,
            self.find_hops,
            lambda flow: flow.local[0],
            NodeEvents([self.seen.append]),
            self.metrics,
            clock=lambda: self.now,
        )

    async def find_hops(self, name: str, settings: TrunkSettings, uri: SipUri) -> list[Flow]:
        self.asked.append(str(uri))
        if isinstance(self.hops, Exception):
            raise self.hops
        return self.hops

    def send_request(self, request: ClientRequest) -> str:
        if self.is_full:
            raise CapacityError("full")
        self.sent.append(request)
        return f"request {len(self.sent)}"

    async def apply(self, **trunks: TrunkSettings) -> None:
        self.pings.apply(trunks)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.pings._drive()
        await self.settle()

    async def answer(self, status: int, at: int = 0) -> bool:
        number = at or len(self.sent)
        answered = self.pings.handle_sip_event(
            RequestAnswered(f"request {number}", respond(request("OPTIONS"), status))
        )
        await self.settle()
        return answered

    def told(self) -> list[str]:
        return [event.name.value for event in self.seen]

    def figure(self, name: str, trunk: str = "carrier") -> float | None:
        return self.metrics.registry.get_sample_value(name, {"trunk": trunk})


@pytest.fixture
async def node() -> Node:
    return Node()


async def test_a_trunk_that_answers_is_told_up_once(node: Node) -> None:
    await node.apply(carrier=trunk(), inbound_only=TrunkSettings(), quiet=trunk(options_s=0))
    (sent,) = node.sent
    assert (sent.method, sent.uri, sent.flow) == ("OPTIONS", "sip:carrier.example", HOPS[0])
    assert (sent.from_, sent.to) == ("<sip:gateway@192.0.2.1>", "<sip:carrier.example>")
    assert node.figure("gateway_trunk_up") is None, "nobody knows yet"
    node.now += 0.02
    assert await node.answer(200)
    await node.pass_time(30)
    assert await node.answer(405)
    assert node.told() == ["trunk.up"]
    assert node.seen[0].details == {"trunk": "carrier", "rtt_ms": 20.0}
    assert node.figure("gateway_trunk_up") == 1
    (status,) = node.pings.status()
    assert (status.trunk, status.state, status.targets[0].status) == ("carrier", "up", 405)
    await node.pings.stop()


async def test_one_that_falls_silent_is_told_down_and_its_other_address_is_tried(node: Node) -> None:
    await node.apply(carrier=trunk())
    await node.answer(200)
    await node.pass_time(30)
    await node.pass_time(10)
    assert not node.pings.is_down("carrier")
    await node.pass_time(10)
    assert node.sent[-1].flow == HOPS[1]
    await node.pass_time(10)
    assert node.pings.is_down("carrier")
    assert node.told() == ["trunk.up", "trunk.down"]
    assert node.seen[-1].details["reasons"] == {"sip:carrier.example": "no answer"}
    assert node.figure("gateway_trunk_up") == 0
    assert node.pings.handle_sip_event(RequestFailed("request 2", RequestFailure.TIMEOUT)), "ours, and old news"
    assert await node.answer(200)
    assert node.told() == ["trunk.up", "trunk.down", "trunk.up"]
    await node.pings.stop()


@pytest.mark.parametrize("fault", [ResolutionError("no such name"), "full", RequestFailure.FLOW])
async def test_what_cannot_be_asked_is_down(node: Node, fault: object) -> None:
    node.is_full = fault == "full"
    if isinstance(fault, Exception):
        node.hops = fault
    await node.apply(carrier=trunk())
    for _ in range(2):
        if fault is RequestFailure.FLOW:
            assert node.pings.handle_sip_event(RequestFailed(f"request {len(node.sent)}", RequestFailure.FLOW))
        await node.pass_time(10)
    assert node.pings.is_down("carrier")
    assert node.told() == ["trunk.down"]
    await node.pings.stop()


async def test_an_outbound_proxy_is_asked_for_the_target(node: Node) -> None:
    await node.apply(carrier=trunk(outbound_proxy="sip:proxy.example;transport=tcp", from_domain="us.example"))
    assert node.asked == ["sip:proxy.example;transport=tcp"]
    assert node.sent[0].uri == "sip:carrier.example"
    assert node.sent[0].route == ("<sip:proxy.example;transport=tcp;lr>",)
    assert node.sent[0].from_ == "<sip:gateway@us.example>"
    await node.pings.stop()


async def test_settings_that_change_begin_anew_and_trunks_that_go_leave_no_figures(node: Node) -> None:
    await node.apply(carrier=trunk(), other=trunk())
    await node.answer(200, at=1)
    await node.answer(200, at=2)
    await node.apply(carrier=trunk(), other=trunk(options_s=60))
    assert len(node.sent) == 3, "the one that did not change goes on as before"
    assert await node.answer(200, at=3)
    await node.apply(carrier=trunk())
    assert node.figure("gateway_trunk_up", "other") is None
    assert node.figure("gateway_trunk_up") == 1
    assert not node.pings.is_down("other")
    await node.pings.stop()


async def test_what_is_not_ours_is_left_to_others(node: Node) -> None:
    assert not node.pings.handle_sip_event(CallCancelled("call"))
    assert not await node.answer(200, at=7)
    await node.pings.stop()
