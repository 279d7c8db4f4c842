"""Waiting after glare (RFC 3261 §14.1)."""

from __future__ import annotations

import pytest

from gateway.sip.invite.glare import glare_wait_s, retry_after_s
from tests.support.calls import inbound, outbound
from tests.support.sip_peer import request, respond


def test_who_placed_the_call_waits_longer() -> None:
    ours, theirs = outbound(), inbound()
    for _ in range(200):
        assert 2.1 <= glare_wait_s(ours.bench.ua._call(ours.call)) <= 4.0
        assert 0.0 <= glare_wait_s(theirs.bench.ua._call(theirs.call)) <= 2.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5), ("0", 0), ("5;duration=3", 5), ("5 (busy)", 5), ("33", None), ("x", None), ("", None)],
)
def test_how_long_a_500_asks_us_to_wait(text: str, seconds: float | None) -> None:
    assert retry_after_s(respond(request("UPDATE"), 500, headers=[("Retry-After", text)])) == seconds
