"""A datagram of 60 kB costs less than 50 ms whatever stands in it: parsed, every view read, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gateway.sip.framing import StreamFramer
from gateway.sip.grammar import SipParseError
from gateway.sip.message import Request, Response, make_response, parse_message
from gateway.sip.uri import SipUri
from gateway.sip.validation import KNOWN_METHODS, check_accept, check_body, check_request, check_response
from tests.support.cpu_cost import yardsticks

LIMIT = 5
"""Yardsticks, of some 10 ms."""
SIZE = 60_000

START = b"INVITE sip:grace@example.org SIP/2.0\r\n"
LIST_HEADERS = ("Via", "Contact", "Route", "Record-Route", "Require", "Accept", "Content-Encoding")
VIEWS = (
    "vias",
    "via",
    "from_",
    "to",
    "call_id",
    "cseq",
    "contacts",
    "routes",
    "record_routes",
    "max_forwards",
    "content_type",
)

FILLINGS: dict[str, bytes] = {
    "commas": b",",
    "quotes": b'"',
    "escaped_quotes": b'\\"',
    "quote_then_escapes": b'"\\',
    "backslashes": b"\\",
    "opening_brackets": b"<",
    "closing_brackets": b">",
    "brackets": b"<>",
    "square_brackets": b"[",
    "semicolons": b";",
    "equals": b"=",
    "parameters": b";a=b",
    "many_parameters_of_one_name": b";tag=x",
    "quoted_parameters": b';a="\\""',
    "unfinished_quoted_parameters": b';a="',
    "colons": b":",
    "slashes": b"/",
    "ats": b"@",
    "percents": b"%",
    "escapes": b"%41",
    "question_marks": b"?",
    "spaces": b" ",
    "tabs": b"\t",
    "spaces_and_letters": b" a",
    "zeros": b"0",
    "nines": b"9",
    "letters": b"a",
    "dots": b".",
    "nuls": b"\0",
    "broken_utf8": b"\xff",
    "carriage_returns": b"\r",
    "line_feeds": b"\n",
    "folds": b"\r\n ",
    "folds_with_text": b"\r\n\ta",
    "folded_commas": b",\r\n ",
    "vias": b"SIP/2.0/UDP a,",
    "vias_with_blanks": b"SIP / 2.0 / UDP a ; b = c ,",
    "addresses": b"<sip:a@b>,",
    "quoted_addresses": b'"a,b" <sip:a@b;c=d>;e=f,',
    "names_before_a_bracket": b'"a" ',
    "uris": b"sip:a@b;c,",
    "uri_headers": b"?a=b&c=d",
    "tel": b"tel:+1-5.(5)",
    "comments": b"((((",
    "tokens": b"token, ",
}

PREFIXES: dict[str, str] = {
    "": "",
    "via": "SIP/2.0/UDP ",
    "via_with_params": "SIP/2.0/UDP a;b=",
    "address": "<sip:a@b>",
    "uri": "sip:",
    "bracketed_uri": "<sip:",
    "tel": "<tel:+1",
    "quoted": '"',
    "user": "<sip:a",
    "uri_params": "<sip:a@b;",
    "ipv6": "<sip:a@[",
}


def read_everything(data: bytes) -> None:
    """What the gateway may ever ask of a message before it knows that it is a good one."""
    try:
        message = parse_message(data)
    except SipParseError as error:
        if error.request is None:
            return
        message = error.request
    for name in VIEWS:
        attempt(lambda name=name: getattr(message, name))  # type: ignore[misc]
    for header in LIST_HEADERS:
        attempt(lambda header=header: message.headers.split(header))  # type: ignore[misc]
    if isinstance(message, Response):
        check_response(message)
        return
    attempt(lambda: message.request_uri)
    check_request(message, supported_methods=KNOWN_METHODS, supported_extensions=(), will_forward=True)
    check_body(message, ["application/sdp"])
    check_accept(message, "application/sdp")
    attempt(lambda: message.from_.uri.equivalent(message.to.uri))
    attempt(lambda: message.from_.uri.decoded_user if isinstance(message.from_.uri, SipUri) else None)
    make_response(message, 400, to_tag="t").to_bytes()


def attempt(action: Callable[[], object]) -> None:
    try:
        action()
    except SipParseError:
        return


def filled(filling: bytes, size: int) -> bytes:
    return (filling * (size // len(filling) + 1))[:size]


def everywhere(filling: bytes) -> bytes:
    """The same text in every header that is looked into."""
    names = (*LIST_HEADERS, "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type", "Content-Disposition")
    share = filled(filling, SIZE // len(names) - 20)
    return START + b"".join(name.encode() + b": " + share + b"\r\n" for name in names) + b"\r\n"


def one_header(name: str, prefix: str, filling: bytes) -> bytes:
    value = prefix.encode() + filled(filling, SIZE - 100)
    return START + name.encode() + b": " + value + b"\r\n\r\n"


def shapes() -> Iterator[tuple[str, bytes]]:
    """Datagrams whose number of parts is what costs."""
    yield "tiny_headers", START + b"a:b\r\n" * 12_000 + b"\r\n"
    yield "tiny_headers_bare_lf", START + b"a:b\n" * 15_000 + b"\n"
    yield "distinct_headers", START + b"".join(b"h%d:\r\n" % number for number in range(8_000)) + b"\r\n"
    yield "vias", START + b"v:SIP/2.0/UDP a\r\n" * 3_500 + b"\r\n"
    yield "via_list", START + b"v:" + b"SIP/2.0/UDP a;branch=z9hG4bKb," * 2_000 + b"SIP/2.0/UDP a\r\n\r\n"
    yield "record_routes", START + b"Record-Route:" + b"<sip:a;lr>," * 5_400 + b"<sip:a>\r\n\r\n"
    yield "contacts", START + b"m:" + b'"\\"" <sip:a@b:1;c>;d="e",' * 2_200 + b"<sip:a>\r\n\r\n"
    yield "from_params", START + b"f:<sip:a@b>" + b"".join(b";p%d" % number for number in range(9_500)) + b"\r\n\r\n"
    yield "uri_params", START + b"f:<sip:a@b" + b"".join(b";p%d" % number for number in range(9_500)) + b">\r\n\r\n"
    yield "content_lengths", START + b"l:0\r\n" * 12_000 + b"\r\n"
    yield "no_colons", START + b"a\r\n" * 20_000 + b"\r\n"
    yield "folded_once_per_letter", START + b"f:\r\n" + b" a\r\n" * 14_900 + b"\r\n"
    yield "empty_lines_first", b"\r\n" * 29_000 + START + b"\r\n"
    yield "only_line_ends", b"\r\n" * 30_000
    yield "long_method", b"A" * 59_000 + b" sip:a SIP/2.0\r\n\r\n"
    yield "long_uri", b"INVITE sip:" + b"%41" * 19_000 + b"@b SIP/2.0\r\n\r\n"
    yield "uri_of_blanks", b"INVITE " + b" " * 59_000 + b" SIP/2.0\r\n\r\n"
    yield "long_status", b"SIP/2.0 " + b"2" * 59_000 + b" OK\r\n\r\n"
    yield "long_reason", b"SIP/2.0 200 " + b"\xff" * 59_000 + b"\r\n\r\n"
    yield "response_with_vias", b"SIP/2.0 200 OK\r\nv:" + b"SIP/2.0/UDP a," * 4_200 + b"SIP/2.0/UDP a\r\n\r\n"
    yield "no_line_end", b"INVITE " * 8_500


SHAPES = dict(shapes())


@pytest.mark.parametrize("name", FILLINGS)
def test_any_text_in_every_header_is_cheap(name: str) -> None:
    data = everywhere(FILLINGS[name])
    assert yardsticks(lambda: read_everything(data), LIMIT) <= LIMIT


@pytest.mark.parametrize("name", FILLINGS)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_text_in_one_giant_header_is_cheap(name: str, prefix: str) -> None:
    for header in ("Via", "From", "Contact"):
        data = one_header(header, PREFIXES[prefix], FILLINGS[name])
        assert yardsticks(lambda data=data: read_everything(data), LIMIT) <= LIMIT, header  # type: ignore[misc]


@pytest.mark.parametrize("name", SHAPES)
def test_any_number_of_parts_is_cheap(name: str) -> None:
    assert 50_000 < len(SHAPES[name]) < 65_536
    assert yardsticks(lambda: read_everything(SHAPES[name]), LIMIT) <= LIMIT


@pytest.mark.parametrize("name", FILLINGS)
def test_nothing_but_filling_is_cheap(name: str) -> None:
    for data in (filled(FILLINGS[name], SIZE), START + filled(FILLINGS[name], SIZE) + b"\r\n\r\n"):
        assert yardsticks(lambda data=data: read_everything(data), LIMIT) <= LIMIT  # type: ignore[misc]


@pytest.mark.parametrize("name", [*SHAPES, "commas", "folds", "line_feeds"])
def test_a_stream_fed_in_pieces_is_cheap(name: str) -> None:
    data = SHAPES[name] if name in SHAPES else everywhere(FILLINGS[name])

    def feed() -> None:
        framer = StreamFramer()
        for start in range(0, len(data), 100):
            framer.receive_data(data[start : start + 100])
            try:
                while framer.next_message() is not None:
                    pass
            except SipParseError:
                return

    assert yardsticks(feed, LIMIT) <= LIMIT


def test_a_good_message_of_that_size_is_read_in_that_time() -> None:
    body = b"v" * SIZE
    data = START + (
        b"Via: SIP/2.0/UDP a;branch=z9hG4bKb\r\nFrom: <sip:a@b>;tag=c\r\nTo: <sip:d@e>\r\nCall-ID: f\r\n"
        b"CSeq: 1 INVITE\r\nContent-Length: 60000\r\n\r\n" + body
    )
    message = parse_message(data)
    assert isinstance(message, Request)
    assert message.body == body
    assert check_request(message, supported_methods=KNOWN_METHODS, supported_extensions=()) is None
    assert yardsticks(lambda: read_everything(data), LIMIT) <= LIMIT
