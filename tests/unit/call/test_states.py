from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.call.states import TRANSITIONS, CallState, move


def test_an_inbound_call_rings_answers_talks_holds_and_ends() -> None:
    state = CallState.RINGING
    for target in (CallState.ANSWERING, CallState.TALKING, CallState.HELD, CallState.TALKING, CallState.ENDED):
        state = move(state, target)
    assert state is CallState.ENDED


def test_every_living_state_can_end_and_the_end_is_final() -> None:
    for state in CallState:
        assert (CallState.ENDED in TRANSITIONS[state]) is (state is not CallState.ENDED)


def test_a_step_outside_the_table_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError, match="ringing cannot become talking"):
        move(CallState.RINGING, CallState.TALKING)
    with pytest.raises(LocalProtocolError, match="answering cannot become held"):
        move(CallState.ANSWERING, CallState.HELD)


def test_an_outbound_call_queues_dials_rings_and_may_be_answered_without_ringing() -> None:
    state = CallState.QUEUED
    for target in (CallState.DIALING, CallState.RINGING, CallState.ANSWERING, CallState.TALKING):
        state = move(state, target)
    assert move(CallState.DIALING, CallState.ANSWERING) is CallState.ANSWERING


def test_a_transfer_ends_the_call_or_gives_it_back() -> None:
    assert move(CallState.HELD, CallState.TRANSFERRING) is CallState.TRANSFERRING
    assert TRANSITIONS[CallState.TRANSFERRING] == {CallState.TALKING, CallState.HELD, CallState.ENDED}
