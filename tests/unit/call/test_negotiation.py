from __future__ import annotations

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.call.negotiation import Negotiator, audio_format


def offer(*lines: str, port: int = 30000, formats: str = "8 0 101", address: str = "192.0.2.7") -> bytes:
    return "\r\n".join(
        [
            "v=0",
            f"o=- 1 1 IN IP4 {address}",
            "s=-",
            f"c=IN IP4 {address}",
            "t=0 0",
            f"m=audio {port} RTP/AVP {formats}",
            "a=rtpmap:101 telephone-event/8000",
            *lines,
            "",
        ]
    ).encode()


def negotiator() -> Negotiator:
    return Negotiator(address="192.0.2.1", codecs=("PCMU", "PCMA"), session_id=7, reorder_ms=40)


def test_the_offerers_first_codec_is_used_from_end_to_end() -> None:
    negotiation = negotiator()
    assert negotiation.choose_codec(offer()) == "PCMA"
    negotiation.bind(20000)
    agreement = negotiation.answer(offer())
    assert b"m=audio 20000 RTP/AVP 8 101\r\n" in agreement.description
    assert agreement.stream.codec == "PCMA"
    assert agreement.stream.remote == ("192.0.2.7", 30000)
    assert agreement.stream.telephone_event_payload_type == 101
    assert audio_format("PCMA") == "audio/pcma"


def test_hold_and_resume_are_seen_and_answered_in_the_right_direction() -> None:
    negotiation = negotiator()
    negotiation.bind(20000)
    assert negotiation.answer(offer()).hold == ""
    held = negotiation.answer(offer("a=sendonly"))
    assert held.hold == "sendonly"
    assert held.stream.direction == "recvonly"
    resumed = negotiation.answer(offer())
    assert resumed.hold == ""
    assert resumed.stream.direction == "sendrecv"


def test_the_codec_in_use_stays_while_it_is_offered_and_changes_when_it_is_not() -> None:
    negotiation = negotiator()
    negotiation.bind(20000)
    assert negotiation.choose_codec(offer(formats="8 0 101")) == "PCMA"
    assert negotiation.answer(offer(formats="8 0 101")).stream.codec == "PCMA"
    assert negotiation.answer(offer(formats="0 8 101")).stream.codec == "PCMA"
    changed = negotiation.answer(offer(formats="0 101"))
    assert changed.stream.codec == "PCMU"
    assert b"m=audio 20000 RTP/AVP 0 101" in changed.description
    with pytest.raises(RemoteProtocolError) as refused:
        negotiation.answer(offer(formats="9 18"))
    assert refused.value.status == 488
    assert negotiation.answer(offer(formats="8 0 101")).stream.codec == "PCMU", "the refused offer changed nothing"


@pytest.mark.parametrize(
    ("line", "address", "how"),
    [("a=sendonly", "192.0.2.7", "sendonly"), ("a=inactive", "192.0.2.7", "inactive"), ("", "0.0.0.0", "0.0.0.0")],
)
def test_how_the_peer_holds_is_said_in_its_own_words(line: str, address: str, how: str) -> None:
    negotiation = negotiator()
    negotiation.bind(20000)
    assert negotiation.answer(offer(*([line] if line else []), address=address)).hold == how


def test_our_own_hold_is_offered_sendonly_and_an_offer_meanwhile_is_answered_so() -> None:
    negotiation = negotiator()
    negotiation.bind(20000)
    negotiation.answer(offer())
    assert b"a=sendonly" in negotiation.offer("sendonly").description
    held = negotiation.accept(offer("a=recvonly", formats="8 101"), "sendonly")
    assert held.stream.direction == "sendonly"
    assert held.hold == "", "the peer listens: it is we who hold"
    assert b"a=sendonly" in negotiation.answer(offer(), "sendonly").description


def test_an_invite_without_an_offer_gets_ours_and_the_ack_completes_it() -> None:
    negotiation = negotiator()
    assert negotiation.choose_codec(None) == "PCMU"
    negotiation.bind(20002)
    ours = negotiation.offer()
    assert b"m=audio 20002 RTP/AVP 0 8 101\r\n" in ours.description
    assert ours.stream.remote is None
    agreed = negotiation.accept(offer(formats="0 101", port=30010))
    assert agreed.stream.remote == ("192.0.2.7", 30010)
    assert agreed.stream.codec == "PCMU"


def test_nothing_in_common_is_488_before_a_port_is_spent() -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        negotiator().choose_codec(offer(formats="9 18"))
    assert refused.value.status == 488


def test_an_address_of_the_other_ip_version_is_488_and_not_an_answered_silence() -> None:
    negotiation = negotiator()
    six = offer().replace(b"c=IN IP4 192.0.2.7", b"c=IN IP6 2001:db8::7")
    with pytest.raises(RemoteProtocolError, match="other IP version"):
        negotiation.choose_codec(six)  # before a port is spent and anything rings
    negotiation.bind(20000)
    six = offer().replace(b"c=IN IP4 192.0.2.7", b"c=IN IP6 2001:db8::7")
    with pytest.raises(RemoteProtocolError, match="other IP version") as refused:
        negotiation.answer(six)
    assert refused.value.status == 488


@pytest.mark.parametrize(
    ("target", "peer", "is_fine"),
    [
        ("127.0.0.1", "198.51.100.1", False),
        ("169.254.169.254", "198.51.100.1", False),
        ("127.0.0.1", "127.0.0.9", True),
        ("192.0.2.7", "198.51.100.1", True),
    ],
)
def test_a_caller_elsewhere_cannot_point_us_at_this_machine_or_its_link(target: str, peer: str, is_fine: bool) -> None:
    negotiation = Negotiator(address="192.0.2.1", codecs=("PCMU",), session_id=7, reorder_ms=40, signalling_host=peer)
    negotiation.bind(20000)
    if is_fine:
        assert negotiation.answer(offer(address=target, formats="0")).stream.remote == (target, 30000)
        return
    with pytest.raises(RemoteProtocolError) as refused:
        negotiation.answer(offer(address=target, formats="0"))
    assert refused.value.status == 488


def test_a_refused_offer_uses_up_no_version() -> None:
    negotiation = Negotiator(
        address="192.0.2.1", codecs=("PCMU",), session_id=7, reorder_ms=40, signalling_host="198.51.100.1"
    )
    negotiation.bind(20000)
    assert b"o=- 7 1 " in negotiation.answer(offer(formats="0")).description
    with pytest.raises(RemoteProtocolError):
        negotiation.answer(offer("a=ptime:30", address="127.0.0.1", formats="0 101"))
    assert b"o=- 7 2 " in negotiation.answer(offer("a=ptime:40", formats="0")).description


def test_a_preferred_codec_comes_first_where_the_settings_have_it() -> None:
    negotiation = negotiator()
    negotiation.prefer("PCMA")
    assert b"RTP/AVP 8 0 " in negotiation.offer().description
    assert negotiation.answer(offer(formats="0 8")).stream.codec == "PCMA"
    negotiation.prefer("G729")
    assert negotiation.waiting_stream().codec == "PCMA"
