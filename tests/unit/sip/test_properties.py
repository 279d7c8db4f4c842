"""Whatever a peer sends is a message or a SipParseError; whatever is a message survives being written and read."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.base.errors import LocalProtocolError
from gateway.sip.address import Address
from gateway.sip.framing import StreamFramer
from gateway.sip.grammar import SipParseError
from gateway.sip.message import Request, Response, make_request, make_response, parse_message
from gateway.sip.uri import SipUri
from gateway.sip.validation import (
    KNOWN_METHODS,
    Refusal,
    check_accept,
    check_body,
    check_request,
    check_response,
)
from gateway.sip.via import Via

TORTURE = Path(__file__).parents[2] / "data" / "torture"
SEEDS = [path.read_bytes() for path in sorted(TORTURE.glob("*.sip"))]

VIEWS = (
    "via",
    "vias",
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

SPICES = [
    *(bytes([octet]) for octet in b'\r\n\t \0"\\<>;:,=@?%/[]*&\xff\xc3'),
    b"\r\n\r\n",
    b"\r\n ",
    b"\n\n",
    b";tag=",
    b"SIP/2.0",
    b"SIP/2.0/UDP ",
    b"sip:",
    b"tel:",
    b"Content-Length: 5\r\n",
    b"l:",
    b"v:",
    b"m: *\r\n",
    b"%00",
    b"4294967296",
    "é".encode(),
]

Edit = tuple[int, int, bytes]
EDITS = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(0, 12), st.one_of(st.sampled_from(SPICES), st.binary(max_size=4))),
    max_size=6,
)


def edited(data: bytes, edits: list[Edit]) -> bytes:
    """``data`` with some octets replaced, dropped or put in."""
    for position, length, spice in edits:
        at = position % (len(data) + 1)
        data = data[:at] + spice + data[at + length :]
    return data


def exercise(data: bytes) -> None:
    """Everything the core does with what came, before it knows whether it is any good."""
    try:
        message = parse_message(data)
    except SipParseError as error:
        assert_printable(error)
        if error.request is not None:
            assert_answerable(error.request, Refusal.from_error(error))
        return
    for view in VIEWS:
        try:
            getattr(message, view)
        except SipParseError as error:
            assert_printable(error)
    if isinstance(message, Response):
        check_response(message)
    else:
        refusals = (
            check_request(message, supported_methods=KNOWN_METHODS, supported_extensions=(), will_forward=True),
            check_request(message, supported_methods=[message.method], supported_extensions=()),
            check_body(message, ["application/sdp"]),
            check_accept(message, "application/sdp"),
        )
        for refusal in refusals:
            if refusal is not None:
                assert_answerable(message, refusal)
    assert_survives(message)


def assert_printable(error: SipParseError) -> None:
    assert str(error).isascii()
    assert str(error).isprintable()


def assert_answerable(request: Request, refusal: Refusal) -> None:
    """A refusal is a message again, and says nothing that we did not mean to say."""
    response = make_response(request, refusal.status, refusal.reason, to_tag="own", headers=refusal.headers)
    again = parse_message(response.to_bytes())
    assert again == response
    assert isinstance(again, Response)
    assert again.status == refusal.status
    assert again.headers.get_all("Via") == request.headers.get_all("Via")


def assert_survives(message: Request | Response) -> None:
    written = message.to_bytes()
    again = parse_message(written)
    assert type(again) is type(message)
    assert again.body == message.body
    assert again.to_bytes() == written
    if message.headers.get("Content-Length") == str(len(message.body)):
        assert again == message
    else:  # it had none, or one with zeros before it
        again.headers.remove("Content-Length")
        message.headers.remove("Content-Length")
        assert again == message


@given(st.binary(max_size=400))
def test_random_octets(data: bytes) -> None:
    exercise(data)


@given(
    st.lists(st.sampled_from(SPICES), max_size=40),
    st.sampled_from([b"INVITE sip:a SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n"]),
)
def test_random_words_behind_a_start_line(words: list[bytes], start: bytes) -> None:
    exercise(start + b"".join(words) + b"\r\n\r\n")


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), EDITS)
def test_edited_messages(seed: bytes, edits: list[Edit]) -> None:
    exercise(edited(seed, edits))


@given(st.sampled_from(SEEDS), st.integers(0, 4000), st.sampled_from(SEEDS), st.integers(0, 4000))
def test_spliced_messages(head: bytes, end: int, tail: bytes, start: int) -> None:
    exercise(head[: end % (len(head) + 1)] + tail[start % (len(tail) + 1) :])


@given(
    st.sampled_from(["Via", "From", "To", "Contact", "Route", "Record-Route", "CSeq", "Call-ID", "Require", "Accept"]),
    st.text(alphabet=st.sampled_from('<>"\\;,=@?:%[] \tsip/2.0UDtag1a\0é'), max_size=60),
)
def test_random_header_values(name: str, value: str) -> None:
    good = {
        "Via": "SIP/2.0/UDP h;branch=z9hG4bKa",
        "From": "<sip:b@h>;tag=f",
        "To": "<sip:a@h>",
        "Call-ID": "c",
        "CSeq": "1 INVITE",
        name: value,
    }
    lines = "".join(f"{header}: {text}\r\n" for header, text in good.items())
    exercise(f"INVITE sip:a SIP/2.0\r\n{lines}\r\n".encode())


@given(st.lists(st.sampled_from(SEEDS), max_size=4), EDITS, st.lists(st.integers(0, 6000), max_size=20))
def test_a_stream_gives_the_same_in_any_pieces(seeds: list[bytes], edits: list[Edit], cuts: list[int]) -> None:
    data = edited(b"".join(seeds), edits)
    assert framed(data, cuts) == framed(data, [])


def framed(data: bytes, cuts: list[int]) -> tuple[list[bytes], int, str | None]:
    framer = StreamFramer()
    messages: list[bytes] = []
    position = 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        framer.receive_data(data[position:cut])
        position = cut
        try:
            while (found := framer.next_message()) is not None:
                messages.append(found)
        except SipParseError as error:
            return messages, framer.pongs_due, str(error)
    return messages, framer.pongs_due, None


TOKENS = st.from_regex(r"[A-Za-z0-9.!%*_+`'~-]{1,12}", fullmatch=True)
HOSTS = st.sampled_from(["example.org", "192.0.2.1", "2001:db8::1", "a_b"])
PORTS = st.one_of(st.none(), st.integers(0, 65535))
PARAMS = st.dictionaries(TOKENS.map(str.lower), st.one_of(st.none(), TOKENS), max_size=4)
URI_TEXT = st.from_regex(r"[A-Za-z0-9._~+-]{1,10}", fullmatch=True)
URIS = st.builds(
    SipUri,
    st.sampled_from(["sip", "sips"]),
    URI_TEXT,
    st.one_of(st.none(), URI_TEXT),
    HOSTS,
    PORTS,
    st.dictionaries(URI_TEXT.map(str.lower), st.one_of(st.none(), URI_TEXT), max_size=3),
    st.one_of(st.none(), URI_TEXT),
)
NAMES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)
ADDRESSES = st.builds(Address, NAMES, URIS, PARAMS)
VIAS = st.builds(Via, TOKENS.map(str.upper), HOSTS, PORTS, PARAMS)


@given(
    st.sampled_from(sorted(KNOWN_METHODS)),
    URIS,
    st.lists(VIAS, min_size=1, max_size=3),
    st.lists(ADDRESSES, min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=50),
)
def test_what_is_built_of_typed_values_is_read_as_them(
    method: str, uri: SipUri, vias: list[Via], addresses: list[Address], number: int, body: bytes
) -> None:
    listed = ", ".join(map(str, addresses))
    request = make_request(
        method,
        str(uri),
        headers=[
            *(("Via", str(via)) for via in vias),
            ("From", str(addresses[0])),
            ("To", str(addresses[-1])),
            ("CSeq", f"{number} {method}"),
            ("Contact", listed),
            ("Record-Route", listed),
        ],
        body=body,
    )
    again = parse_message(request.to_bytes())
    assert again == request
    assert isinstance(again, Request)
    assert again.request_uri == uri
    assert list(again.vias) == vias
    assert again.via == vias[0]
    assert again.from_ == addresses[0]
    assert again.to == addresses[-1]
    assert list(again.contacts) == list(again.record_routes) == addresses
    assert again.cseq == (number, method)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_values_of_ours_never_become_lines_of_their_own(method: str, uri: str, name: str, value: str) -> None:
    try:
        request = make_request(method, uri, headers=[(name, value), ("To", value)])
    except LocalProtocolError:
        return
    again = parse_message(request.to_bytes())
    assert len(again.headers) == len(request.headers)
    assert again.headers.get_all("To") == request.headers.get_all("To")
