from __future__ import annotations

import dataclasses

from gateway.sip.stats import UserAgentStats


def test_counters_start_at_zero() -> None:
    assert set(dataclasses.asdict(UserAgentStats()).values()) == {0}
