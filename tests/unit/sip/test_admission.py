from __future__ import annotations

import dataclasses

import pytest

from gateway.sip.admission import ALLOW, Allow, Challenge, Refuse, Silence


def test_decisions_are_values() -> None:
    assert Allow() == ALLOW
    assert Silence("unknown_source") == Silence("unknown_source")
    assert Allow(trunk="carrier") != Allow(account="carrier")
    assert Challenge((("WWW-Authenticate", "Digest"),)).headers[0][0] == "WWW-Authenticate"
    assert Refuse(403, "Forbidden", "unknown_source").headers == ()


def test_decisions_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Silence("unknown_source").rule = "other"  # type: ignore[misc]
