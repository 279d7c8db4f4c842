"""Keeping what fits."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inworld.lenient import convert_leniently


class Leaf(msgspec.Struct):
    name: str | None = None
    count: int = 0


class Tree(msgspec.Struct):
    leaf: Leaf | None = None
    leaves: list[Leaf] | None = None
    title: str = "untitled"
    tag: str | None = msgspec.field(default=None, name="Tag")


@pytest.mark.parametrize("title", [None, 3, [], {}])
def test_what_does_not_fit_keeps_its_default(title: object) -> None:
    assert convert_leniently({"title": title, "Tag": "x"}, Tree) == Tree(tag="x")


def test_structs_inside_are_read_field_by_field() -> None:
    assert convert_leniently({"leaf": {"name": "a", "count": "many"}}, Tree) == Tree(leaf=Leaf(name="a"))


def test_list_elements_that_fit_stay() -> None:
    fields = {"leaves": [{"name": "a"}, 7, {"name": 8, "count": 2}]}
    assert convert_leniently(fields, Tree) == Tree(leaves=[Leaf(name="a"), Leaf(count=2)])


@given(
    st.dictionaries(
        st.sampled_from(["leaf", "leaves", "title", "Tag", "else"]), st.recursive(st.none() | st.text(), st.lists)
    )
)
def test_nothing_makes_it_raise(fields: dict[str, object]) -> None:
    assert isinstance(convert_leniently(fields, Tree), Tree)
