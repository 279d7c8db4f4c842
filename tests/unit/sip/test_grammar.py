from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.grammar import (
    MAX_LIST_ELEMENTS,
    MAX_PARAMS,
    SipParseError,
    decode_escapes,
    escape_user,
    excerpt,
    format_host_port,
    format_params,
    is_number,
    is_token,
    parse_host_port,
    parse_number,
    parse_params,
    quote_string,
    split_list,
    unquote_string,
)


@pytest.mark.parametrize("text", ["INVITE", "z9hG4bK-1.2", "a!b%c*d_e+f`g'h~i", "0"])
def test_tokens(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize("text", ["", "a b", "a:b", 'a"b', "é", "a\n", "a@b", "a/b", "\0"])
def test_what_is_no_token(text: str) -> None:
    assert not is_token(text)


def test_numbers_are_ascii_digits() -> None:
    assert is_number("0042")
    for text in ("", "-1", "+1", "1.0", "²", "٣", "1 "):
        assert not is_number(text)


def test_a_number_is_bounded_and_its_length_is_not_trusted() -> None:
    assert parse_number("00255", 255, "x") == 255
    assert parse_number("0" * 60_000 + "7", 255, "x") == 7
    for text in ("256", "9" * 60_000, "", "-1"):
        with pytest.raises(SipParseError):
            parse_number(text, 255, "x")


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("", []),
        (" \t", []),
        ("a", ["a"]),
        ("a , b,c", ["a", "b", "c"]),
        ("a,,b", ["a", "", "b"]),
        ("a,", ["a", ""]),
        (",", ["", ""]),
        ('"x, y" <sip:a,b@h>, <sip:c>', ['"x, y" <sip:a,b@h>', "<sip:c>"]),
        (r'"a\"," ,b', [r'"a\","', "b"]),
        ('"<" <sip:a>;p="," , z', ['"<" <sip:a>;p=","', "z"]),
        ("<a,b", ["<a,b"]),
        ('<",">,b', ['<",">', "b"]),
    ],
)
def test_lists_split_at_commas_outside_quotes_and_brackets(text: str, elements: list[str]) -> None:
    assert split_list(text) == elements


@pytest.mark.parametrize("text", ['"', '"a, b', r'"a\"', 'a, "b', '"a" "b', '"\\'])
def test_an_unbalanced_quote_is_no_list(text: str) -> None:
    with pytest.raises(SipParseError, match="unbalanced quote"):
        split_list(text)


@pytest.mark.parametrize("element", ["a", '"a"'])
def test_a_list_has_an_end(element: str) -> None:
    assert len(split_list(",".join([element] * MAX_LIST_ELEMENTS))) == MAX_LIST_ELEMENTS
    with pytest.raises(SipParseError, match="more than 256 elements"):
        split_list(",".join([element] * (MAX_LIST_ELEMENTS + 1)))


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("", {}),
        (" ", {}),
        (";lr", {"lr": None}),
        (" ; Tag = aB1 ;q=0.5", {"tag": "aB1", "q": "0.5"}),
        (';text="a;b=\\"c"', {"text": '"a;b=\\"c"'}),
        (";received=2001:db8::1;rport=", {"received": "2001:db8::1", "rport": ""}),
    ],
)
def test_params(text: str, params: dict[str, str | None]) -> None:
    assert parse_params(text) == params


@pytest.mark.parametrize("text", [";", ";;a", ";a;", "a", ";a b", ";a=b c", ';a="', ";a=b,c", ";=b", ";a=<b>", "; ;"])
def test_malformed_params(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_params(text)


def test_a_parameter_comes_once() -> None:
    with pytest.raises(SipParseError, match="given twice"):
        parse_params(";tag=a;Tag=b")


def test_parameters_are_bounded() -> None:
    text = "".join(f";p{number}" for number in range(MAX_PARAMS))
    assert len(parse_params(text)) == MAX_PARAMS
    with pytest.raises(SipParseError, match="parameters"):
        parse_params(text + ";one-more")


def test_params_are_written_as_they_were_read() -> None:
    assert format_params(parse_params(' ; a = "b c" ;d')) == ';a="b c";d'


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.org", "example.org", None),
        ("192.0.2.1:5060", "192.0.2.1", 5060),
        ("[2001:db8::1]:5062", "2001:db8::1", 5062),
        ("h : 5", "h", 5),
        ("host_name", "host_name", None),
    ],
)
def test_hosts(text: str, host: str, port: int | None) -> None:
    assert parse_host_port(text, 0, "Via") == (host, port, len(text))
    assert parse_host_port(format_host_port(host, port), 0, "Via")[:2] == (host, port)


@pytest.mark.parametrize("text", ["", ":5060", "[::1", "[]", "[12345::]", "[1:2:3]", "h:65536", "é.example", "[::1%1]"])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_host_port(text, 0, "Via")


def test_quoted_strings() -> None:
    assert quote_string('a"b\\c') == r'"a\"b\\c"'
    assert unquote_string(r'"\a\"\\"') == 'a"\\'
    assert unquote_string("token") == "token"
    assert unquote_string('"') == '"'


@given(st.text())
def test_what_is_quoted_comes_back(text: str) -> None:
    assert unquote_string(quote_string(text)) == text
    assert split_list(quote_string(text) + ",b") == [quote_string(text), "b"]


@given(st.binary())
def test_what_is_escaped_comes_back(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    escaped = escape_user(text)
    assert decode_escapes(escaped) == text
    assert escaped.isascii()
    assert not set(escaped) & set('\r\n\0 <>"@')


def test_escapes_that_are_none_stay() -> None:
    assert decode_escapes("100%") == "100%"
    assert decode_escapes("%zz%41") == "%zzA"
    assert decode_escapes("plain") == "plain"


@given(st.binary(max_size=200))
def test_excerpts_fit_a_reason_phrase(data: bytes) -> None:
    text = excerpt(data.decode("utf-8", "surrogateescape"))
    assert text.isascii()
    assert text.isprintable()


def test_an_error_says_which_status_answers_it() -> None:
    assert SipParseError("x").status == 400
    assert SipParseError("x", status=513).status == 513
    assert SipParseError("x").request is None


@given(st.text(alphabet='\\"ab\n', max_size=12))
def test_escapes_of_a_quoted_string_are_undone_pair_by_pair(content: str) -> None:
    assert unquote_string(f'"{content}"') == re.sub(r"\\(.)", r"\1", content, flags=re.DOTALL)
