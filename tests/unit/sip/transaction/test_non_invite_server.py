"""RFC 3261 §17.2.2: each arrow of figure 8, and timer J."""

from __future__ import annotations

from gateway.sip.flow import Flow
from gateway.sip.message import make_response
from gateway.sip.transaction.machine import TransactionContext
from gateway.sip.transaction.non_invite_server import NonInviteServer, NonInviteServerState
from tests.support.sip_peer import TCP, UDP, request, statuses
from tests.support.transactions import MachineBench


def start(flow: Flow = UDP) -> tuple[NonInviteServer, MachineBench]:
    context = TransactionContext()
    return NonInviteServer(("server",), request("BYE", to_tag="t"), flow, context), MachineBench(context)


def answer(machine: NonInviteServer, status: int, now: float) -> None:
    machine.send_response(make_response(machine.request, status), now)


def test_a_repetition_before_any_response_is_dropped() -> None:
    machine, bench = start()
    machine.receive_request()
    assert bench.sent() == []


def test_a_repetition_gets_the_last_response_until_timer_j() -> None:
    machine, bench = start()
    answer(machine, 100, 0)
    machine.receive_request()
    assert statuses(bench.sent()) == [100, 100]
    assert machine.state is NonInviteServerState.PROCEEDING
    answer(machine, 200, 1)
    machine.receive_request()
    assert statuses(bench.sent()) == [200, 200]
    answer(machine, 500, 2)
    assert bench.sent() == [], "one final response only"
    bench.advance(machine, 0, 32.9)
    assert machine.state is NonInviteServerState.COMPLETED
    bench.advance(machine, 0, 33)
    assert machine.is_terminated


def test_timer_j_is_zero_over_tcp() -> None:
    machine, bench = start(TCP)
    answer(machine, 200, 0)
    assert machine.is_terminated
    assert len(bench.context.deadlines) == 0


def test_an_answer_that_takes_a_while_is_preceded_by_100_and_by_no_other_provisional() -> None:
    for flow in (UDP, TCP):
        machine, bench = start(flow)
        machine.start(0)
        ((at, trying),) = bench.advance(machine, 0, 20)
        assert (at, statuses([trying])) == (3.5, [100]), "RFC 4320 §4.1: when timer E has come to T2"
        machine.receive_request()
        assert statuses(bench.sent()) == [100]
        answer(machine, 200, 20)
        assert statuses(bench.sent()) == [200]


def test_an_answer_in_time_needs_no_100() -> None:
    machine, bench = start()
    machine.start(0)
    answer(machine, 200, 1)
    bench.sent()
    assert bench.advance(machine, 0, 33) == []
    assert machine.is_terminated


def test_what_nobody_answers_is_forgotten_once_the_client_has_given_up() -> None:
    machine, bench = start()
    machine.start(0)
    bench.advance(machine, 0, 32)
    assert machine.is_terminated
    assert len(bench.context.deadlines) == 0
