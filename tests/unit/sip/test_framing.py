from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.framing import MAX_BODY_BYTES, MAX_PENDING_PINGS, StreamFramer
from gateway.sip.grammar import SipParseError
from gateway.sip.message import MAX_HEAD_BYTES, Request, parse_message


def message(number: int, body: bytes = b"", length: str = "Content-Length: {}") -> bytes:
    head = f"OPTIONS sip:a SIP/2.0\r\nCall-ID: {number}\r\n{length.format(len(body))}\r\n\r\n"
    return head.encode() + body


def drain(framer: StreamFramer) -> list[bytes]:
    messages = []
    while (found := framer.next_message()) is not None:
        messages.append(found)
    return messages


def feed(data: bytes, cuts: list[int]) -> tuple[list[bytes], int]:
    """Feeds ``data`` cut at ``cuts``; returns messages and pings."""
    framer = StreamFramer()
    messages = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        framer.receive_data(data[start:end])
        messages += drain(framer)
    return messages, framer.pongs_due


def test_messages_joined_and_split() -> None:
    one, two = message(1, b"first"), message(2)
    framer = StreamFramer()
    framer.receive_data(one + two[:10])
    assert framer.next_message() == one
    assert framer.next_message() is None
    assert framer.buffered_bytes == 10
    framer.receive_data(two[10:])
    assert drain(framer) == [two]
    assert framer.buffered_bytes == 0


def test_a_body_may_hold_anything() -> None:
    body = b"\r\n\r\nINVITE sip:a SIP/2.0\r\n\r\n\0\xff"
    assert feed(message(1, body) + message(2), [])[0] == [message(1, body), message(2)]


@pytest.mark.parametrize("length", ["l:{}", "CONTENT-LENGTH \t: {}", "l:\r\n  {}  ", "L: 000{}"])
def test_content_length_in_every_spelling(length: str) -> None:
    data = message(1, b"body", length)
    assert feed(data + message(2), [])[0] == [data, message(2)]


def test_bare_line_feeds_end_a_head_too() -> None:
    data = b"OPTIONS sip:a SIP/2.0\nl: 2\n\nxx"
    assert feed(data + data, [])[0] == [data, data]


def test_double_line_ends_are_pings() -> None:
    framer = StreamFramer()
    framer.receive_data(b"\r\n\r\n")
    assert framer.next_message() is None
    assert framer.pongs_due == 1
    framer.pongs_due = 0
    framer.receive_data(b"\r\n\r\n\r\n\r\n" + message(1) + b"\r\n\r")
    assert drain(framer) == [message(1)]
    assert framer.pongs_due == 2
    framer.receive_data(b"\n")
    assert drain(framer) == []
    assert framer.pongs_due == 3


def test_single_line_ends_are_pongs_and_nothing_is_due() -> None:
    framer = StreamFramer()
    framer.receive_data(b"\r\n" + message(1) + b"\r\n" + message(2) + b"\n\n" + message(3))
    assert drain(framer) == [message(1), message(2), message(3)]
    assert framer.pongs_due == 0


def test_a_stream_of_nothing_but_keep_alives_is_broken_and_costs_next_to_nothing() -> None:
    framer = StreamFramer()
    framer.receive_data(b"\r\n\r\n" * MAX_PENDING_PINGS)
    assert framer.next_message() is None
    assert framer.pongs_due == MAX_PENDING_PINGS
    for flood in (b"\r\n" * 131_072, b"\n" * 262_144, b"\r\n\r\n" * (MAX_PENDING_PINGS + 1) + message(1)):
        framer = StreamFramer()
        framer.receive_data(flood)
        with pytest.raises(SipParseError):
            framer.next_message()
        assert framer.pongs_due == 0
        assert framer.buffered_bytes == 0


@pytest.mark.parametrize(
    "bad",
    [
        "X: {}",
        "Content-Length: -1",
        "Content-Length: 1\r\nl: 1",
        "Content-Length:",
        "Content-Length: 1 2",
        "Content-Length: " + "9" * 5000,
    ],
)
def test_a_stream_without_a_usable_content_length_ends(bad: str) -> None:
    framer = StreamFramer()
    framer.receive_data(message(1) + message(2, b"", bad) + message(3))
    assert framer.next_message() == message(1)
    with pytest.raises(SipParseError) as caught:
        framer.next_message()
    assert caught.value.status == 400
    assert isinstance(caught.value.request, Request)
    assert caught.value.request.call_id == "2"
    framer.receive_data(message(4))
    with pytest.raises(SipParseError):
        framer.next_message()
    assert framer.buffered_bytes == 0


def test_nonsense_on_a_stream_cannot_be_answered() -> None:
    for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\n\n", b"SIP/2.0 200 OK\r\n\r\n"):
        framer = StreamFramer()
        framer.receive_data(data)
        with pytest.raises(SipParseError) as caught:
            framer.next_message()
        assert caught.value.request is None


def test_a_head_without_end_is_refused_at_its_limit() -> None:
    framer = StreamFramer()
    framer.receive_data(b"OPTIONS sip:a SIP/2.0\r\ni: c\r\nSubject: " + b"x" * (MAX_HEAD_BYTES - 100))
    assert framer.next_message() is None
    framer.receive_data(b"x" * 100)
    with pytest.raises(SipParseError) as caught:
        framer.next_message()
    assert caught.value.status == 513
    assert isinstance(caught.value.request, Request)
    assert caught.value.request.call_id == "c"


def test_a_body_beyond_its_limit_is_refused_before_it_comes() -> None:
    framer = StreamFramer()
    framer.receive_data(b"OPTIONS sip:a SIP/2.0\r\nCall-ID: c\r\nl: %d\r\n\r\n" % (MAX_BODY_BYTES + 1))
    with pytest.raises(SipParseError) as caught:
        framer.next_message()
    assert caught.value.status == 513
    assert caught.value.request is not None
    largest = message(1, bytes(MAX_BODY_BYTES))
    assert feed(largest, [1000])[0] == [largest]


@given(
    st.lists(
        st.one_of(
            st.sampled_from([b"\r\n", b"\r\n\r\n", b"\n"]),
            st.builds(message, st.integers(0, 99), st.binary(max_size=30)),
        ),
        max_size=8,
    ),
    st.lists(st.integers(0, 4000), max_size=12),
)
def test_any_split_gives_the_same_messages_and_pings(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    whole = feed(data, [])
    assert whole[0] == [part for part in parts if part.startswith(b"OPTIONS")]
    assert feed(data, cuts) == whole
    assert feed(data, list(range(len(data)))) == whole


@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([b"\r\n\r\n", b"l: 3\r\n", b"A b SIP/2.0\r\n"]))))
def test_any_octets_give_messages_or_an_error(pieces: list[bytes]) -> None:
    framer = StreamFramer()
    for piece in pieces:
        framer.receive_data(piece)
        try:
            for found in drain(framer):
                assert not found.startswith((b"\r\n", b"\n"))
                with contextlib.suppress(SipParseError):
                    parse_message(found)
        except SipParseError:
            return
