from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.call.uplink import Uplink


def test_three_packets_make_one_chunk_in_the_call_that_completes_it() -> None:
    chunks: list[bytes] = []
    uplink = Uplink(chunks.append, chunk_ms=60, silence=0xFF)
    uplink.receive_audio(b"a" * 160)
    uplink.receive_audio(b"b" * 160)
    assert chunks == []
    uplink.receive_audio(b"c" * 160)
    assert chunks == [b"a" * 160 + b"b" * 160 + b"c" * 160]


def test_a_silenced_caller_keeps_the_timeline_and_gives_away_nothing() -> None:
    chunks: list[bytes] = []
    uplink = Uplink(chunks.append, chunk_ms=20, silence=0xD5)
    uplink.is_silenced = True
    uplink.receive_audio(b"secret!!" * 20)
    uplink.is_silenced = False
    uplink.receive_audio(b"x" * 160)
    assert chunks == [b"\xd5" * 160, b"x" * 160]


@given(st.lists(st.binary(max_size=700)), st.sampled_from([20, 40, 60, 100]))
def test_no_byte_is_lost_repeated_or_reordered(payloads: list[bytes], chunk_ms: int) -> None:
    chunks: list[bytes] = []
    uplink = Uplink(chunks.append, chunk_ms=chunk_ms, silence=0xFF)
    for payload in payloads:
        uplink.receive_audio(payload)
    whole = b"".join(payloads)
    assert b"".join(chunks) == whole[: len(whole) // (chunk_ms * 8) * chunk_ms * 8]
    assert {len(chunk) for chunk in chunks} <= {chunk_ms * 8}
