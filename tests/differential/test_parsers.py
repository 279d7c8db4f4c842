"""Our parser beside sipmessage, aiosipua and sdp-transform: the same corpus, the same questions, and who is right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.differential.conftest import Answers
from tests.differential.views import read_by_us
from tests.support.corpus import Specimen, read_corpus

VERDICTS: list[dict[str, Any]] = YAML(typ="safe", pure=True).load(Path(__file__).parent / "verdicts.yaml")
EXPLAINED = {(one["oracle"], one["view"], name) for one in VERDICTS for name in one["messages"]}
RIGHT = {"we", "they", "both", "neither"}


def differences(specimen: Specimen, answers: Answers) -> Iterator[tuple[str, str, object, object]]:
    """(oracle, view, ours, theirs) of each view that both have and that differs."""
    ours = read_by_us(specimen.data)
    for oracle, theirs in answers[specimen.name].items():
        for view, value in theirs.items():
            mine = ours.get(view)
            if is_beside_the_point(view, ours, theirs) or (is_error(mine) and is_error(value)):
                continue
            if mine != value:
                yield oracle, view, mine, value


def is_beside_the_point(view: str, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """What follows from a difference that is told by itself: one of us has no message, or no header of that name."""
    if view == "message":
        return False
    is_header = view.startswith(("header ", "elements "))
    return is_error(ours["message"]) or is_error(theirs.get("message")) or (is_header and view not in ours)


def is_error(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"error"}


@pytest.mark.parametrize("name", read_corpus())
def test_every_difference_is_explained(name: str, corpus: dict[str, Specimen], answers: Answers) -> None:
    found = [
        f"{oracle} reads {view} otherwise\n  we:   {mine}\n  they: {theirs}"
        for oracle, view, mine, theirs in differences(corpus[name], answers)
        if (oracle, view, name) not in EXPLAINED
    ]
    assert not found, "\n".join(found)


def test_every_explanation_still_explains_something(corpus: dict[str, Specimen], answers: Answers) -> None:
    found = {
        (oracle, view, name) for name, specimen in corpus.items() for oracle, view, *_ in differences(specimen, answers)
    }
    assert EXPLAINED - found == set()


def test_every_verdict_says_who_is_right_and_by_which_section() -> None:
    for verdict in VERDICTS:
        assert verdict["right"] in RIGHT - {"they"}, f"what they are right in is to be mended here: {verdict}"
        assert re.fullmatch(r"RFC \d{4} §\d+(\.\d+)*", verdict["rule"]), verdict
        assert verdict["because"].strip(), verdict
    pairs = Counter((one["oracle"], one["view"], name) for one in VERDICTS for name in one["messages"])
    assert {key for key, count in pairs.items() if count > 1} == set()


def test_the_oracles_have_read_enough_to_be_worth_asking(corpus: dict[str, Specimen], answers: Answers) -> None:
    views = Counter(oracle for each in answers.values() for oracle, seen in each.items() for _ in seen)
    assert views["sipmessage"] > 15 * len(corpus)
    assert views["aiosipua"] > 15 * len(corpus)
    assert views["sdp-transform"] > 500
