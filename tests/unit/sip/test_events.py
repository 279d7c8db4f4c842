from __future__ import annotations

import dataclasses
import typing

from gateway.sip.events import CallConfirmed, CallEnded, EndCause, Event
from gateway.sip.headers import Headers


def test_every_event_is_a_frozen_slotted_dataclass() -> None:
    for event in typing.get_args(Event):
        assert dataclasses.is_dataclass(event), event
        assert event.__dataclass_params__.frozen, event
        assert "__slots__" in vars(event), event


def test_every_event_of_a_call_names_it() -> None:
    outside_calls = ("Request", "Flow", "Account")
    named = [event for event in typing.get_args(Event) if not event.__name__.startswith(outside_calls)]
    assert all(dataclasses.fields(event)[0].name == "call" for event in named)


def test_an_end_is_the_same_whatever_headers_came_with_it() -> None:
    assert CallEnded("c", EndCause.BYE, Headers([("Reason", "x")])) == CallEnded("c", EndCause.BYE)


def test_a_confirmation_is_of_the_call_unless_it_says_otherwise() -> None:
    assert not CallConfirmed("c", None).is_reoffer
