"""The table forgets what it drops, everywhere."""

from __future__ import annotations

from dataclasses import replace

from gateway.sip.events import AccountRegistered, AccountUnregistered, UnregisterCause
from gateway.sip.registrar.binding import Binding
from gateway.sip.registrar.bindings import Bindings, RegistrationEvent
from tests.support.sip_peer import TCP, UDP


def table() -> tuple[Bindings, list[RegistrationEvent]]:
    told: list[RegistrationEvent] = []
    return Bindings(told.append), told


A = Binding("1001", "sip:a@h", TCP, 100.0)
B = Binding("1001", "sip:b@h", UDP, 50.0)


def test_replacing_tells_only_what_changed() -> None:
    bindings, told = table()
    bindings.replace("1001", {1: A}, 0.0)
    bindings.replace("1001", {1: A, 2: B}, 0.0)
    assert [type(event) for event in told] == [AccountRegistered, AccountRegistered]
    bindings.replace("1001", {1: replace(A, expires_at=120.0)}, 0.0)
    assert told[2:] == [
        AccountUnregistered("1001", "sip:b@h", UDP, UnregisterCause.REMOVED),
        AccountRegistered("1001", "sip:a@h", TCP, 120, is_refresh=True),
    ]
    assert len(bindings) == 1


def test_a_binding_that_moves_leaves_its_old_flow() -> None:
    bindings, _ = table()
    bindings.replace("1001", {1: A}, 0.0)
    bindings.replace("1001", {1: replace(A, flow=UDP)}, 0.0)
    assert list(bindings.flows) == [UDP]
    bindings.flow_failed(TCP)
    assert len(bindings) == 1


def test_everything_is_gone_after_the_last() -> None:
    bindings, _ = table()
    bindings.replace("1001", {bindings.next_number(): A, bindings.next_number(): B}, 0.0)
    assert bindings.next_deadline() == 50.0
    bindings.expire(50.0)
    bindings.flow_failed(TCP)
    assert (len(bindings), bindings.accounts, list(bindings.flows), bindings.next_deadline()) == (0, [], [], None)
    bindings.replace("1001", {bindings.next_number(): A}, 0.0)
    bindings.forget("1001")
    assert (len(bindings), bindings.of("1001")) == (0, {})
