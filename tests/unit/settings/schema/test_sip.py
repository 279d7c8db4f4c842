from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings.schema.sip import SessionTimerSettings, SipSettings
from tests.support.certificates import Authority


def test_the_defaults() -> None:
    settings = SipSettings()
    assert settings.session_timer == SessionTimerSettings(interval_s=1800, minimum_s=90)
    assert (settings.dns.servers, settings.dns.timeout_s) == ((), 2)
    assert settings.tls is None


def test_every_transport_can_be_listened_on() -> None:
    listen = ["udp://0.0.0.0", "tcp://0.0.0.0", "tls://0.0.0.0", "ws://0.0.0.0", "wss://0.0.0.0"]
    assert [address.port for address in SipSettings.model_validate({"listen": listen}).listen] == [
        5060,
        5060,
        5061,
        80,
        443,
    ]


def test_session_timers_may_be_off() -> None:
    assert SipSettings.model_validate({"session_timer": "none"}).session_timer is None


@pytest.mark.parametrize(
    "values",
    [
        {"session_timer": {"interval_s": 89}},
        {"session_timer": {"interval_s": 90, "minimum_s": 120}},
        {"dns": {"servers": ["dns.example.net"]}},
        {"dns": {"timeout_s": 0}},
        {"tls": {"certificate": "missing.pem", "key": "missing.pem"}},
        {"advertise": {}},
    ],
)
def test_others_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SipSettings.model_validate(values)


def test_a_certificate_and_its_key(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("DNS:gw.example.net", file="gw")
    certificate, key = pair.certificate, pair.key
    tls = SipSettings.model_validate(
        {"tls": {"certificate": "gw.pem", "key": "gw.key", "ca": "gw.pem"}}, context={"folder": tmp_path}
    ).tls
    assert tls is not None
    assert (tls.certificate, tls.key, tls.ca, tls.require_client_certificate) == (certificate, key, certificate, False)


def test_browsers_connect_at_a_path_from_pages_that_may() -> None:
    assert SipSettings().websocket.path == "/"
    given = {"path": "/sip", "origins": ["https://phone.example.net"]}
    settings = SipSettings.model_validate({"websocket": given})
    assert (settings.websocket.path, settings.websocket.origins) == ("/sip", ("https://phone.example.net",))
    with pytest.raises(ValidationError):
        SipSettings.model_validate({"websocket": {"path": "sip"}})
