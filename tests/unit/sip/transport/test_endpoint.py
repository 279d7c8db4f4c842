"""The driver of the core: one timer, every event, commands from within events, and nothing escapes it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.base.ids import IdSource
from gateway.sip.admission import ALLOW
from gateway.sip.events import CallCancelled, CallConfirmed, CallEnded, CallOffered, EndCause, Event, RequestRefused
from gateway.sip.flow import Flow
from gateway.sip.message import Response, parse_message
from gateway.sip.transaction.machine import TimerValues
from gateway.sip.transport.endpoint import Endpoint
from gateway.sip.user_agent import UserAgent, UserAgentConfig
from tests.support.network import free_udp_port
from tests.support.sip_peer import ANSWER, OFFER, ack_for, invitation, invite, request
from tests.support.waiting import until

QUICK = TimerValues(t1=0.02, t2=0.08, t4=0.05)


def make_endpoint(*listen: str, on_event: Callable[[Event], None] | None = None, **config: Any) -> Endpoint:
    given: dict[str, Any] = {
        "advertise": lambda flow: flow.local,
        "admit": lambda request, flow, now: ALLOW,
        "timers": QUICK,
        **config,
    }
    user_agent = UserAgent(UserAgentConfig(**given), IdSource(3))
    return Endpoint(user_agent, listen or ("udp://127.0.0.1:0",), on_event=on_event or (lambda event: None))


class Phone:
    """A plain UDP socket in the hands of the test."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)

    @property
    def via(self) -> str:
        return f"SIP/2.0/UDP 127.0.0.1:{self.socket.getsockname()[1]};rport;branch=z9hG4bKphone"

    def send(self, message: Any, endpoint: Endpoint) -> None:
        data = message if isinstance(message, bytes) else message.to_bytes()
        self.socket.sendto(data, ("127.0.0.1", endpoint.port("udp")))

    async def receive(self) -> Any:
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 65536), 2)
        return parse_message(data)


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    phone = Phone()
    yield phone
    phone.socket.close()


async def test_an_options_ping_is_answered(phone: Phone) -> None:
    endpoint = make_endpoint()
    await endpoint.start()
    phone.send(request("OPTIONS", via=phone.via), endpoint)
    response = await phone.receive()
    assert response.status == 200
    assert response.via.rport == phone.socket.getsockname()[1]
    await endpoint.stop()


async def test_commands_from_within_an_event_are_carried_out_in_order(phone: Phone) -> None:
    events: list[Event] = []

    def answer(event: Event) -> None:
        events.append(event)
        if isinstance(event, CallOffered):
            endpoint.ring(event.call)
            endpoint.answer(event.call, ANSWER)

    endpoint = make_endpoint(on_event=answer)
    await endpoint.start()
    sent = invite(via=phone.via)
    phone.send(sent, endpoint)
    statuses = [(await phone.receive()).status for _ in range(2)]
    ok = await phone.receive()
    assert [*statuses, ok.status] == [100, 180, 200]
    assert isinstance(ok, Response)
    phone.send(ack_for(sent, ok), endpoint)
    await until(lambda: any(isinstance(event, CallConfirmed) for event in events))
    await endpoint.stop()


async def test_one_timer_repeats_the_200_and_ends_the_call_without_ack(phone: Phone) -> None:
    events: list[Event] = []

    def answer(event: Event) -> None:
        events.append(event)
        if isinstance(event, CallOffered):
            endpoint.answer(event.call, ANSWER)

    endpoint = make_endpoint(on_event=answer)
    await endpoint.start()
    phone.send(invite(via=phone.via, contact=f"<sip:p@127.0.0.1:{phone.socket.getsockname()[1]}>"), endpoint)
    received = []
    while not received or received[-1] != "BYE":
        message = await phone.receive()
        received.append(message.status if isinstance(message, Response) else message.method)
    assert received.count(200) > 5
    assert [event.cause for event in events if isinstance(event, CallEnded)] == [EndCause.ACK_TIMEOUT]
    await until(lambda: endpoint.user_agent.transactions == 0)
    assert endpoint.user_agent.calls == 0
    assert endpoint._timer is None, "nothing is waited for"
    await endpoint.stop()


async def test_a_handler_that_raises_stops_nobody(phone: Phone, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        seen.append(event)
        raise RuntimeError("a fault of ours")

    endpoint = make_endpoint(on_event=broken)
    await endpoint.start()
    sent = invite(via=phone.via)
    phone.send(sent, endpoint)
    assert (await phone.receive()).status == 100
    phone.send(request("CANCEL", via=phone.via), endpoint)
    assert {(await phone.receive()).status for _ in range(2)} == {200, 487}
    await until(lambda: len(seen) == 2)
    assert isinstance(seen[1], CallCancelled)
    assert endpoint.stats.handler_faults == 2
    assert "CallOffered" in caplog.text
    await endpoint.stop()


async def test_a_connection_of_somebody_we_do_not_hear_is_cut_off_and_told() -> None:
    events: list[Event] = []
    endpoint = make_endpoint("tcp://127.0.0.1:0", on_event=events.append, hears=lambda flow, now: "unknown_callers")
    await endpoint.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port("tcp"))
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    (event,) = events
    assert isinstance(event, RequestRefused)
    assert (event.method, event.flow.transport, event.status, event.rule) == ("", "tcp", None, "unknown_callers")
    assert endpoint.connections == 0
    await endpoint.stop()


