"""Dialogs that live on for a subscription only."""

from __future__ import annotations

from gateway.sip.invite.lingering import Lingering


def test_they_are_known_until_their_time_is_over() -> None:
    lingering = Lingering()
    lingering.add(("id", "a", "b"), 100.0)
    assert lingering.knows(("id", "a", "b"), 99.9)
    assert not lingering.knows(("id", "a", "c"), 99.9)
    assert not lingering.knows(("id", "a", "b"), 100.0)
    assert len(lingering) == 0


def test_the_oldest_give_way() -> None:
    lingering = Lingering()
    for number in range(2_500):
        lingering.add((str(number), "a", "b"), 100.0)
    assert len(lingering) == 2_000
    assert not lingering.knows(("0", "a", "b"), 0.0)
    assert lingering.knows(("2499", "a", "b"), 0.0)
