"""What sections share: strictness and the words that are not quite YAML's."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from gateway.settings.schema.section import (
    Number,
    Pattern,
    Seconds,
    Section,
    WholeNumber,
    accept_number_403,
    name_empty_entries,
    read_none,
    refuse_repetition,
)


class Example(Section):
    count: WholeNumber = 1
    rate: Number = 1.5
    wait_s: Seconds = 2
    fits: Pattern = "*"
    names: Annotated[tuple[str, ...], AfterValidator(refuse_repetition)] = ()
    word: Annotated[str | None, BeforeValidator(read_none)] = "x"
    kind: str = Field("a", alias="class")


def test_unknown_keys_are_refused_and_empty_ones_absent() -> None:
    assert Example.model_validate({"count": None, "class": "b"}) == Example(**{"class": "b"})
    with pytest.raises(ValidationError):
        Example.model_validate({"kind": "b"})


@pytest.mark.parametrize(
    "values",
    [
        {"count": True},
        {"count": 1.5},
        {"rate": False},
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"wait_s": -1},
        {"wait_s": 86_401},
        {"fits": "a b"},
        {"fits": ""},
        {"names": ["a", "a"]},
    ],
)
def test_values_out_of_shape_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Example.model_validate(values)


def test_words() -> None:
    assert Example.model_validate({"word": "none"}).word is None
    assert (accept_number_403(403), accept_number_403("off")) == ("403", "off")
    assert name_empty_entries({"a": None, "b": {"x": 1}}) == {"a": {}, "b": {"x": 1}}
    assert name_empty_entries(5) == 5


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Example().count = 2  # type: ignore[misc]
