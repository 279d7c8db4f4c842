from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.control.models import CallRequest, TransferRequest


def test_an_order_needs_only_a_destination() -> None:
    order = CallRequest.model_validate({"to": "+1 (555) 010-0111", "from": "+15550100"})
    assert (order.to, order.from_, order.agent, order.trunk) == ("+1 (555) 010-0111", "+15550100", None, None)


def test_a_variable_is_cut_and_cleaned_so_that_no_header_can_grow_from_it() -> None:
    order = CallRequest.model_validate({"to": "1", "variables": {"name": "Ada\r\nVia: evil" + "x" * 1000}})
    assert "\n" not in order.variables["name"]
    assert len(order.variables["name"]) <= 256


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"a": 1}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def test_what_is_nested_as_far_as_anybody_needs_is_taken() -> None:
    assert CallRequest.model_validate({"to": "1", "metadata": nested(32)}).metadata == nested(32)


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {f"X-{number}": "x" for number in range(51)}},
        {"headers": {"Content-Length": "0"}},
        {"headers": {"X-A": ""}},
        {"session": {"x": "y" * 40_000}},
        {"session": nested(33)},
        {"metadata": nested(33)},
        {"metadata": {"a": [[[nested(31)]]]}},
        {"max_duration_s": 0},
        {"webhook": {}},
    ],
)
def test_bounds_and_names_are_checked(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CallRequest.model_validate({"to": "1", **fields})


def test_a_transfer_names_a_destination_as_an_order_does() -> None:
    assert TransferRequest.model_validate({"to": "1002"}).to_call is None
    with pytest.raises(ValidationError):
        TransferRequest.model_validate({"to": "<sip:evil>"})
