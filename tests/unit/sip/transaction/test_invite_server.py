"""RFC 3261 §17.2.1 and RFC 6026: each arrow of the figure, each timer by its letter."""

from __future__ import annotations

import pytest

from gateway.sip.flow import Flow
from gateway.sip.message import make_response
from gateway.sip.transaction.invite_server import MOST_REPEATED, InviteServer, InviteServerState
from gateway.sip.transaction.machine import TransactionContext, TransactionKey
from tests.support.sip_peer import TCP, UDP, invite, statuses, times
from tests.support.transactions import MachineBench


class Owner:
    local_tag = "ours"

    def receive_cancel(self, key: TransactionKey, now: float) -> None:
        raise AssertionError("the table's business")


def start(flow: Flow = UDP) -> tuple[InviteServer, MachineBench]:
    context = TransactionContext()
    machine = InviteServer(("server",), invite(), flow, context, Owner())
    machine.start(0)
    return machine, MachineBench(context)


def answer(machine: InviteServer, status: int, now: float) -> None:
    machine.send_response(make_response(machine.request, status, to_tag="ours"), now)


def test_100_leaves_at_once_and_answers_each_repetition() -> None:
    machine, bench = start()
    assert statuses(bench.sent()) == [100]
    machine.receive_request()
    assert statuses(bench.sent()) == [100]
    answer(machine, 180, 1)
    machine.receive_request()
    assert statuses(bench.sent()) == [180, 180]
    assert bench.advance(machine, 0, 1000) == [], "ringing has no timer of the transaction"


def test_a_refusal_is_repeated_by_timer_g_up_to_t2_until_timer_h() -> None:
    machine, bench = start()
    answer(machine, 486, 0)
    bench.sent()
    assert times(bench.advance(machine, 0, 100)) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert machine.is_terminated
    assert bench.timeouts == [], "a missing ACK for a refusal concerns nobody"


def test_refusals_to_a_host_that_acknowledges_none_are_repeated_no_more() -> None:
    context = TransactionContext()
    machines = [InviteServer((str(at),), invite(), UDP, context, Owner()) for at in range(MOST_REPEATED + 1)]
    for machine in machines:
        answer(machine, 486, 0)
    last, bench = machines[-1], MachineBench(context)
    bench.sent()
    last.receive_request()
    assert statuses(bench.sent()) == [486], "asked again, it answers again"
    repeated = {key for key, letter in context.deadlines.pop_due(1) if letter == "G"}
    assert repeated == {machine.key for machine in machines[:-1]}
    for machine in machines[:-1]:
        machine.receive_ack(1)
    last.terminate()
    assert not context.unacknowledged


def test_timer_g_is_still_over_tcp_and_timer_h_is_not() -> None:
    machine, bench = start(TCP)
    answer(machine, 486, 0)
    bench.sent()
    assert bench.advance(machine, 0, 31.9) == []
    assert machine.state is InviteServerState.COMPLETED
    bench.advance(machine, 0, 32)
    assert machine.is_terminated


def test_a_repeated_invite_gets_the_refusal_again() -> None:
    machine, bench = start()
    answer(machine, 486, 0)
    bench.sent()
    machine.receive_request()
    assert statuses(bench.sent()) == [486]


def test_the_ack_stops_the_repetition_and_timer_i_absorbs_more_acks() -> None:
    machine, bench = start()
    answer(machine, 486, 0)
    bench.sent()
    assert not machine.receive_ack(1), "the ACK to a refusal ends here"
    assert machine.state is InviteServerState.CONFIRMED
    assert not machine.receive_ack(2)
    machine.receive_request()
    assert bench.sent() == []
    assert bench.advance(machine, 0, 5.9) == []
    assert not machine.is_terminated
    bench.advance(machine, 0, 6)
    assert machine.is_terminated


def test_timer_i_is_zero_over_tcp() -> None:
    machine, bench = start(TCP)
    answer(machine, 486, 0)
    machine.receive_ack(1)
    assert machine.is_terminated
    assert len(bench.context.deadlines) == 0


@pytest.mark.parametrize("flow", [UDP, TCP])
def test_after_a_2xx_invites_are_absorbed_2xx_and_acks_pass_until_timer_l(flow: Flow) -> None:
    machine, bench = start(flow)
    answer(machine, 200, 0)
    assert statuses(bench.sent()) == [100, 200]
    assert machine.state is InviteServerState.ACCEPTED
    machine.receive_request()
    assert bench.sent() == []
    answer(machine, 200, 0.5)
    assert statuses(bench.sent()) == [200]
    answer(machine, 486, 0.6)
    answer(machine, 180, 0.6)
    assert bench.sent() == []
    assert machine.receive_ack(1), "an ACK goes up to the core"
    assert machine.receive_ack(2)
    bench.advance(machine, 0, 31.9)
    assert not machine.is_terminated
    bench.advance(machine, 0, 32)
    assert machine.is_terminated


def test_an_ack_before_any_final_response_changes_nothing() -> None:
    machine, bench = start()
    bench.sent()
    assert not machine.receive_ack(1)
    assert machine.state is InviteServerState.PROCEEDING


def test_a_second_final_response_is_not_sent() -> None:
    machine, bench = start()
    answer(machine, 487, 0)
    bench.sent()
    answer(machine, 200, 0)
    assert bench.sent() == []


def test_a_cancel_is_told_to_its_owner_who_is_not_kept() -> None:
    told: list[float] = []

    class Call(Owner):
        def receive_cancel(self, key: TransactionKey, now: float) -> None:
            told.append(now)

    call = Call()
    machine = InviteServer(("server",), invite(), UDP, TransactionContext(), call)
    machine.cancel(1)
    del call
    machine.cancel(2)
    assert told == [1]
    assert machine.local_tag == "ours", "the 200 to the CANCEL still has our tag"
