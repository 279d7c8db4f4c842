from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.bench.marker import is_silence, marked_silence, read_marker
from gateway.measure import g711


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_a_marker_survives_in_a_chunk_and_cannot_be_heard(call: int, frame: int) -> None:
    marked = marked_silence(call, frame)
    assert len(marked) == 160
    assert not g711.decode(marked).any()
    assert is_silence(marked)
    assert read_marker(b"\x10" * 320 + marked) == (call, frame)


def test_what_is_not_marked_is_not_read() -> None:
    assert read_marker(b"\xff" * 160) is None
    assert read_marker(marked_silence(3, 4)[:-1] + b"\x00") is None
    assert read_marker(b"\x7f" * 160) is None
    assert read_marker(marked_silence(3, 4)[-47:]) is None
    assert not is_silence(b"\xff" * 159 + b"\xfe")
