"""YAML to values with lines; what is not YAML is explained in one sentence."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.lines import read_document

FILE = """\
# A comment
sip:
  listen:
    - udp://0.0.0.0:5060

    - tcp://0.0.0.0:5060
routes:
  - {to: +15550100, from: "+44",
     agent: desk}
agents:
  desk:
    session:
      instructions: >-
        Two
        lines
"""


def test_values_lines_and_texts() -> None:
    document, faults = read_document(FILE)
    assert not faults
    assert document.data["routes"] == [{"to": 15550100, "from": "+44", "agent": "desk"}]
    assert document.data["agents"]["desk"]["session"]["instructions"] == "Two lines"
    assert document.line_of(("sip",)) == 2
    assert document.line_of(("sip", "listen", 1)) == 6
    assert document.line_of(("routes", 0, "to")) == 8
    assert document.line_of(("routes", 0, "agent")) == 9
    assert document.line_of(("agents", "desk", "session", "instructions")) == 13
    assert document.text_of(("routes", 0, "to")) == "+15550100", "the plus sign is not lost"
    assert document.text_of(("routes",)) is None


def test_what_is_not_in_the_file_is_where_its_nearest_parent_is() -> None:
    document, _ = read_document(FILE)
    assert document.line_of(("sip", "tls", "key")) == 2
    assert document.line_of(("nowhere",)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("true", True),
        ("012", 12),
        ("0o14", 12),
        ("0x10", 16),
        ("1.5", 1.5),
        ("~", None),
        ("", None),
        ("2026-11-20", "2026-11-20"),
        ("'5'", "5"),
        ("1:30", "1:30"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_single_values_follow_yaml_1_2(text: str, value: object) -> None:
    document, faults = read_document(f"key: {text}\n")
    assert not faults
    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)


def test_keys_are_text() -> None:
    assert read_document("agents: {1001: x, true: y}\n")[0].data == {"agents": {"1001": "x", "true": "y"}}


def test_all_duplicate_keys_are_found() -> None:
    document, faults = read_document("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert [(fault.path, fault.line, fault.text) for fault in faults] == [
        (("b", "c"), 4, "is already on line 3; remove one of the two"),
        (("a",), 5, "is already on line 1; remove one of the two"),
    ]
    assert document.data == {"a": 1, "b": {"c": 1}}


def test_anchors_and_merges() -> None:
    text = "x: &base {a: 1, b: 2}\ny: &more {b: 3, c: 4}\nz:\n  <<: [*base, *more]\n  c: 5\nw: {<<: *base}\nv: *base\n"
    document, faults = read_document(text)
    assert not faults
    assert document.data["z"] == {"a": 1, "b": 2, "c": 5}
    assert document.data["w"] == document.data["v"] == {"a": 1, "b": 2}
    assert document.line_of(("z", "a")) == 1, "a fault in an inherited value is where the value stands"
    assert document.line_of(("z", "c")) == 5


def test_a_merge_of_nothing_is_a_fault() -> None:
    _, faults = read_document("a:\n  <<: word\n")
    assert [str(fault) for fault in faults] == [
        'a."<<": is not a mapping; write <<: *name of an anchored mapping',
    ]


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert read_document("# nothing\n")[0].data == {}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a:\n\t- b\n", 2, "a tab stands before the first word; indent with spaces"),
        ("a:\n  b: 1\n\tc: 2\n", 3, "a tab stands before the first word"),
        ("x: 1\nto: *\n", 2, 'a value begins with "*"; put it in quotes'),
        ("x: 1\nto: *555\n", 2, 'a value begins with "*"; put it in quotes'),
        ("x: 1\nfrom: @anna\n", 2, "put the value in quotes"),
        ("x: 1\nfrom: %41\n", 2, "put the value in quotes"),
        ('x: 1\nsay: "Hello\ny: 2\n', 2, "a quote is opened here and not closed"),
        ("x: 1\nlisten: [a, b\ny: 2\n", 2, "a [ is opened here and not closed"),
        ("x: 1\nroute: {a: b\ny: 2\n", 2, "a { is opened here and not closed"),
        ("x: [[[", 1, "opened here and not closed"),
        ("a: b: c\n", 1, 'there is a second ": " here'),
        ("a:\n  b: 1\n   c: 2\n", 3, 'there is a second ": " here'),
        ("a:\n  b: 1\n c: 2\n", 3, "the indentation does not fit"),
        (" a: 1\nb: 2\n", 2, "the indentation does not fit"),
        ("a:\n  b: 1\n  c:2\n", 3, "this is not <key>: <value>"),
        ("a: 1\n---\nb: 2\n", 1, "a second document begins after this one"),
        ("a: 1\nb: \x00\n", 2, "there is an unprintable character here"),
        ("[" * 600, 1, "is nested too deeply"),
    ],
)
def test_what_is_not_yaml_is_one_fault_with_its_line(text: str, line: int, words: str) -> None:
    document, faults = read_document(text)
    assert len(faults) == 1
    assert (faults[0].path, faults[0].line) == ((), line)
    assert words in faults[0].text
    assert document.data == {}


def test_an_unknown_tag_is_a_fault_and_not_shown() -> None:
    _, faults = read_document("key: !c2VjcmV0 x\n")
    assert [str(fault) for fault in faults] == ['key: begins with "!", which means something in YAML; put it in quotes']


def test_a_key_that_is_a_list_is_a_fault() -> None:
    _, faults = read_document("a:\n  ? [b]\n  : c\n")
    assert [(fault.line, fault.path) for fault in faults] == [(2, ("a",))]


def test_a_file_that_contains_itself_is_a_fault() -> None:
    _, faults = read_document("a: &x\n  - *x\n")
    assert len(faults) == 1
    assert "repeats itself" in faults[0].text


def test_aliases_of_aliases_do_not_exhaust_the_machine() -> None:
    levels = [f"l{level}: &l{level} [" + ", ".join([f"*l{level - 1}"] * 20) + "]" for level in range(1, 15)]
    began = time.process_time()
    _, faults = read_document("l0: &l0 x\n" + "\n".join(levels) + "\n")
    assert len(faults) == 1
    assert time.process_time() - began < 5


def test_an_anchor_that_is_defined_again_makes_no_noise(recwarn: pytest.WarningsRecorder) -> None:
    assert read_document("a: &x 1\nb: &x 2\nc: *x\n")[0].data["c"] == 2
    assert not recwarn.list


@given(st.text("ab:-[]{}\"'*&!|>%@#,? \n\t<0", max_size=60))
def test_any_text_is_a_document_or_a_fault(text: str) -> None:
    document, faults = read_document(text)
    assert all(fault.line >= 1 for fault in faults)
    assert document.line_of(()) == 1


def test_characters_that_json_writes_in_two_halves_are_one() -> None:
    document, found = read_document('{"\\ud83d\\ude00": ["\\ud83d\\ude00 x"]}')
    assert (document.data, found) == ({"\U0001f600": ["\U0001f600 x"]}, [])


@pytest.mark.parametrize("text", ['{"\\ud83d": 1}', 'a: ["\\ude00"]'])
def test_half_a_character_is_a_fault(text: str) -> None:
    _, found = read_document(text)
    assert [fault.text for fault in found] == ["has half a character in it; write the whole one"]
