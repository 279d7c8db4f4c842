from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call.keypad import SAME_KEY_S, KeySources, read_info_digit
from gateway.sip.events import InfoReceived
from gateway.sip.headers import Headers


def info(content_type: str, body: bytes) -> str | None:
    return read_info_digit(InfoReceived("sip-1", content_type, body, Headers()))


@pytest.mark.parametrize(
    ("content_type", "body", "digit"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"signal= *\nduration=100", "*"),
        ("Application/DTMF-Relay", b"Duration=1\r\nSignal=11\r\n", "#"),
        ("application/dtmf-relay", b"Signal=10", "*"),
        ("application/dtmf", b"7\r\n", "7"),
        ("application/dtmf", b"a", "A"),
        ("application/dtmf", b"77", None),
        ("application/dtmf-relay", b"Signal=!\r\n", None),
        ("application/dtmf-relay", b"", None),
        ("application/media_control+xml", b"<x/>", None),
    ],
)
def test_a_key_is_read_in_the_ways_that_equipment_writes_it(content_type: str, body: bytes, digit: str | None) -> None:
    assert info(content_type, body) == digit


@given(st.binary(max_size=400))
def test_no_body_raises(body: bytes) -> None:
    for content_type in ("application/dtmf", "application/dtmf-relay"):
        assert info(content_type, body) in {None, *"0123456789*#ABCD"}


def test_a_key_told_both_ways_counts_once_and_a_key_pressed_twice_counts_twice() -> None:
    keys = KeySources()
    assert keys.is_news("1", "rtp", 0.0)
    assert keys.is_news("1", "rtp", 0.2)
    assert not keys.is_news("1", "info", 0.3)
    assert not keys.is_news("1", "info", 0.4)
    assert keys.is_news("1", "info", 0.5), "a third press, told by INFO first"
    assert not keys.is_news("1", "rtp", 0.6)
    assert keys.is_news("2", "info", 0.7)
    assert keys.is_news("2", "rtp", 0.7 + SAME_KEY_S), "so late it is another press"
