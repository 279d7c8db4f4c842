"""What the settings ask for is registered, told, counted, changed and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import pytest

from gateway.base.errors import CapacityError
from gateway.base.ids import IdSource
from gateway.observability.metrics import Metrics
from gateway.observability.node_events import NodeEvent, NodeEvents
from gateway.settings.schema import TrunkSettings
from gateway.sip.client_requests import ClientRequest
from gateway.sip.events import CallCancelled, FlowFailed, RequestAnswered, RequestFailed
from gateway.sip.flow import Flow
from gateway.sip.message import make_request, make_response
from gateway.sip.resolution import ResolutionError
from gateway.sip.transaction.table import RequestFailure
from gateway.sip.uri import SipUri
from gateway.trunks.registrations import Callbacks, Registrations

HOP = Flow("udp", ("192.0.2.1", 5060), ("203.0.113.1", 5060))
TCP_HOP = Flow("tcp", ("192.0.2.1", 5060), ("203.0.113.1", 5060))


def trunk(**given: object) -> TrunkSettings:
    return TrunkSettings.model_validate(
        {"targets": ["sip:carrier.example"], "username": "acme", "password": "pw", "register": True, **given}
    )


class Node:
    """Registrations with everything around them: a clock, an endpoint that keeps what it is to send, sinks."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[ClientRequest] = []
        self.seen: list[NodeEvent] = []
        self.hops: list[Flow] | Exception = [HOP]
        self.metrics = Metrics()
        self.vouched: dict[str, tuple[str, list[str]]] = {}
        self.shared: list[dict[Flow, int | None]] = []
        self.is_full = False
        self.registrations = Registrations(
            self.send_request,
            self.find_hops,
            lambda flow, user: f"<sip:{user}@{flow.local[0]}:{flow.local[1]}>",
            NodeEvents([self.seen.append]),
            self.metrics,
            IdSource(1),
            callbacks=Callbacks(self.vouch, lambda holder: self.vouched.pop(holder, None), self.share),
            clock=lambda: self.now,
        )

    def vouch(self, holder: str, trunk: str, hosts: Iterable[str]) -> None:
        self.vouched[holder] = (trunk, list(hosts))

    def share(self, flows: Mapping[Flow, int | None]) -> None:
        self.shared.append(dict(flows))

    async def find_hops(self, name: str, settings: TrunkSettings, uri: SipUri) -> list[Flow]:
        if isinstance(self.hops, Exception):
            raise self.hops
        return self.hops

    def send_request(self, request: ClientRequest) -> str:
        if self.is_full:
            raise CapacityError("full")
        self.sent.append(request)
        return f"request {len(self.sent)}"

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    def respond(self, status: int, at: int = -1, headers: Iterable[tuple[str, str]] = ()) -> None:
        """The registrar answers a request, by default the last."""
        number = len(self.sent) if at < 0 else at
        sent = self.sent[number - 1]
        fields = [
            ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport=4444;received=198.51.100.5"),
            ("From", f"{sent.from_};tag=x"),
            ("To", str(sent.to)),
            ("Call-ID", str(sent.call_id)),
            ("CSeq", f"{sent.cseq} REGISTER"),
        ]
        response = make_response(make_request("REGISTER", "sip:x", headers=fields), status, headers=headers)
        assert self.registrations.handle_sip_event(RequestAnswered(f"request {number}", response))

    def header(self, name: str, at: int = -1) -> str | None:
        headers = self.sent[at].headers
        assert isinstance(headers, tuple)
        return dict(headers).get(name)

    def names(self) -> list[str]:
        return [event.name.value for event in self.seen]

    async def registered(self, **given: object) -> None:
        self.registrations.apply({"carrier": trunk(**given)})
        await self.settle()
        self.respond(200, headers=[("Expires", "600")])


@pytest.fixture
async def node() -> Node:
    return Node()


