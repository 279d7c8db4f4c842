"""What an invitation takes for granted when little is said."""

from __future__ import annotations

import dataclasses

import pytest

from tests.support.sip_peer import invitation


def test_what_is_not_said_has_the_usual_meaning() -> None:
    plain = invitation()
    assert plain.follows_redirects
    assert plain.ring_timeout_s is None
    assert plain.route == plain.headers == ()


def test_it_is_a_value() -> None:
    assert invitation() == invitation()
    with pytest.raises(dataclasses.FrozenInstanceError):
        invitation().body = b""  # type: ignore[misc]
