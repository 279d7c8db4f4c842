"""Events are values."""

from __future__ import annotations

import dataclasses
import typing

import msgspec
import pytest

from gateway.inworld.protocol_events import RealtimeEvent, ResponseStarted


@pytest.mark.parametrize("event", typing.get_args(RealtimeEvent), ids=lambda event: event.__name__)
def test_events_are_frozen_and_slotted(event: type) -> None:
    if issubclass(event, msgspec.Struct):
        assert event.__struct_config__.frozen
    else:
        assert dataclasses.is_dataclass(event)
        assert event.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert "__slots__" in vars(event)


def test_events_compare_by_value() -> None:
    assert ResponseStarted("r1") == ResponseStarted("r1")
    assert ResponseStarted("r1") != ResponseStarted("r2")