async def test_a_trunk_registers_and_is_shown(node: Node) -> None:
    await node.registered()
    assert node.sent[0].uri == "sip:carrier.example"
    assert node.sent[0].from_ == "<sip:acme@carrier.example>"
    assert (node.header("Contact") or "").startswith("<sip:acme@192.0.2.1:5060>;+sip.instance=")
    (event,) = node.seen
    assert event.name.value == "trunk.registered"
    assert event.details["trunk"] == "carrier"
    assert event.details["address"] == "203.0.113.1:5060"
    (shown,) = node.registrations.status()
    assert (shown.trunk, shown.state, shown.registered_for_s, shown.status) == ("carrier", "registered", 600.0, 200)
    assert shown.next_try_in_s is not None
    assert 270 <= shown.next_try_in_s <= 300
    assert (shown.seen_as, shown.transport, shown.address) == ("198.51.100.5:4444", "udp", "203.0.113.1:5060")
    assert node.registrations.registered == 1
    assert node.metrics.registry.get_sample_value("gateway_trunk_registered", {"trunk": "carrier"}) == 1
    assert node.vouched == {"registration of carrier": ("carrier", ["203.0.113.1"])}
    assert node.shared == [{HOP: None}]


async def test_nothing_secret_is_shown_or_told(node: Node) -> None:
    await node.registered(password="hunter2")
    assert "hunter2" not in str(node.registrations.status()) + str(node.seen) + repr(node.registrations)


async def test_failures_are_told_counted_and_tried_again(node: Node) -> None:
    node.registrations.apply({"carrier": trunk()})
    await node.settle()
    node.respond(503)
    (event,) = node.seen
    assert event.name.value == "trunk.registration_failed"
    assert (event.details["rule"], event.details["status"]) == ("unavailable", 503)
    labels = {"trunk": "carrier", "rule": "unavailable"}
    assert node.metrics.registry.get_sample_value("gateway_trunk_registration_failures_total", labels) == 1
    (shown,) = node.registrations.status()
    assert (shown.state, shown.failures, shown.reason) == ("failed", 1, "Service Unavailable")
    assert node.registrations.register_now("carrier")
    await node.settle()
    assert len(node.sent) == 2


async def test_a_name_that_leads_nowhere_is_a_failure(node: Node) -> None:
    node.hops = ResolutionError("carrier.example: no such name")
    node.registrations.apply({"carrier": trunk()})
    await node.settle()
    (shown,) = node.registrations.status()
    assert (shown.rule, shown.reason) == ("no_address", "carrier.example: no such name")


async def test_a_fault_of_the_look_up_does_not_end_the_trying(node: Node) -> None:
    node.hops = ValueError("odd")
    node.registrations.apply({"carrier": trunk()})
    await node.settle()
    (shown,) = node.registrations.status()
    assert (shown.rule, shown.reason) == ("no_address", "ValueError: odd")
    assert shown.next_try_in_s is not None


async def test_a_full_user_agent_is_a_failure(node: Node) -> None:
    node.is_full = True
    node.registrations.apply({"carrier": trunk()})
    await node.settle()
    assert node.registrations.status()[0].rule == "unreachable"


async def test_silence_is_a_failure(node: Node) -> None:
    node.registrations.apply({"carrier": trunk()})
    await node.settle()
    assert node.registrations.handle_sip_event(RequestFailed("request 1", RequestFailure.TIMEOUT))
    assert node.registrations.status()[0].rule == "timeout"


async def test_other_peoples_events_are_not_ours(node: Node) -> None:
    await node.registered()
    assert not node.registrations.handle_sip_event(CallCancelled("call"))
    assert not node.registrations.handle_sip_event(RequestFailed("somebody's", RequestFailure.FLOW))


async def test_a_timer_refreshes(node: Node) -> None:
    await node.registered()
    node.now += 301
    node.registrations._on_timer(node.now)
    await node.settle()
    assert len(node.sent) == 2
    node.respond(200)
    assert node.seen[-1].details["refresh"] is True