async def test_garbage_changes_nothing(phone: Phone) -> None:
    endpoint = make_endpoint()
    await endpoint.start()
    for data in (b"\x00\xff" * 500, b"INVITE", b"SIP/2.0 200 OK\r\n\r\n", b"\r\n\r\n"):
        phone.send(data, endpoint)
    phone.send(request("OPTIONS", via=phone.via), endpoint)
    assert (await phone.receive()).status == 200
    await endpoint.stop()


async def test_a_send_that_fails_ends_the_call_it_was_for() -> None:
    events: list[Event] = []
    endpoint = make_endpoint(on_event=events.append)
    await endpoint.start()
    call = endpoint.invite(invitation(endpoint.flow_to(("127.0.0.1", 0))))
    assert events == [], "the id is known before the first event names it"
    await until(lambda: events)
    assert events[-1] == CallEnded(call, EndCause.FLOW_FAILED)
    assert endpoint.stats.send_failures == 1
    await endpoint.stop()


async def test_a_message_too_long_for_a_datagram_fails_only_its_own_call(phone: Phone) -> None:
    events: list[Event] = []
    endpoint = make_endpoint(on_event=events.append)
    await endpoint.start()
    flow = endpoint.flow_to(phone.socket.getsockname())
    endpoint.invite(invitation(flow))
    assert (await phone.receive()).method == "INVITE"
    ping = request("OPTIONS", via=phone.via)
    phone.send(request("OPTIONS", via=phone.via, call_id="y" * (65_480 - len(ping.to_bytes()))), endpoint)
    phone.send(ping, endpoint)
    while not isinstance(received := await phone.receive(), Response):
        pass
    assert received.call_id == "call-1@peer", "a response to the long one does not fit into a datagram"
    assert endpoint.stats.send_failures == 1
    assert events == []
    long = endpoint.invite(invitation(flow, body=OFFER + b"a=x\r\n" * 20_000))
    await until(lambda: events)
    assert events[-1] == CallEnded(long, EndCause.FLOW_FAILED)
    assert endpoint.user_agent.calls == 1
    await endpoint.stop()


async def test_a_taken_port_leaves_nothing_bound() -> None:
    port = free_udp_port()
    taken = make_endpoint(f"udp://127.0.0.1:{port}")
    await taken.start()
    second = make_endpoint("tcp://127.0.0.1:0", f"udp://127.0.0.1:{port}")
    with pytest.raises(OSError):
        await second.start()
    assert second.listening == ()
    await taken.stop()
    await taken.stop()
    third = make_endpoint(f"udp://127.0.0.1:{port}")
    await third.start()
    await third.stop()


async def test_where_it_listens_and_how_it_reaches_a_peer() -> None:
    endpoint = make_endpoint("udp://0.0.0.0:0", "tcp://127.0.0.1:0")
    await endpoint.start()
    udp, tcp = endpoint.listening
    assert (udp.port, tcp.port) == (endpoint.port("udp"), endpoint.port("tcp"))
    assert endpoint.flow_to(("127.0.0.9", 5070)) == Flow("udp", ("127.0.0.1", udp.port), ("127.0.0.9", 5070))
    assert endpoint.flow_to(("127.0.0.9", 5070), "tcp").local == ("127.0.0.1", tcp.port)
    with pytest.raises(LocalProtocolError, match="address family"):
        endpoint.flow_to(("::1", 5060))
    with pytest.raises(LocalProtocolError, match="resolve"):
        endpoint.flow_to(("phone.example.com", 5060))
    with pytest.raises(CapacityError):
        endpoint.invite(invitation(Flow("udp", ("127.0.0.1", 1), ("127.0.0.1", 9))))
    await endpoint.stop()


async def test_without_a_listener_of_a_transport_it_has_no_port() -> None:
    endpoint = make_endpoint()
    await endpoint.start()
    with pytest.raises(LocalProtocolError):
        endpoint.port("tcp")
    assert endpoint.flow_to(("127.0.0.9", 5070), "tcp") == Flow("tcp", ("127.0.0.1", 5060), ("127.0.0.9", 5070))
    await endpoint.stop()


async def test_an_idle_connection_is_looked_for_even_when_nothing_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sip.transport.endpoint._SWEEP_S", 0.02)
    endpoint = make_endpoint("tcp://127.0.0.1:0")
    endpoint._streams._limits = type(endpoint._limits)(first_message_timeout_s=0.05)
    await endpoint.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port("tcp"))
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()
    await until(lambda: endpoint.connections == 0)
    assert endpoint.stats.connections_timed_out == 1
    await endpoint.stop()


