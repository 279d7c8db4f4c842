"""RFC 3264 for one G.711 stream: what is answered to whom, and what both sides then do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import LocalProtocolError
from gateway.sdp.description import SdpError, parse_description
from gateway.sdp.direction import Direction, receives, sends
from gateway.sdp.offer_answer import LocalMedia, NegotiatedAudio, accept_answer, answer_offer, create_offer

LOCAL = LocalMedia(address="192.0.2.10", port=20000, session_id=77)

HEAD = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
AUDIO = "m=audio 49170 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"


def answer(offer: str, local: LocalMedia = LOCAL, previous: bytes | None = None) -> tuple[str, NegotiatedAudio]:
    body, audio = answer_offer(parse_description(offer.encode()), local, previous)
    return body.decode(), audio


def lines(body: str, kind: str) -> list[str]:
    return [line for line in body.split("\r\n") if line.startswith(kind + "=")]


def test_the_whole_answer_to_an_ordinary_offer() -> None:
    body, audio = answer(HEAD + AUDIO)
    assert body == (
        "v=0\r\n"
        "o=- 77 1 IN IP4 192.0.2.10\r\n"
        "s=-\r\n"
        "c=IN IP4 192.0.2.10\r\n"
        "t=0 0\r\n"
        "m=audio 20000 RTP/AVP 0 101\r\n"
        "a=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-15\r\n"
        "a=ptime:20\r\n"
        "a=sendrecv\r\n"
    )
    assert audio == NegotiatedAudio(
        codec="PCMU",
        payload_type=0,
        remote_address="198.51.100.7",
        remote_port=49170,
        remote_rtcp_port=49171,
        ptime_ms=20,
        telephone_event_payload_type=101,
        direction="sendrecv",
        is_on_hold=False,
    )


# -- codecs and payload types


@pytest.mark.parametrize(
    ("media", "codec", "payload_type", "events"),
    [
        ("m=audio 4 RTP/AVP 0", "PCMU", 0, None),
        ("m=audio 4 RTP/AVP 8", "PCMA", 8, None),
        ("m=audio 4 RTP/AVP 8 0", "PCMA", 8, None),
        ("m=audio 4 RTP/AVP 18 9 8 0", "PCMA", 8, None),
        ("m=audio 4 RTP/AVP 96\r\na=rtpmap:96 PCMU/8000", "PCMU", 96, None),
        ("m=audio 4 RTP/AVP 96 0\r\na=rtpmap:96 pcma/8000/1", "PCMA", 96, None),
        ("m=audio 4 RTP/AVP 111 0\r\na=rtpmap:111 opus/48000/2", "PCMU", 0, None),
        ("m=audio 4 RTP/AVP 96 0\r\na=rtpmap:96 PCMU/16000", "PCMU", 0, None),
        ("m=audio 4 RTP/AVP 0 127\r\na=rtpmap:127 telephone-event/8000", "PCMU", 0, 127),
        ("m=audio 4 RTP/AVP 0 101\r\na=rtpmap:101 Telephone-Event/8000", "PCMU", 0, 101),
        ("m=audio 4 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/48000", "PCMU", 0, None),
        (
            "m=audio 4 RTP/AVP 0 97 101\r\na=rtpmap:97 telephone-event/48000\r\na=rtpmap:101 telephone-event/8000",
            "PCMU",
            0,
            101,
        ),
        ("m=audio 4 RTP/AVP 101 0\r\na=rtpmap:101 telephone-event/8000", "PCMU", 0, 101),
        ("m=audio 4 RTP/AVP 0 101", "PCMU", 0, None),
        ("m=audio 4 RTP/AVP 96\r\na=rtpmap:96 PCMA /8000", "PCMA", 96, None),
        ("m=audio 4 RTP/AVP 300 0\r\na=rtpmap:300 PCMA/8000", "PCMU", 0, None),
    ],
)
def test_the_offerers_first_codec_that_we_speak_at_its_own_number(
    media: str, codec: str, payload_type: int, events: int | None
) -> None:
    body, audio = answer(HEAD + media + "\r\n")
    assert (audio.codec, audio.payload_type, audio.telephone_event_payload_type) == (codec, payload_type, events)
    numbers = f"{payload_type}" if events is None else f"{payload_type} {events}"
    assert lines(body, "m") == [f"m=audio 20000 RTP/AVP {numbers}"]
    assert f"a=rtpmap:{payload_type} {codec}/8000" in lines(body, "a")


def test_an_answer_names_one_audio_codec_only() -> None:
    body, _ = answer(HEAD + "m=audio 4 RTP/AVP 8 0 96\r\na=rtpmap:96 PCMU/8000\r\n")
    assert lines(body, "m") == ["m=audio 20000 RTP/AVP 8"]


def test_our_codecs_are_a_filter_and_not_an_order() -> None:
    offer = HEAD + "m=audio 4 RTP/AVP 8 0\r\n"
    assert answer(offer, replace(LOCAL, codecs=("PCMU", "PCMA")))[1].codec == "PCMA"
    assert answer(offer, replace(LOCAL, codecs=("PCMU",)))[1].codec == "PCMU"


@pytest.mark.parametrize(
    ("media", "reason"),
    [
        ("", "the offer has no audio stream"),
        ("m=video 4 RTP/AVP 96", "the offer has no audio stream"),
        ("m=video 4 RTP/AVP 0", "the offer has no audio stream"),
        ("m=audio 4 RTP/AVP 18 9", "it has none of PCMU, PCMA, but 'G729', 'G722'"),
        ("m=audio 4 RTP/AVP 96", "it has none of PCMU, PCMA, but no format that is described"),
        ("m=audio 4 RTP/AVP", "it has none of PCMU, PCMA"),
        ("m=audio 4 RTP/AVP 300\r\na=rtpmap:300 PCMU/8000", "it has none of PCMU, PCMA"),
        ("m=audio 0 RTP/AVP 0", "its port is 0"),
        ("m=audio 4 RTP/SAVP 0", "it wants encrypted media (RTP/SAVP), and only plain RTP/AVP is spoken here"),
        ("m=audio 4 UDP/TLS/RTP/SAVPF 0", "it wants encrypted media (UDP/TLS/RTP/SAVPF)"),
        ("m=audio 4 TCP/RTP/AVP 0", "its transport is 'TCP/RTP/AVP' and not RTP/AVP"),
        ("m=audio 4 udp 0", "its transport is 'udp' and not RTP/AVP"),
        ("m=audio 4 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127", "audio cannot be sent to '224.2.1.1' (multicast address)"),
        ("m=audio 4 RTP/AVP 0\r\nc=IN IP6 ff15::101", "audio cannot be sent to 'ff15::101' (multicast address)"),
        ("m=audio 4 RTP/AVP 0\r\nc=IN IP4 255.255.255.255", "(broadcast address)"),
        ("m=audio 4 RTP/AVP 0\r\nc=IN IP4 999.1.1.1", "(invalid address)"),
        ("m=audio 4 RTP/SAVP 0\r\nm=audio 0 RTP/AVP 0", "spoken here; its port is 0"),
    ],
)
def test_an_offer_without_usable_audio_is_488_with_its_reasons(media: str, reason: str) -> None:
    with pytest.raises(SdpError) as caught:
        answer(HEAD + (media + "\r\n" if media else ""))
    assert caught.value.status == 488
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


def test_audio_without_any_connection_line_is_refused() -> None:
    with pytest.raises(SdpError, match="it has no c= line"):
        answer("v=0\r\nm=audio 4 RTP/AVP 0\r\n")


def test_the_reasons_stay_short_however_many_streams_are_offered() -> None:
    with pytest.raises(SdpError) as caught:
        answer(HEAD + "m=audio 4 RTP/SAVP 0\r\n" * 60)
    assert len(str(caught.value)) < 600


# -- streams


def test_every_stream_is_mirrored_and_only_one_is_accepted() -> None:
    offer = (
        HEAD
        + "m=image 5000 udptl t38\r\n"
        + "m=audio 5002 RTP/SAVP 0\r\n"
        + "m=audio 5004 RTP/AVP 18\r\n"
        + "m=audio 5006 RTP/AVP 8 0\r\n"
        + "m=audio 5008 RTP/AVP 0\r\n"
        + "m=video 5010 RTP/AVP 96 97\r\na=rtpmap:96 H264/90000\r\n"
        + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
        + "m=text 0 RTP/AVP\r\n"
    )
    body, audio = answer(offer)
    assert lines(body, "m") == [
        "m=image 0 udptl t38",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 0 RTP/AVP 18",
        "m=audio 20000 RTP/AVP 8",
        "m=audio 0 RTP/AVP 0",
        "m=video 0 RTP/AVP 96",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        "m=text 0 RTP/AVP 0",
    ]
    assert audio.remote_port == 5006


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/AVPF", "rtp/avp"])
def test_plain_profiles_are_answered_as_offered(protocol: str) -> None:
    body, _ = answer(HEAD + f"m=audio 4 {protocol} 0\r\na=rtcp-fb:* nack\r\n")
    assert lines(body, "m") == [f"m=audio 20000 {protocol} 0"]
    assert "rtcp-fb" not in body


def test_the_media_type_is_recognised_in_any_case_and_mirrored_as_sent() -> None:
    body, _ = answer(HEAD + "m=Audio 4 RTP/AVP 0\r\n")
    assert lines(body, "m") == ["m=Audio 20000 RTP/AVP 0"]


def test_optional_encryption_on_a_plain_profile_is_passed_over() -> None:
    body, _ = answer(HEAD + AUDIO + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n")
    assert "crypto" not in body


def test_rtcp_mux_and_bundles_are_not_answered() -> None:
    body, _ = answer(HEAD + "a=group:BUNDLE 0\r\n" + AUDIO + "a=rtcp-mux\r\na=mid:0\r\n")
    assert not {"a=rtcp-mux", "a=mid:0", "a=group:BUNDLE 0"} & set(lines(body, "a"))


@pytest.mark.parametrize(
    ("port", "attribute", "rtcp"),
    [
        (4000, "", 4001),
        (4000, "a=rtcp:53020\r\n", 53020),
        (4000, "a=rtcp:53020 IN IP4 198.51.100.9\r\n", 53020),
        (4000, "a=rtcp:70000\r\n", 4001),
        (4000, "a=rtcp:0\r\n", 4001),
        (65535, "", None),
    ],
)
def test_the_rtcp_port(port: int, attribute: str, rtcp: int | None) -> None:
    assert answer(HEAD + f"m=audio {port} RTP/AVP 0\r\n{attribute}")[1].remote_rtcp_port == rtcp


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ("IP6 2001:db8::7", "2001:db8::7"),
        ("IP4 media.example.net", "media.example.net"),
        ("IP4 127.0.0.1", "127.0.0.1"),
    ],
)
def test_the_remote_address_is_exposed_as_written(connection: str, address: str) -> None:
    assert answer(HEAD + AUDIO + f"c=IN {connection}\r\n")[1].remote_address == address


def test_an_ipv6_gateway_says_so() -> None:
    body, _ = answer(HEAD + AUDIO, replace(LOCAL, address="2001:db8::10"))
    assert lines(body, "o") == ["o=- 77 1 IN IP6 2001:db8::10"]
    assert lines(body, "c") == ["c=IN IP6 2001:db8::10"]


@pytest.mark.parametrize(
    ("timing", "answered"),
    [("t=0 0\r\n", "0 0"), ("t=2873397496 2873404696\r\n", "2873397496 2873404696"), ("", "0 0"), ("t=now\r\n", "0 0")],
)
def test_the_time_line_is_the_offers(timing: str, answered: str) -> None:
    body, _ = answer(HEAD.replace("t=0 0\r\n", timing) + AUDIO)
    assert lines(body, "t") == [f"t={answered}"]


# -- packet time


@pytest.mark.parametrize(
    ("attributes", "ptime_ms"),
    [
        ("", 20),
        ("a=ptime:10\r\n", 10),
        ("a=ptime:20\r\n", 20),
        ("a=ptime:30\r\n", 30),
        ("a=ptime:40\r\n", 40),
        ("a=ptime:60\r\n", 60),
        ("a=ptime:50\r\n", 20),
        ("a=ptime:80\r\n", 20),
        ("a=ptime:0\r\n", 20),
        ("a=ptime:20.5\r\n", 20),
        ("a=ptime:60\r\na=maxptime:40\r\n", 20),
        ("a=ptime:40\r\na=maxptime:40\r\n", 40),
        ("a=maxptime:150\r\n", 20),
        ("a=maxptime:10\r\n", 10),
        ("a=maxptime:15\r\n", 10),
        ("a=maxptime:5\r\n", 10),
    ],
)
def test_packet_time_is_the_offers_when_we_can_send_it(attributes: str, ptime_ms: int) -> None:
    body, audio = answer(HEAD + AUDIO + attributes)
    assert audio.ptime_ms == ptime_ms
    assert f"a=ptime:{ptime_ms}" in lines(body, "a")


def test_packet_times_can_be_narrowed() -> None:
    assert answer(HEAD + AUDIO + "a=ptime:30\r\n", replace(LOCAL, packet_times_ms=(20,)))[1].ptime_ms == 20


# -- direction and hold

UNSPECIFIED = ("0.0.0.0", "::", "hold.invalid")


@pytest.mark.parametrize("level", ["media", "session"])
@pytest.mark.parametrize(
    ("offered", "address", "ours", "is_on_hold"),
    [
        ("", "198.51.100.7", "sendrecv", False),
        ("sendrecv", "198.51.100.7", "sendrecv", False),
        ("sendonly", "198.51.100.7", "recvonly", True),
        ("recvonly", "198.51.100.7", "sendonly", False),
        ("inactive", "198.51.100.7", "inactive", True),
        *(
            (said, address, ours, True)
            for address in UNSPECIFIED
            for said, ours in (
                ("", "recvonly"),
                ("sendrecv", "recvonly"),
                ("sendonly", "recvonly"),
                ("recvonly", "inactive"),
                ("inactive", "inactive"),
            )
        ),
    ],
)
def test_direction_and_hold(level: str, offered: str, address: str, ours: Direction, is_on_hold: bool) -> None:
    connection = f"c=IN {'IP6' if ':' in address else 'IP4'} {address}\r\n"
    attribute = f"a={offered}\r\n" if offered else ""
    session, media = (connection + attribute, "") if level == "session" else ("", connection + attribute)
    head = HEAD.replace("c=IN IP4 198.51.100.7\r\n", "")
    body, audio = answer(head + session + AUDIO + media)
    assert (audio.direction, audio.is_on_hold) == (ours, is_on_hold)
    assert lines(body, "a")[-1] == f"a={ours}"
    assert lines(body, "c") == ["c=IN IP4 192.0.2.10"], "the held side still says where it listens"
    assert lines(body, "m")[0].startswith("m=audio 20000 ")


def test_a_stream_of_its_own_address_is_not_held_by_the_sessions() -> None:
    head = HEAD.replace("198.51.100.7\r\nt=", "0.0.0.0\r\nt=")
    assert not answer(head + AUDIO + "c=IN IP4 198.51.100.7\r\n")[1].is_on_hold


def test_hold_and_unhold_with_the_same_connection_line() -> None:
    body, first = answer(HEAD + AUDIO)
    held_body, held = answer(HEAD + AUDIO + "a=sendonly\r\n", previous=body.encode())
    resumed_body, resumed = answer(HEAD + AUDIO, previous=held_body.encode())
    assert (held.direction, held.is_on_hold) == ("recvonly", True)
    assert resumed == first
    assert [lines(one, "o")[0].split()[2] for one in (body, held_body, resumed_body)] == ["1", "2", "3"]


def test_when_we_hold_the_peer_we_only_send() -> None:
    body, audio = answer(HEAD + AUDIO, replace(LOCAL, direction="sendonly"))
    assert audio.direction == "sendonly"
    assert not audio.is_on_hold, "on hold is what the peer does to us"
    assert "a=sendonly" in lines(body, "a")


# -- origin and version


def test_the_version_stays_when_nothing_changed_and_grows_when_something_did() -> None:
    local = replace(LOCAL, version=4)
    first, _ = answer(HEAD + AUDIO, local)
    same, _ = answer(HEAD.replace("- 1 1", "- 1 2") + AUDIO, local, first.encode())
    other_port, _ = answer(HEAD + AUDIO, replace(local, port=20002), same.encode())
    other_number, _ = answer(HEAD + AUDIO.replace("101", "96"), replace(local, port=20002), other_port.encode())
    assert same == first
    assert [lines(body, "o")[0] for body in (first, other_port, other_number)] == [
        "o=- 77 4 IN IP4 192.0.2.10",
        "o=- 77 5 IN IP4 192.0.2.10",
        "o=- 77 6 IN IP4 192.0.2.10",
    ]


@pytest.mark.parametrize("strange", [b"v=0\r\ns=-\r\n", b"nonsense", b"v=0\r\no=- a b IN IP4 h\r\ns=-\r\n"])
def test_a_previous_description_that_is_not_ours_is_our_own_mistake(strange: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        answer(HEAD + AUDIO, previous=strange)


# -- offers of ours


def test_our_offer() -> None:
    body = create_offer(replace(LOCAL, codecs=("PCMA", "PCMU"), ptime_ms=30)).decode()
    assert body == (
        "v=0\r\n"
        "o=- 77 1 IN IP4 192.0.2.10\r\n"
        "s=-\r\n"
        "c=IN IP4 192.0.2.10\r\n"
        "t=0 0\r\n"
        "m=audio 20000 RTP/AVP 8 0 101\r\n"
        "a=rtpmap:8 PCMA/8000\r\n"
        "a=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-15\r\n"
        "a=ptime:30\r\n"
        "a=sendrecv\r\n"
    )


def test_a_later_offer_keeps_every_stream_in_its_place() -> None:
    previous, _ = answer(HEAD + "m=video 6 RTP/AVP 96\r\n" + AUDIO + "m=image 8 udptl t38\r\n")
    offer = create_offer(replace(LOCAL, codecs=("PCMU",), direction="sendonly"), previous.encode()).decode()
    assert lines(offer, "m") == ["m=video 0 RTP/AVP 96", "m=audio 20000 RTP/AVP 0 101", "m=image 0 udptl t38"]
    assert lines(offer, "o") == ["o=- 77 2 IN IP4 192.0.2.10"]
    assert create_offer(replace(LOCAL, codecs=("PCMU",), direction="sendonly"), offer.encode()).decode() == offer


@pytest.mark.parametrize(
    ("wanted", "answered", "ours", "is_on_hold"),
    [
        ("sendrecv", "", "sendrecv", False),
        ("sendrecv", "a=sendonly\r\n", "recvonly", True),
        ("sendrecv", "a=recvonly\r\n", "sendonly", False),
        ("sendrecv", "a=inactive\r\n", "inactive", True),
        ("sendonly", "a=recvonly\r\n", "sendonly", False),
        ("sendrecv", "c=IN IP4 0.0.0.0\r\n", "recvonly", True),
    ],
)
def test_reading_an_answer(wanted: Direction, answered: str, ours: Direction, is_on_hold: bool) -> None:
    text = HEAD + "m=audio 7000 RTP/AVP 8 0 97\r\na=rtpmap:97 telephone-event/8000\r\na=ptime:40\r\n" + answered
    audio = accept_answer(replace(LOCAL, direction=wanted), parse_description(text.encode()))
    assert (audio.codec, audio.payload_type, audio.telephone_event_payload_type) == ("PCMA", 8, 97)
    assert (audio.remote_port, audio.ptime_ms) == (7000, 40)
    assert (audio.direction, audio.is_on_hold) == (ours, is_on_hold)


@pytest.mark.parametrize("media", ["m=audio 0 RTP/AVP 0", "m=audio 7000 RTP/AVP 18", "m=video 7000 RTP/AVP 96"])
def test_an_answer_that_leaves_no_audio_is_an_error(media: str) -> None:
    with pytest.raises(SdpError, match="the answer has no audio stream") as caught:
        accept_answer(LOCAL, parse_description((HEAD + media + "\r\n").encode()))
    assert caught.value.status == 488


# -- both sides together

CODECS: st.SearchStrategy[Sequence[str]] = st.permutations(["PCMU", "PCMA"]).flatmap(
    lambda order: st.sampled_from([tuple(order), tuple(order[:1])])
)
DIRECTION = st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"])


@given(CODECS, CODECS, DIRECTION, DIRECTION, st.sampled_from([10, 20, 30, 40, 60]))
def test_two_gateways_agree_on_the_same_call(
    ours: tuple[str, ...], theirs: tuple[str, ...], our_wish: Direction, their_wish: Direction, ptime_ms: int
) -> None:
    caller = LocalMedia(
        address="192.0.2.1", port=30000, session_id=1, codecs=ours, direction=our_wish, ptime_ms=ptime_ms
    )
    callee = LocalMedia(address="192.0.2.2", port=40000, session_id=2, codecs=theirs, direction=their_wish)
    offer = create_offer(caller)
    if not set(ours) & set(theirs):
        with pytest.raises(SdpError):
            answer_offer(parse_description(offer), callee)
        return
    body, heard = answer_offer(parse_description(offer), callee)
    said = accept_answer(caller, parse_description(body))
    assert (said.codec, said.payload_type, said.telephone_event_payload_type, said.ptime_ms) == (
        heard.codec,
        heard.payload_type,
        heard.telephone_event_payload_type,
        heard.ptime_ms,
    )
    assert sends(said.direction) == receives(heard.direction)
    assert receives(said.direction) == sends(heard.direction)
    assert (said.remote_address, said.remote_port) == ("192.0.2.2", 40000)
    assert (heard.remote_address, heard.remote_port) == ("192.0.2.1", 30000)
