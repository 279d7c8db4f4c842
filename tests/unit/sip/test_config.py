from __future__ import annotations

from gateway.sip.admission import ALLOW
from gateway.sip.config import UserAgentConfig
from tests.support.sip_peer import UDP


def config(**changes: object) -> UserAgentConfig:
    given: dict[str, object] = {"advertise": lambda flow: flow.local, "admit": lambda request, flow, now: ALLOW}
    return UserAgentConfig(**{**given, **changes})  # type: ignore[arg-type]


def test_what_it_can_do_follows_from_what_it_is_told() -> None:
    assert config().capabilities.extensions == ("100rel", "timer", "replaces", "norefersub")
    assert "100rel" not in config(reliable="off").capabilities.extensions
    assert "timer" not in config(min_se_s=0).capabilities.extensions
    assert "timer" not in config(session_expires_s=0).capabilities.extensions


def test_without_accounts_nobody_registers_and_without_trunks_nobody_has_credentials() -> None:
    assert "REGISTER" not in config().capabilities.methods
    assert config().credentials(ALLOW, UDP) is None
