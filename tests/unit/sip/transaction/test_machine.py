from __future__ import annotations

from gateway.sip.flow import Flow
from gateway.sip.transaction.machine import Machine, TimerValues, TransactionContext

FLOW = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 5060))


class Lingering(Machine):
    LETTERS = "XY"

    def arm(self, now: float) -> None:
        self._arm("X", now, 1)
        self._arm("Y", now, 2)

    def linger(self, now: float, after_s: float) -> None:
        self._linger("Y", now, after_s)


def test_64_t1_is_32_seconds_by_default() -> None:
    assert TimerValues().give_up_s == 32
    assert TimerValues(t1=0.1).give_up_s == 6.4


def test_a_terminated_machine_leaves_no_timer_and_is_forgotten() -> None:
    context = TransactionContext()
    forgotten: list[Machine] = []
    context.forget = forgotten.append
    machine = Lingering(("k",), FLOW, context)
    machine.arm(10)
    assert context.deadlines.next_deadline() == 11
    machine.terminate()
    assert context.deadlines.next_deadline() is None
    assert machine.is_terminated
    assert forgotten == [machine]


def test_lingering_replaces_all_timers_by_one() -> None:
    context = TransactionContext()
    machine = Lingering(("k",), FLOW, context)
    machine.arm(10)
    machine.linger(10, 5)
    assert context.deadlines.pop_due(100) == [(("k",), "Y")]
    assert not machine.is_terminated


def test_lingering_for_no_time_is_the_end() -> None:
    context = TransactionContext()
    machine = Lingering(("k",), FLOW, context)
    machine.arm(10)
    machine.linger(10, 0)
    assert machine.is_terminated
    assert len(context.deadlines) == 0


def test_sending_keeps_the_order_and_the_flow() -> None:
    context = TransactionContext()
    context.send(FLOW, b"one")
    context.send(FLOW, b"two")
    assert context.outgoing == [(FLOW, b"one"), (FLOW, b"two")]
