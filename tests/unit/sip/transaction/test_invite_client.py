"""RFC 3261 §17.1.1 and RFC 6026: each arrow of the figure, each timer by its letter."""

from __future__ import annotations

import pytest

from gateway.sip.flow import Flow
from gateway.sip.message import Request
from gateway.sip.transaction.invite_client import InviteClient, InviteClientState
from gateway.sip.transaction.machine import TransactionContext
from tests.support.sip_peer import TCP, UDP, invite, respond, statuses, times
from tests.support.transactions import MachineBench


def start(flow: Flow = UDP, request: Request | None = None) -> tuple[InviteClient, MachineBench]:
    context = TransactionContext()
    machine = InviteClient(("client",), request or invite(), flow, context)
    machine.start(0)
    return machine, MachineBench(context)


def test_timer_a_doubles_without_limit_and_timer_b_ends_it_after_32_s() -> None:
    machine, bench = start()
    assert statuses(bench.sent()) == ["INVITE"]
    repeats = bench.advance(machine, 0, 100)
    assert times(repeats) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert bench.timeouts == [(32, "B")]
    assert machine.state is InviteClientState.TERMINATED


def test_over_tcp_nothing_is_repeated_but_timer_b_still_runs() -> None:
    machine, bench = start(TCP)
    bench.sent()
    assert bench.advance(machine, 0, 100) == []
    assert bench.timeouts == [(32, "B")]


def test_a_provisional_response_stops_a_and_b() -> None:
    machine, bench = start()
    assert machine.receive_response(respond(machine.request, 180), 0.1)
    assert machine.state is InviteClientState.PROCEEDING
    bench.sent()
    assert bench.advance(machine, 0, 1000) == []
    assert bench.timeouts == []
    assert machine.receive_response(respond(machine.request, 183), 1000)


@pytest.mark.parametrize("first", [None, 100, 180])
def test_a_2xx_is_accepted_and_every_further_2xx_passes_until_timer_m(first: int | None) -> None:
    machine, bench = start()
    if first:
        machine.receive_response(respond(machine.request, first), 0.1)
    assert machine.receive_response(respond(machine.request, 200), 1)
    assert machine.state is InviteClientState.ACCEPTED
    bench.sent()
    assert machine.receive_response(respond(machine.request, 200), 10)
    assert not machine.receive_response(respond(machine.request, 180), 10)
    assert not machine.receive_response(respond(machine.request, 486), 10)
    assert bench.advance(machine, 0, 32.9) == []
    assert not machine.is_terminated
    bench.advance(machine, 0, 33)
    assert machine.is_terminated
    assert bench.timeouts == [], "timer M is no failure"


def test_timer_m_also_runs_over_tcp_for_forks_may_answer_late() -> None:
    machine, bench = start(TCP)
    machine.receive_response(respond(machine.request, 200), 0)
    assert bench.context.deadlines.next_deadline() == 32


def test_300_is_a_refusal_too() -> None:
    machine, bench = start()
    bench.sent()
    for _ in range(2):
        machine.receive_response(respond(machine.request, 300), 0)
        assert statuses(bench.sent()) == ["ACK"]
    assert machine.state is InviteClientState.COMPLETED


def test_a_refusal_is_acknowledged_and_acknowledged_again_until_timer_d() -> None:
    request = invite(headers=[("Route", "<sip:p1.example.com;lr>"), ("Route", "<sip:p2.example.com;lr>")])
    machine, bench = start(request=request)
    bench.sent()
    refusal = respond(request, 486, to_tag="callee")
    assert machine.receive_response(refusal, 2)
    (ack,) = bench.sent()
    assert isinstance(ack, Request)
    assert ack.method == "ACK"
    assert ack.uri == request.uri
    assert ack.via.branch == request.via.branch
    assert ack.to.tag == "callee"
    assert ack.from_.tag == request.from_.tag
    assert ack.call_id == request.call_id
    assert ack.cseq == (request.cseq.number, "ACK")
    assert ack.headers.get_all("Route") == request.headers.get_all("Route")
    assert ack.max_forwards == 70

    assert not machine.receive_response(refusal, 3), "a repetition is no news"
    assert statuses(bench.sent()) == ["ACK"]
    assert not machine.receive_response(respond(request, 200), 3)
    assert bench.sent() == []
    bench.advance(machine, 0, 33.9)
    assert machine.state is InviteClientState.COMPLETED
    bench.advance(machine, 0, 34)
    assert machine.is_terminated


def test_timer_d_is_zero_over_tcp() -> None:
    machine, bench = start(TCP)
    machine.receive_response(respond(machine.request, 404), 1)
    assert machine.is_terminated
    assert len(bench.context.deadlines) == 0


def test_what_comes_after_the_end_is_dropped() -> None:
    machine, bench = start()
    machine.terminate()
    bench.sent()
    assert not machine.receive_response(respond(machine.request, 200), 1)
    assert not machine.receive_response(respond(machine.request, 500), 1)
    assert bench.sent() == []


def test_a_final_answer_is_awaited_until_it_has_come() -> None:
    machine, _ = start()
    assert machine.awaits_final
    machine.receive_response(respond(machine.request, 180), 0)
    assert machine.awaits_final
    machine.receive_response(respond(machine.request, 200), 0)
    assert not machine.awaits_final
