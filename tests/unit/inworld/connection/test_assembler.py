"""Frames to messages (RFC 6455 §5.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picows import WSCloseCode

from gateway.inworld.connection.assembler import FrameFault, MessageAssembler


def test_a_whole_frame_is_a_message() -> None:
    assembler = MessageAssembler(100)
    assert assembler.add(b"one", is_continuation=False, is_final=True) == b"one"
    assert assembler.is_idle


def test_a_message_inside_a_fragmented_one_is_a_fault() -> None:
    assembler = MessageAssembler(100)
    assembler.add(b"one", is_continuation=False, is_final=False)
    assert not assembler.is_idle
    with pytest.raises(FrameFault) as raised:
        assembler.add(b"two", is_continuation=False, is_final=True)
    assert raised.value.code is WSCloseCode.PROTOCOL_ERROR


def test_a_continuation_of_nothing_is_a_fault() -> None:
    with pytest.raises(FrameFault) as raised:
        MessageAssembler(100).add(b"x", is_continuation=True, is_final=True)
    assert raised.value.code is WSCloseCode.PROTOCOL_ERROR


def test_the_limit_is_the_whole_messages() -> None:
    assembler = MessageAssembler(10)
    assembler.add(b"12345", is_continuation=False, is_final=False)
    assembler.add(b"12345", is_continuation=True, is_final=False)
    with pytest.raises(FrameFault) as raised:
        assembler.add(b"1", is_continuation=True, is_final=True)
    assert raised.value.code is WSCloseCode.MESSAGE_TOO_BIG


@given(st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=5), max_size=5))
def test_messages_survive_any_fragmentation(messages: list[list[bytes]]) -> None:
    assembler = MessageAssembler(1000)
    for fragments in messages:
        last = len(fragments) - 1
        results = [
            assembler.add(fragment, is_continuation=number > 0, is_final=number == last)
            for number, fragment in enumerate(fragments)
        ]
        assert results == [None] * last + [b"".join(fragments)]
