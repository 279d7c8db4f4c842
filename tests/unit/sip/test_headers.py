from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import LocalProtocolError
from gateway.sip.grammar import SipParseError
from gateway.sip.headers import Headers, canonical_name


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("v", "Via"),
        ("V", "Via"),
        ("vIA", "Via"),
        ("i", "Call-ID"),
        ("call-id", "Call-ID"),
        ("cseq", "CSeq"),
        ("L", "Content-Length"),
        ("k", "Supported"),
        ("WWW-AUTHENTICATE", "WWW-Authenticate"),
        ("X-Own", "X-Own"),
        ("x-own", "x-own"),
    ],
)
def test_names_have_one_spelling(written: str, canonical: str) -> None:
    assert canonical_name(written) == canonical


def test_names_are_found_in_any_spelling_and_order_is_kept() -> None:
    headers = Headers([("v", "a"), ("X-Own", "1"), ("VIA", "b, c"), ("x-OWN", "2")])
    assert list(headers) == [("Via", "a"), ("X-Own", "1"), ("Via", "b, c"), ("x-OWN", "2")]
    assert headers.get("via") == "a"
    assert headers.get_all("V") == ["a", "b, c"]
    assert headers.get_all("x-own") == ["1", "2"]
    assert headers.split("Via") == ["a", "b", "c"]
    assert headers.get("To") is None
    assert headers.get_all("To") == []
    assert headers.split("To") == []
    assert "v" in headers
    assert "t" not in headers
    assert headers.count("via") == 2
    assert len(headers) == 4


def test_adding_replacing_and_removing() -> None:
    headers = Headers([("Via", "a"), ("Via", "b"), ("To", "c")])
    headers.add("X-Own", " 1 ")
    assert headers.get_all("X-Own") == ["1"]
    headers.set("VIA", "only")
    headers.set("New", "n")
    assert list(headers) == [("Via", "only"), ("To", "c"), ("X-Own", "1"), ("New", "n")]
    headers.remove("x-own")
    headers.remove("absent")
    assert list(headers) == [("Via", "only"), ("To", "c"), ("New", "n")]


def test_the_topmost_element_is_replaced_alone() -> None:
    headers = Headers([("To", "t"), ("Via", "a, b"), ("Via", "c")])
    headers.replace_first("v", "A")
    assert headers.get_all("Via") == ["A, b", "c"]
    with pytest.raises(LocalProtocolError):
        headers.replace_first("Route", "x")


def test_a_copy_is_independent() -> None:
    headers = Headers([("To", "t")])
    copy = headers.copy()
    copy.add("To", "u")
    assert headers.get_all("To") == ["t"]
    assert headers != copy
    assert headers == Headers([("t", "t")])
    assert headers != [("To", "t")]


def test_views_are_read_once_until_a_field_changes() -> None:
    headers = Headers([("To", "t")])
    reads: list[str] = []

    def read(headers: Headers) -> str:
        reads.append("read")
        return f"<{headers.get('To')}>"

    assert [headers.view("to", read), headers.view("to", read)] == ["<t>", "<t>"]
    assert reads == ["read"]
    headers.set("To", "u")
    assert headers.view("to", read) == "<u>"
    for change in (
        lambda: headers.add("A", "b"),
        lambda: headers.remove("A"),
        lambda: headers.replace_first("To", "v"),
    ):
        before = len(reads)
        change()
        headers.view("to", read)
        assert len(reads) == before + 1


@pytest.mark.parametrize("value", ["a\r\nVia: x", "a\nb", "a\rb", "\ud800"])
def test_a_value_of_ours_cannot_begin_a_header(value: str) -> None:
    headers = Headers([("To", "t")])
    for write in (headers.add, headers.set, headers.replace_first):
        with pytest.raises(LocalProtocolError):
            write("To", value)
    with pytest.raises(LocalProtocolError):
        Headers([("To", value)])
    assert list(headers) == [("To", "t")]


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "é", "a\0"])
def test_a_name_of_ours_is_a_token(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        Headers().add(name, "x")


def test_bytes_that_are_no_utf8_may_be_written_back() -> None:
    headers = Headers([("Subject", b"\xff".decode("utf-8", "surrogateescape"))])
    assert headers.get("Subject") == "\udcff"


def test_lists_over_many_fields_have_an_end() -> None:
    headers = Headers([("Require", "a,b")] * 128)
    assert len(headers.split("Require")) == 256
    headers.add("Require", "c")
    with pytest.raises(SipParseError, match="more than 256 elements in Require"):
        headers.split("Require")


@given(st.lists(st.tuples(st.sampled_from(["Via", "v", "To", "X-A", "x-a"]), st.text(alphabet="ab, ", max_size=5))))
def test_what_is_set_is_there_exactly_once(fields: list[tuple[str, str]]) -> None:
    headers = Headers(fields)
    others = [(name, value) for name, value in headers if name != "Via"]
    headers.set("Via", "only")
    assert headers.get_all("Via") == ["only"]
    assert [(name, value) for name, value in headers if name != "Via"] == others
