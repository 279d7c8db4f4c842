"""Texts with places in them: what is put in can never become more than text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from gateway.settings.templates import (
    CALL_VARIABLES,
    MAX_HEADER_CHARACTERS,
    MAX_VALUE_CHARACTERS,
    check_header_name,
    check_header_template,
    check_own_header,
    check_variable_name,
    clean_value,
    placeholders,
    render,
    render_headers,
    template_fault,
)


def test_places_are_filled() -> None:
    assert render("From {{caller}} to {{ callee }}.", {"caller": "+15550100", "callee": "desk"}) == (
        "From +15550100 to desk."
    )


def test_a_variable_that_a_call_does_not_have_is_empty() -> None:
    assert render("<{{caller}}>", {}) == "<>"


def test_what_is_put_in_is_not_looked_at_again() -> None:
    assert render("{{a}}{{b}}", {"a": "{{b}}", "b": "{{a}}"}) == "{{b}}{{a}}"


def test_text_without_places_stays() -> None:
    assert render("{caller} { {caller} }", {"caller": "x"}) == "{caller} { {caller} }"


def test_placeholders_once_each_in_order() -> None:
    assert placeholders("{{b}} {{a}} {{ b }} {{}} {{1}}") == ["b", "a"]


@pytest.mark.parametrize("text", ["{{}}", "{{ }}", "{{1a}}", "{{a b}}", "{{a-b}}", "{{a\n\nb}}"])
def test_places_without_a_name_are_faults(text: str) -> None:
    assert template_fault(text) is not None


@pytest.mark.parametrize("text", ["", "plain", "{{a}}", "{{ a_1 }} {", "{{", "}}"])
def test_other_text_is_none(text: str) -> None:
    assert template_fault(text) is None


def test_headers_are_rendered_in_order_and_empty_ones_left_out() -> None:
    templates = {"X-Campaign": "{{campaign}}", "X-From": "tel {{caller}}", "X-Fixed": "yes"}
    assert render_headers(templates, {"caller": "1001"}) == (("X-From", "tel 1001"), ("X-Fixed", "yes"))


@given(st.dictionaries(st.sampled_from(CALL_VARIABLES), st.text(max_size=2000)), st.text(max_size=50))
def test_no_variable_can_begin_a_header_of_its_own(variables: dict[str, str], around: str) -> None:
    template = clean_value(around) + "".join(f"{{{{{name}}}}}" for name in CALL_VARIABLES)
    for _, value in render_headers({"X-A": template}, variables):
        assert value.isprintable()
        assert value == value.strip() != ""
        assert len(value) <= MAX_HEADER_CHARACTERS


@given(st.text(max_size=3000))
def test_cleaned_values_are_one_short_printable_line(text: str) -> None:
    cleaned = clean_value(text)
    assert len(cleaned) <= MAX_VALUE_CHARACTERS
    assert cleaned.isprintable()
    assert clean_value(cleaned) == cleaned
    cleaned.encode()


def test_line_ends_become_spaces_and_controls_nothing() -> None:
    assert clean_value("a\r\nBcc: b\tc\0d\x7fe\udcff") == "a  Bcc: b cde?"


@pytest.mark.parametrize("name", ["Via", "v", "from", "To", "t", "Call-ID", "i", "CSEQ", "contact", "m", "Route"])
def test_headers_of_the_stack_are_refused(name: str) -> None:
    with pytest.raises(PydanticCustomError, match="sets itself"):
        check_own_header(name)


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "l", "Content-Type", "c", "Max-Forwards", "Authorization", "Replaces", "Reason"],
)
def test_so_are_these(name: str) -> None:
    with pytest.raises(PydanticCustomError, match="sets itself"):
        check_own_header(name)


@pytest.mark.parametrize("name", ["X-Campaign", "User-to-User", "Diversion", "P-Asserted-Identity", "Priority"])
def test_others_are_taken(name: str) -> None:
    assert check_own_header(name) == name


@pytest.mark.parametrize("name", ["", "X Campaign", "X:", "X\r\nVia", "X" * 65, "é"])
def test_what_is_no_header_name_is_refused(name: str) -> None:
    with pytest.raises(PydanticCustomError, match="not the name of a header"):
        check_header_name(name)


@pytest.mark.parametrize("text", ["", "a\r\nVia: x", "a\0", " a", "a\t", "x" * 1025])
def test_header_templates_are_one_line(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="one line"):
        check_header_template(text)


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "a" * 65])
def test_variable_names(name: str) -> None:
    assert check_variable_name("campaign_1") == "campaign_1"
    with pytest.raises(PydanticCustomError, match="not a name for a variable"):
        check_variable_name(name)
