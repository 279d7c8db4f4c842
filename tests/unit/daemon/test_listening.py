"""Addresses from settings."""

from __future__ import annotations

import errno

import pytest

from gateway.base.errors import GatewayError
from gateway.daemon.listening import (
    address_to_dial,
    ip_versions,
    listen_urls,
    media_bind_addresses,
    name_servers,
    naming,
)
from gateway.settings.schema import Settings
from gateway.sip.transport.listen_url import ListenUrl
from tests.support.stage import settings_with

URL = "ws://127.0.0.1:1/x"


def listening(*urls: str, **sip: object) -> Settings:
    return settings_with(URL, sip={"listen": list(urls), **sip})


def test_browsers_are_heard_at_the_path_of_the_settings() -> None:
    settings = listening("udp://127.0.0.1:5060", "ws://127.0.0.1:8080", websocket={"path": "/sip"})
    assert list(listen_urls(settings)) == ["udp://127.0.0.1:5060", "ws://127.0.0.1:8080/sip"]


@pytest.mark.parametrize(
    ("urls", "hosts"),
    [
        (["udp://127.0.0.1:5060", "tcp://127.0.0.1:5060"], ["127.0.0.1"]),
        (["udp://127.0.0.1:5060", "udp://127.0.0.2:5060"], ["0.0.0.0"]),
        (["udp://[::1]:5060", "udp://127.0.0.1:5060"], ["::1", "127.0.0.1"]),
        (["udp://127.0.0.1:5060", "udp://[::1]:5060", "udp://[::2]:5060"], ["127.0.0.1", "::"]),
    ],
)
def test_rtp_leaves_from_where_sip_is_spoken_when_that_is_one_address(urls: list[str], hosts: list[str]) -> None:
    assert media_bind_addresses(listening(*urls)) == hosts


def test_the_versions_that_are_listened_on() -> None:
    assert ip_versions(listening("udp://[::1]:5060", "tcp://127.0.0.1:5060")) == [4, 6]
    assert ip_versions(listening("udp://[::1]:5060")) == [6]


def test_without_name_servers_of_our_own_the_systems_are_asked() -> None:
    assert name_servers(listening("udp://127.0.0.1:5060")) == (None, 2.0)
    asked = listening("udp://127.0.0.1:5060", dns={"servers": ["192.0.2.53", "192.0.2.54:5353"], "timeout_s": 1})
    assert name_servers(asked) == ([("192.0.2.53", 53), ("192.0.2.54", 5353)], 1.0)


def test_what_somebody_dials_to_try_it() -> None:
    assert address_to_dial([ListenUrl.parse("udp://127.0.0.1:5060")]) == "127.0.0.1"
    assert address_to_dial([ListenUrl.parse("udp://[::1]:5070")]) == "[::1]:5070"
    assert "0.0.0.0" not in address_to_dial([ListenUrl.parse("udp://0.0.0.0:5060")])


def test_a_taken_address_names_its_setting() -> None:
    in_use = pytest.raises(GatewayError, match=r"sip\.listen: cannot listen on udp://x: .*in use; stop what uses it")
    with in_use, naming("sip.listen", "udp://x"):
        raise OSError(errno.EADDRINUSE, "Address already in use")
