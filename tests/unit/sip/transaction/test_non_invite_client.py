"""RFC 3261 §17.1.2: each arrow of figure 6, each timer by its letter."""

from __future__ import annotations

from gateway.sip.flow import Flow
from gateway.sip.transaction.machine import TransactionContext
from gateway.sip.transaction.non_invite_client import NonInviteClient, NonInviteClientState
from tests.support.sip_peer import TCP, UDP, request, respond, statuses, times
from tests.support.transactions import MachineBench


def start(flow: Flow = UDP) -> tuple[NonInviteClient, MachineBench]:
    context = TransactionContext()
    machine = NonInviteClient(("client",), request("BYE", to_tag="t"), flow, context)
    machine.start(0)
    return machine, MachineBench(context)


def test_timer_e_doubles_to_t2_and_timer_f_ends_it_after_32_s() -> None:
    machine, bench = start()
    assert statuses(bench.sent()) == ["BYE"]
    repeats = bench.advance(machine, 0, 100)
    assert times(repeats) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bench.timeouts == [(32, "F")]
    assert machine.state is NonInviteClientState.TERMINATED


def test_over_tcp_nothing_is_repeated() -> None:
    machine, bench = start(TCP)
    bench.sent()
    assert bench.advance(machine, 0, 100) == []
    assert bench.timeouts == [(32, "F")]


def test_proceeding_repeats_every_t2_and_still_gives_up() -> None:
    machine, bench = start()
    bench.sent()
    assert machine.receive_response(respond(machine.request, 100), 0.2)
    assert times(bench.advance(machine, 0, 13)) == [0.5, 4.5, 8.5, 12.5]
    bench.advance(machine, 0, 100)
    assert bench.timeouts == [(32, "F")]


def test_a_final_response_lingers_for_timer_k_and_absorbs_repetitions() -> None:
    machine, bench = start()
    bench.sent()
    assert machine.receive_response(respond(machine.request, 200), 1)
    assert not machine.receive_response(respond(machine.request, 200), 2)
    assert bench.advance(machine, 0, 5.9) == []
    assert machine.state is NonInviteClientState.COMPLETED
    bench.advance(machine, 0, 6)
    assert machine.is_terminated
    assert bench.timeouts == []


def test_timer_k_is_zero_over_tcp() -> None:
    machine, bench = start(TCP)
    assert machine.receive_response(respond(machine.request, 481), 1)
    assert machine.is_terminated
    assert len(bench.context.deadlines) == 0
