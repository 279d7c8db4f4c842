"""Calls pieced together from scraps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inworld.tool_calls import CallState, ToolCalls, failure_output, parse_arguments


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", {}),
        ("  ", {}),
        ("{}", {}),
        ('{"to":"desk"}', {"to": "desk"}),
        ('{"to":', None),
        ("[1]", None),
        ("null", None),
        ("[" * 100_000, None),
    ],
)
def test_arguments(raw: str, expected: dict[str, object] | None) -> None:
    assert parse_arguments(raw) == expected


@given(st.text(max_size=50))
def test_no_arguments_make_it_raise(raw: str) -> None:
    assert parse_arguments(raw) is None or isinstance(parse_arguments(raw), dict)


def test_the_output_of_a_call_that_did_not_run() -> None:
    assert failure_output("interrupted") == '{"ok":false,"error":"interrupted"}'


def test_the_name_comes_from_the_item_and_the_arguments_from_elsewhere() -> None:
    calls = ToolCalls()
    calls.note("r1", "f1", "c1", "lookup", "")
    call = calls.note("r1", "f1", "c1", None, '{"q":1}')
    assert (call.name, call.raw_arguments) == ("lookup", '{"q":1}')
    assert len(calls.unsettled("r1")) == 1


def test_arguments_come_from_deltas_when_nothing_else_has_them() -> None:
    calls = ToolCalls()
    for piece in ('{"q"', ":1}"):
        calls.note("r1", "f1", "c1").pieces += piece
    assert calls.note("r1", "f1", "c1", "lookup").raw_arguments == '{"q":1}'


def test_a_call_is_found_by_its_item_until_its_call_id_is_known() -> None:
    calls = ToolCalls()
    calls.note("r1", "f1", None, "lookup")
    call = calls.note("r1", "f1", "c1")
    assert (call.call_id, call.name) == ("c1", "lookup")


def test_an_item_id_used_again_is_another_call() -> None:
    calls = ToolCalls()
    calls.note("r1", "f1", "c1", "lookup")
    calls.answer("c1")
    calls.note("r2", "f1", "c2", "transfer")
    assert [call.name for call in calls.unsettled("r2")] == ["transfer"]


def test_an_answer_counts_once() -> None:
    calls = ToolCalls()
    calls.note("r1", "f1", "c1")
    assert calls.has_open
    assert calls.answer("c1")
    assert not calls.answer("c1")
    assert not calls.answer("unknown")
    assert not calls.has_open


def test_a_call_of_no_known_response_is_settled_with_the_next() -> None:
    calls = ToolCalls()
    call = calls.note("", "f1", "c1")
    assert calls.unsettled("r9") == [call]
    calls.note("r1", "f1", "c1")
    assert calls.unsettled("r9") == []


def test_answered_calls_are_remembered_for_a_while_and_open_ones_always() -> None:
    calls = ToolCalls()
    open_call = calls.note("r0", "f", "open")
    for number in range(200):
        calls.note("r1", f"f{number}", f"c{number}")
        calls.answer(f"c{number}")
    assert calls.note("r1", "f199", "c199").state is CallState.ANSWERED
    assert calls.note("r1", "f0", "c0").state is CallState.COLLECTING
    assert open_call in calls.unsettled("r0")
