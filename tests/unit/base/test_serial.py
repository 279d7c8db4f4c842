from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.base.serial import distance16, distance32


def test_distances_cross_the_wrap_in_both_directions() -> None:
    assert distance16(65535, 0) == 1
    assert distance16(0, 65535) == -1
    assert distance32(0xFFFF_FF00, 0x0000_0100) == 0x200
    assert distance32(0x0000_0100, 0xFFFF_FF00) == -0x200


@given(st.integers(0, 65535), st.integers(-32768, 32767))
def test_a_16_bit_distance_undoes_its_own_step(start: int, step: int) -> None:
    assert distance16(start, (start + step) & 0xFFFF) == step


@given(st.integers(0, 0xFFFF_FFFF), st.integers(-(2**31), 2**31 - 1))
def test_a_32_bit_distance_undoes_its_own_step(start: int, step: int) -> None:
    assert distance32(start, (start + step) & 0xFFFF_FFFF) == step
