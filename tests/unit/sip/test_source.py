from __future__ import annotations

import pytest

from gateway.sip.source import reach, source_key


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", "no address"),
    ],
)
def test_what_one_owner_can_choose_from_is_one_source(host: str, key: str) -> None:
    assert source_key(host) == key


@pytest.mark.parametrize(
    ("far", "hosts"),
    [
        (0, ["127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:127.0.0.1"]),
        (1, ["169.254.169.254", "fe80::1", "::ffff:169.254.1.1"]),
        (2, ["10.0.0.1", "192.168.1.1", "fd00::1"]),
        (3, ["8.8.8.8", "2606:4700::1"]),
    ],
)
def test_from_how_far_an_address_is_reached(far: int, hosts: list[str]) -> None:
    assert [reach(host) for host in hosts] == [far] * len(hosts)