async def offered_call(phone: Phone, endpoint: Endpoint, events: list[Event]) -> tuple[str, Any]:
    """A call that waits for a command from outside any event."""
    port = phone.socket.getsockname()[1]
    sent = invite(via=phone.via, contact=f"<sip:phone@127.0.0.1:{port}>")
    phone.send(sent, endpoint)
    assert (await phone.receive()).status == 100
    return next(event.call for event in events if isinstance(event, CallOffered)), sent


async def test_each_command_is_carried_out_at_once(phone: Phone) -> None:
    events: list[Event] = []
    endpoint = make_endpoint(on_event=events.append, timers=TimerValues(t1=5, t2=10))
    await endpoint.start()
    call, sent = await offered_call(phone, endpoint, events)
    endpoint.ring(call, 183)
    assert (await phone.receive()).status == 183
    endpoint.answer(call, ANSWER)
    ok = await phone.receive()
    assert ok.status == 200
    phone.send(ack_for(sent, ok, via=phone.via + "a"), endpoint)
    await until(lambda: isinstance(events[-1], CallConfirmed))
    for cseq, status in ((2, 200), (3, 488)):
        phone.send(invite(via=f"{phone.via}{cseq}", to_tag=ok.to.tag, cseq=cseq), endpoint)
        assert (await phone.receive()).status == 100
        if status == 200:
            endpoint.answer_offer(call, ANSWER)
        else:
            endpoint.refuse_offer(call, status)
        answer = await phone.receive()
        assert answer.status == status
        ack = request("ACK", via=f"{phone.via}{cseq}" + "a" * (status == 200), to_tag=ok.to.tag, cseq=cseq)
        phone.send(ack, endpoint)
    await until(lambda: endpoint.user_agent.stats.requests_received == 6)
    endpoint.reoffer(call, OFFER)
    assert (await phone.receive()).method == "INVITE"
    endpoint.hang_up(call)
    assert (await phone.receive()).method == "BYE"
    await endpoint.stop()


async def test_a_refusal_leaves_at_once(phone: Phone) -> None:
    events: list[Event] = []
    endpoint = make_endpoint(on_event=events.append, timers=TimerValues(t1=5, t2=10))
    await endpoint.start()
    call, _ = await offered_call(phone, endpoint, events)
    endpoint.reject(call, 486, "Engaged", [("X-Why", "busy")])
    response = await phone.receive()
    assert (response.status, response.reason, response.headers.get("X-Why")) == (486, "Engaged", "busy")
    await endpoint.stop()


async def test_a_handler_is_never_entered_while_it_runs(phone: Phone) -> None:
    depth = deepest = 0
    ended: list[Event] = []

    def handle(event: Event) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        if isinstance(event, CallOffered):
            endpoint.reject(event.call, 486)  # which makes another event
        else:
            ended.append(event)
        depth -= 1

    endpoint = make_endpoint(on_event=handle)
    await endpoint.start()
    phone.send(invite(via=phone.via), endpoint)
    await until(lambda: ended)
    assert deepest == 1
    await endpoint.stop()


async def test_stopping_sends_what_waits_and_leaves_no_timer(phone: Phone) -> None:
    endpoint = make_endpoint()
    await endpoint.start()
    call = endpoint.invite(invitation(endpoint.flow_to(phone.socket.getsockname())))
    await endpoint.stop()
    assert (await phone.receive()).method == "INVITE"
    endpoint.hang_up(call)
    await asyncio.sleep(0)
    assert endpoint._timer is None


async def test_the_timer_is_armed_once_for_a_deadline_and_fires_no_more_than_it_must(phone: Phone) -> None:
    def ring(event: Event) -> None:
        if isinstance(event, CallOffered):
            endpoint.ring(event.call)

    endpoint = make_endpoint(on_event=ring)
    fired: list[float] = []
    handle_timeout = endpoint.user_agent.handle_timeout

    def count(now: float) -> None:
        fired.append(now)
        handle_timeout(now)

    endpoint.user_agent.handle_timeout = count  # type: ignore[method-assign]
    await endpoint.start()
    phone.send(invite(via=phone.via), endpoint)
    await phone.receive()
    tag = (await phone.receive()).to.tag
    phone.send(request("OPTIONS", via=phone.via + "2", to_tag=tag, cseq=2), endpoint)
    await phone.receive()
    armed = endpoint._timer
    assert armed is not None
    phone.send(request("OPTIONS", via=phone.via + "3", to_tag=tag, cseq=3), endpoint)
    await phone.receive()
    assert endpoint._timer is armed, "a later deadline needs no other timer"
    assert fired == []
    await until(lambda: endpoint.user_agent.transactions == 1)
    assert 1 <= len(fired) <= 3, "at most one firing for each timer J, and no spinning between"
    await endpoint.stop()


async def test_without_connections_nobody_looks_for_idle_ones() -> None:
    endpoint = make_endpoint("tcp://127.0.0.1:0")
    await endpoint.start()
    assert endpoint._timer is None
    _, writer = await asyncio.open_connection("127.0.0.1", endpoint.port("tcp"))
    await until(lambda: endpoint._timer is not None)
    writer.close()
    await until(lambda: endpoint.connections == 0)
    endpoint._on_timer()
    assert endpoint._timer is None
    await endpoint.stop()