async def test_a_lost_connection_is_told_and_registered_over_anew(node: Node) -> None:
    node.hops = [TCP_HOP]
    await node.registered()
    node.now += 100
    node.registrations.handle_sip_event(FlowFailed(TCP_HOP))
    await node.settle()
    assert node.names() == ["trunk.registered", "trunk.unregistered"]
    assert node.vouched == {}
    assert node.shared == [{TCP_HOP: None}, {}]
    assert len(node.sent) == 2


async def test_a_trunk_that_is_gone_is_taken_back_and_an_unchanged_one_left_alone(node: Node) -> None:
    await node.registered()
    node.registrations.apply({"carrier": trunk(max_calls=7, allow_destinations=["1*"])})
    await node.settle()
    assert len(node.sent) == 1, "how calls are limited is no matter of the registrar"
    node.registrations.apply({"carrier": trunk(register=False)})
    await node.settle()
    assert node.header("Expires") == "0"
    assert node.registrations.status() == []
    node.respond(200)
    assert node.names()[-1] == "trunk.unregistered"
    assert node.vouched == {}
    assert node.registrations._leaving == []


async def test_a_changed_trunk_registers_only_after_its_old_self_has_left(node: Node) -> None:
    """The farewell names the same contact: after the new registration it would end that."""
    await node.registered()
    node.registrations.apply({"carrier": trunk(password="other")})
    await node.settle()
    assert [node.header("Expires", at) for at in (0, 1)] == ["3600", "0"]
    assert len(node.sent) == 2
    node.respond(200)
    await node.settle()
    assert node.header("Expires") == "3600"
    assert node.sent[2].call_id != node.sent[0].call_id
    node.respond(200)
    assert node.metrics.registry.get_sample_value("gateway_trunk_registered", {"trunk": "carrier"}) == 1
    assert "registration of carrier" in node.vouched


async def test_stopping_takes_everything_back_and_waits_for_no_one_for_long(node: Node) -> None:
    await node.registered()
    clock = iter(range(10_000))
    node.registrations.clock = lambda: node.now + next(clock)
    await node.registrations.stop(limit_s=3)
    assert node.header("Expires") == "0"
    assert node.registrations._timer is None
    assert node.registrations._leaving == []


async def test_stopping_while_a_name_is_looked_up(node: Node) -> None:
    waiting: asyncio.Future[list[Flow]] = asyncio.get_running_loop().create_future()

    async def forever(*_: object) -> list[Flow]:
        return await waiting

    find: Callable[..., Awaitable[list[Flow]]] = forever
    node.registrations.find_hops = find
    node.registrations.apply({"carrier": trunk()})
    await node.settle()
    await node.registrations.stop()
    assert node.sent == []
    assert len(asyncio.all_tasks()) == 1


async def test_an_unknown_trunk_cannot_be_registered(node: Node) -> None:
    assert not node.registrations.register_now("nobody")
    assert node.registrations.service_route("nobody") == ()


async def test_the_service_route_is_there_for_calls(node: Node) -> None:
    node.registrations.apply({"carrier": trunk()})
    await node.settle()
    node.respond(200, headers=[("Service-Route", "<sip:edge;lr>")])
    assert node.registrations.service_route("carrier") == ("<sip:edge;lr>",)


async def test_the_flow_timer_of_the_registrar_is_shared_with_its_flow(node: Node) -> None:
    node.registrations.apply({"carrier": trunk()})
    await node.settle()
    node.respond(200, headers=[("Expires", "600"), ("Require", "outbound"), ("Flow-Timer", "60")])
    assert node.shared == [{HOP: 60}]
    assert node.registrations.register_now("carrier")
    await node.settle()
    node.respond(200, headers=[("Expires", "600"), ("Flow-Timer", "30")])
    assert node.shared == [{HOP: 60}, {HOP: 30}]
