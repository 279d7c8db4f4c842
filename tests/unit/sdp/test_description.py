"""Reading a session description: lossless, forgiving where devices are sloppy, clear where it is nonsense."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sdp.description import Origin, SdpError, number, parse_description, quote
from gateway.sdp.offer_answer import LocalMedia, answer_offer
from tests.support.cpu_cost import yardsticks

ORDINARY = (
    b"v=0\r\n"
    b"o=alice 2890844526 2890844527 IN IP4 198.51.100.7\r\n"
    b"s=A call\r\n"
    b"c=IN IP4 198.51.100.7\r\n"
    b"b=AS:64\r\n"
    b"t=0 0\r\n"
    b"a=tool:desk phone\r\n"
    b"m=audio 49170/2 RTP/AVP 0 8 101\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\n"
    b"a=ptime:30\r\n"
    b"a=maxptime:60\r\n"
    b"a=sendonly\r\n"
    b"m=video 51372 RTP/AVP 99\r\n"
    b"c=IN IP6 2001:db8::7\r\n"
    b"a=rtpmap:99 H264/90000\r\n"
)


def test_the_typed_views_of_an_ordinary_description() -> None:
    description = parse_description(ORDINARY)
    assert description.origin == Origin("alice", "2890844526", "2890844527", "IP4", "198.51.100.7")
    assert description.connection_address == "198.51.100.7"
    assert description.attributes == (("tool", "desk phone"),)
    assert description.value("b") == "AS:64"
    assert description.value("k") is None
    audio, video = description.media
    assert (audio.kind, audio.port, audio.port_count, audio.protocol) == ("audio", 49170, 2, "RTP/AVP")
    assert audio.formats == ("0", "8", "101")
    assert audio.connection_address == "198.51.100.7"
    assert (audio.ptime_ms, audio.maxptime_ms, audio.direction) == (30, 60, "sendonly")
    assert audio.attribute("rtpmap") == "101 telephone-event/8000"
    assert audio.attribute("sendonly") is None
    assert (video.kind, video.port_count, video.connection_address, video.direction) == (
        "video",
        1,
        "2001:db8::7",
        "sendrecv",
    )


def test_bytes_come_back_as_they_were() -> None:
    assert parse_description(ORDINARY).to_bytes() == ORDINARY


@pytest.mark.parametrize(
    "sloppy",
    [
        pytest.param(ORDINARY.replace(b"\r\n", b"\n"), id="bare LF"),
        pytest.param(ORDINARY.replace(b"\r\n", b"  \r\n"), id="spaces at line ends"),
        pytest.param(ORDINARY.replace(b"s=A call\r\n", b""), id="no s="),
        pytest.param(ORDINARY.replace(b"s=A call\r\n", b"s=\r\n"), id="empty s="),
        pytest.param(ORDINARY.replace(b"t=0 0\r\n", b""), id="no t="),
        pytest.param(ORDINARY.replace(b"t=0 0\r\n", b"t=\r\n"), id="empty t="),
        pytest.param(b"v=0\r\na=tool:x\r\n" + ORDINARY[5:], id="a= before o="),
        pytest.param(b"\r\n" + ORDINARY + b"\r\n\r\n", id="blank lines around"),
        pytest.param(ORDINARY.replace(b"b=AS:64\r\n", b"y=0100000001\r\nf=v/////a/1/8/1\r\n"), id="GB/T 28181 lines"),
        pytest.param(ORDINARY.replace(b"A call", b"\xc4\xd6\xff"), id="not UTF-8"),
        pytest.param(ORDINARY[:-2], id="no line end at the end"),
        pytest.param(ORDINARY.replace(b"m=audio 49170/2", b"m=audio  49170/2"), id="two spaces in m="),
        pytest.param(ORDINARY.replace(b"v=0\r\n", b"v=0 \r\n"), id="space after the version"),
        pytest.param(ORDINARY.replace(b"A call", b"A\x0ccall\xc2\x85\xe2\x80\xa8!"), id="exotic white space"),
    ],
)
def test_sloppy_equipment_is_understood_and_kept_as_sent(sloppy: bytes) -> None:
    description = parse_description(sloppy)
    assert description.to_bytes() == sloppy
    assert [media.port for media in description.media] == [49170, 51372]
    assert description.media[0].direction == "sendonly"
    assert description.connection_address == "198.51.100.7"


@pytest.mark.parametrize(
    ("line", "origin"),
    [
        ("o=- 1 2 IN IP4 192.0.2.1", Origin("-", "1", "2", "IP4", "192.0.2.1")),
        ("o=John Q Public 1 2 IN IP4 192.0.2.1", Origin("John Q Public", "1", "2", "IP4", "192.0.2.1")),
        ("o= 1 2 IN IP4 192.0.2.1", Origin("-", "1", "2", "IP4", "192.0.2.1")),
        ("o=1 2 IN IP6 2001:db8::1", Origin("-", "1", "2", "IP6", "2001:db8::1")),
        ("o=- 99999999999999999999999 x IN IP4 h", Origin("-", "99999999999999999999999", "x", "IP4", "h")),
        ("s=-", None),
    ],
)
def test_origin_lines_of_the_field(line: str, origin: Origin | None) -> None:
    assert parse_description(f"v=0\r\n{line}\r\n".encode()).origin == origin


@pytest.mark.parametrize(
    ("session", "media", "direction"),
    [
        ("", "", "sendrecv"),
        ("sendonly", "", "sendonly"),
        ("inactive", "", "inactive"),
        ("sendonly", "recvonly", "recvonly"),
        ("inactive", "sendrecv", "sendrecv"),
        ("", "inactive", "inactive"),
    ],
)
def test_direction_is_the_sections_own_or_the_sessions(session: str, media: str, direction: str) -> None:
    lines = ["v=0", f"a={session}", "m=audio 4000 RTP/AVP 0", f"a={media}"]
    text = "".join(line + "\r\n" for line in lines if line != "a=")
    assert parse_description(text.encode()).media[0].direction == direction


def test_packet_time_said_once_for_the_session_counts() -> None:
    description = parse_description(
        b"v=0\r\na=ptime:40\r\na=maxptime:60\r\nm=audio 1 RTP/AVP 0\r\nm=audio 1 RTP/AVP 0\r\na=ptime:10\r\n"
    )
    assert [(media.ptime_ms, media.maxptime_ms) for media in description.media] == [(40, 60), (10, 60)]


@pytest.mark.parametrize(("value", "whole"), [("20.0", 20), ("12.5", 12), ("35.5", 35), ("0.5", 0)])
def test_a_fractional_packet_time_counts_as_its_whole_milliseconds(value: str, whole: int) -> None:
    text = f"v=0\r\nm=audio 1 RTP/AVP 0\r\na=ptime:{value}\r\na=maxptime:{value}\r\n"
    media = parse_description(text.encode()).media[0]
    assert (media.ptime_ms or 0, media.maxptime_ms or 0) == (whole, whole)


@pytest.mark.parametrize("value", ["20.", "20.x", ".5", "1.2.3", "", "-20", "twenty", "９", "1" * 5000, "60001"])
def test_an_unreadable_packet_time_is_no_packet_time(value: str) -> None:
    assert parse_description(f"v=0\r\nm=audio 1 RTP/AVP 0\r\na=ptime:{value}\r\n".encode()).media[0].ptime_ms is None


def test_ttl_and_count_are_not_part_of_the_address() -> None:
    assert parse_description(b"v=0\r\nc=IN IP4 224.2.1.1/127/3\r\n").connection_address == "224.2.1.1"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\r\n\r\n", "has no v= line"),
        (b"hello", "line 1 of the session description is not <letter>=<value>: 'hello'"),
        (b"v=0\r\nnonsense\r\n", "line 2 of"),
        (b"v=0\r\nA=b\r\n", "line 2 of"),
        (b"v=0\r\n=\r\n", "line 2 of"),
        (b"v=0\r\ns=a\0b\r\n", "line 2 of the session description has a control character"),
        (b"v=0\r\ns=a\rt=0 0\r\n", "line 2 of the session description has a control character"),
        (b"v=1\r\n", "has version '1'; only v=0 exists"),
        (b"o=- 1 1 IN IP4 h\r\nv=0\r\n", "starts with o= and not with v=0"),
        (b"v=0\r\no=garbage\r\n", "the o= line is not <user> <id> <version>"),
        (b"v=0\r\nc=IN IP4\r\n", "the c= line is not IN <IP4 or IP6> <address>: 'IN IP4'"),
        (b"v=0\r\nc=TN RFC2543 +15550100\r\n", "the c= line is not"),
        (b"v=0\r\nc=IN IP4 caf\xc3\xa9\r\n", "the c= line is not"),
        (b"v=0\r\nm=audio\r\n", "the m= line is not <media> <port> <proto>"),
        (b"v=0\r\nm=audio 70000 RTP/AVP 0\r\n", "no port of 0..65535: '70000'"),
        (b"v=0\r\nm=audio -1 RTP/AVP 0\r\n", "no port of 0..65535: '-1'"),
        (b"v=0\r\nm=audio 4000/0 RTP/AVP 0\r\n", "no port of 0..65535: '4000/0'"),
        (b"v=0\r\nm=audio 4000/ RTP/AVP 0\r\n", "no port of 0..65535"),
        (b"v=0\r\nm=aud\xc3\xafo 4000 RTP/AVP 0\r\n", "the m= line is not"),
        (b"v=0\r\nm=audio 4000 RTP/AVP 0\x0b8\r\n", "the m= line is not"),
        (b"v=0\r\n" + b"a=\n" * 2001, "more than 2000 lines"),
        (b"v=0\r\n" + b"m=audio 0 RTP/AVP 0\n" * 65, "more than 64 m= lines"),
        (b"v=0\r\nm=audio 1 RTP/AVP" + b" 0" * 257, "more than 256 formats"),
        (b"v=0\r\ns=" + b"x" * 65536, "at most 65535 are read"),
    ],
)
def test_nonsense_is_refused_with_a_clear_reason(data: bytes, words: str) -> None:
    with pytest.raises(SdpError) as caught:
        parse_description(data)
    assert words in str(caught.value)
    assert caught.value.status == 400
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_an_m_line_without_formats_is_read_so_that_it_can_be_mirrored() -> None:
    assert parse_description(b"v=0\r\nm=audio 0 RTP/AVP\r\n").media[0].formats == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("007", 7),
        ("127", 127),
        ("128", None),
        ("", None),
        ("+1", None),
        ("1_0", None),
        ("٣", None),
        ("9" * 9999, None),
    ],
)
def test_number(text: str, value: int | None) -> None:
    assert number(text, 127) == value


def test_quoted_text_is_short_and_printable() -> None:
    assert quote("a\tb\ud800") == "'a\\tb\\ud800'"
    assert len(quote("x" * 1000)) == 62


LOCAL = LocalMedia(address="192.0.2.10", port=20000, session_id=1)


def read_whatever(data: bytes) -> None:
    """Everything that is done with an offer from the network: only SdpError may come out."""
    try:
        description = parse_description(data)
        assert description.to_bytes() == data
        answer, _ = answer_offer(description, LOCAL)
    except SdpError:
        return
    answered = parse_description(answer)
    assert len(answered.media) == len(description.media)


@given(st.binary(max_size=2000))
def test_random_bytes_give_a_description_or_an_sdp_error(data: bytes) -> None:
    read_whatever(data)


LINE = st.one_of(
    st.sampled_from(ORDINARY.decode().split("\r\n")),
    st.from_regex(r"\A[a-z]=[ -~]{0,40}\Z"),
    st.from_regex(r"\Am=(audio|video|image) [0-9]{1,6} (RTP/AVP|RTP/SAVP|udptl|TCP)( [0-9]{1,4}){0,6}\Z"),
    st.from_regex(r"\Aa=(rtpmap|fmtp|ptime|rtcp|maxptime):[ -~]{0,30}\Z"),
    st.from_regex(r"\Ac=IN IP[46] [0-9a-f:./]{0,20}\Z"),
)


@given(st.lists(LINE, max_size=30), st.sampled_from(["\r\n", "\n", " \r\n"]))
@settings(max_examples=300)
def test_shuffled_lines_give_a_description_or_an_sdp_error(lines: list[str], end: str) -> None:
    read_whatever(("v=0" + end + end.join(lines)).encode())


@given(st.data())
@settings(max_examples=300)
def test_mutated_descriptions_give_a_description_or_an_sdp_error(data: st.DataObject) -> None:
    mutated = bytearray(ORDINARY)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        until = min(len(mutated), at + data.draw(st.integers(0, 12)))
        mutated[at:until] = data.draw(st.binary(max_size=12))
        if not mutated:
            break
    read_whatever(bytes(mutated))


VALUE = st.text(st.characters(blacklist_characters="\r\n\0", codec="utf-8"), max_size=40)


@given(st.lists(st.tuples(st.sampled_from("siuepbtrzka"), VALUE), max_size=40), st.sampled_from(["\r\n", "\n"]))
def test_valid_descriptions_come_back_byte_for_byte(lines: list[tuple[str, str]], end: str) -> None:
    text = "v=0" + end + "".join(f"{kind}={value}{end}" for kind, value in lines)
    assert parse_description(text.encode()).to_bytes() == text.encode()


SIZE = 60_000


@pytest.mark.parametrize(
    "filling",
    [
        b"\n",
        b"\r",
        b" ",
        b"\0",
        b"=",
        b"a=\n",
        b"a=" + b"x" * 28 + b"\r\n",
        b"a=" + b":" * 28 + b"\r\n",
        b"m=audio 1 RTP/AVP 0\n",
        b"m=audio 1 RTP/AVP " + b"0 " * 200 + b"\n" + b"a=rtpmap:0 PCMU/8000\n" * 20,
        b"c=IN IP4 1.1.1.1\n",
        b"a=rtpmap:96 PCMU/8000\r\n" + b"a=" + b"b" * 10 + b"\r\n",
        b"a=ptime:9999999999999999999999999\r\n",
        b"\xff\xfe",
        b"\xe2\x80\xa8",
    ],
)
@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"v=0\r\n",
        b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 1 RTP/AVP 96 0\r\n",
        b"v=0\r\nm=audio 1 RTP/AVP ",
        b"v=0\r\nc=IN IP4 ",
        b"v=0\r\no=",
        b"v=0\r\nm=audio 1 RTP/AVP 0\r\na=rtpmap:0 ",
    ],
)
def test_60_kb_of_anything_cost_little(head: bytes, filling: bytes) -> None:
    data = (head + filling * SIZE)[:SIZE]

    assert yardsticks(lambda: read_whatever(data), 5) <= 5
