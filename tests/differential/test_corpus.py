"""The corpus itself: all of it is read and written again unchanged, and gets the answer that the RFCs owe it."""

from __future__ import annotations

import pytest

from gateway.sdp import SdpError, parse_description
from gateway.sip.events import RequestRefused
from gateway.sip.framing import StreamFramer
from gateway.sip.grammar import SipParseError
from gateway.sip.message import Request, Response, parse_message
from gateway.sip.validation import check_response
from tests.support.corpus import CORPUS, Specimen, read_corpus
from tests.support.sip_peer import UserAgentBench

SPECIMENS = read_corpus()
UNREADABLE = {"short_body_invite"}
SOMEBODY_ELSES = {"response_two_via"}


def messages() -> list[tuple[Specimen, Request | Response]]:
    return [(one, parse_message(one.data)) for name, one in SPECIMENS.items() if name not in UNREADABLE]


def test_the_index_names_every_message() -> None:
    assert {path.stem for path in CORPUS.glob("*.sip")} == set(SPECIMENS)
    assert len(SPECIMENS) >= 150


@pytest.mark.parametrize("name", sorted(set(SPECIMENS) - UNREADABLE))
def test_what_is_written_again_reads_the_same(name: str) -> None:
    message = parse_message(SPECIMENS[name].data)
    again = parse_message(message.to_bytes())
    assert type(again) is type(message)
    assert again.body == message.body
    ours = [field for field in again.headers if field[0] != "Content-Length"]
    assert ours == [field for field in message.headers if field[0] != "Content-Length"]
    assert again.headers.get("Content-Length") == str(len(message.body))
    assert again.to_bytes() == message.to_bytes()


def test_all_of_it_comes_out_of_a_stream_as_it_went_in() -> None:
    framer = StreamFramer()
    wires = [message.to_bytes() for _, message in messages()]
    stream = b"".join(wires)
    found = []
    for start in range(0, len(stream), 701):
        framer.receive_data(stream[start : start + 701])
        while (one := framer.next_message()) is not None:
            found.append(one)
    assert found == wires
    assert framer.buffered_bytes == 0


def test_session_descriptions_are_kept_octet_by_octet() -> None:
    read = 0
    for one, message in messages():
        if message.content_type == "application/sdp" and "Content-Encoding" not in message.headers:
            read += 1
            assert parse_description(message.body).to_bytes() == message.body, one.name
    assert read > 50


@pytest.mark.parametrize("name", SPECIMENS)
def test_each_message_gets_its_answer_and_leaves_nothing(name: str) -> None:
    bench = UserAgentBench()
    sent = bench.feed(SPECIMENS[name].data)
    refusals = [event.rule for event in bench.take_events() if isinstance(event, RequestRefused)]
    expected, _, _ = SPECIMENS[name].answer.partition(",")
    if expected == "silence":
        assert (sent, refusals) == ([], [])
    else:
        (answer,) = sent
        assert isinstance(answer, Response)
        assert " ".join([str(answer.status), *refusals]) == expected
        assert_answers(answer, SPECIMENS[name])
    bench.advance(400)
    assert bench.counts() == (0, 0, 0)


def assert_answers(answer: Response, specimen: Specimen) -> None:
    """RFC 3261 §8.2.6.2: the response has the request's Via, From, Call-ID and CSeq, and To with a tag from 101 on."""
    request = request_of(specimen)
    for name in ("From", "Call-ID", "CSeq"):
        assert answer.headers.get_all(name) == request.headers.get_all(name)[: answer.headers.count(name) or None]
    assert answer.headers.count("Via") == request.headers.count("Via")
    if answer.status > 100 and "To" in request.headers:
        assert answer.to.tag is not None


def request_of(specimen: Specimen) -> Request:
    """The request, or what can be read of a broken one."""
    try:
        message = parse_message(specimen.data)
    except SipParseError as error:
        message = error.request or pytest.fail("nothing of it can be read")
    assert isinstance(message, Request)
    return message


def test_responses_are_taken_unless_they_are_somebody_elses() -> None:
    for one, message in messages():
        if isinstance(message, Response):
            assert check_response(message) == (one.name not in SOMEBODY_ELSES), one.name


def test_what_cannot_be_read_says_so() -> None:
    for name in UNREADABLE:
        with pytest.raises(SipParseError):
            parse_message(SPECIMENS[name].data)
    with pytest.raises(SdpError):
        parse_description(b"v=1\r\n")
