from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.call.conversation.uplink import Uplink
from gateway.media.codec.g711 import PCMA, PCMU, ULAW_TO_ALAW


def test_three_packets_make_one_chunk_in_the_call_that_completes_it() -> None:
    chunks: list[bytes] = []
    uplink = Uplink(chunks.append, chunk_ms=60, law=PCMU)
    uplink.receive_audio(b"a" * 160)
    uplink.receive_audio(b"b" * 160)
    assert chunks == []
    uplink.receive_audio(b"c" * 160)
    assert chunks == [b"a" * 160 + b"b" * 160 + b"c" * 160]


def test_a_silenced_caller_keeps_the_timeline_and_gives_away_nothing() -> None:
    chunks: list[bytes] = []
    uplink = Uplink(chunks.append, chunk_ms=20, law=PCMA)
    uplink.is_silenced = True
    uplink.receive_audio(b"secret!!" * 20)
    uplink.is_silenced = False
    uplink.receive_audio(b"x" * 160)
    assert chunks == [b"\xd5" * 160, b"x" * 160]


@given(st.lists(st.binary(max_size=700)), st.sampled_from([20, 40, 60, 100]))
def test_no_byte_is_lost_repeated_or_reordered(payloads: list[bytes], chunk_ms: int) -> None:
    chunks: list[bytes] = []
    uplink = Uplink(chunks.append, chunk_ms=chunk_ms, law=PCMU)
    for payload in payloads:
        uplink.receive_audio(payload)
    whole = b"".join(payloads)
    assert b"".join(chunks) == whole[: len(whole) // (chunk_ms * 8) * chunk_ms * 8]
    assert {len(chunk) for chunk in chunks} <= {chunk_ms * 8}


def test_a_line_in_the_other_law_is_translated_for_the_session_and_back_again_not_at_all() -> None:
    chunks: list[bytes] = []
    uplink = Uplink(chunks.append, chunk_ms=20, law=PCMA)
    uplink.receive_in(PCMU)
    spoken = bytes(range(160))
    uplink.receive_audio(spoken)
    uplink.receive_in(PCMA)
    uplink.receive_audio(spoken)
    assert chunks == [spoken.translate(ULAW_TO_ALAW), spoken]


def test_before_it_is_open_nothing_at_all_is_passed_on() -> None:
    chunks: list[bytes] = []
    uplink = Uplink(chunks.append, chunk_ms=20, law=PCMU)
    uplink.is_open = False
    uplink.receive_audio(b"ringback" * 200)
    uplink.is_open = True
    uplink.receive_audio(b"x" * 160)
    assert chunks == [b"x" * 160]
