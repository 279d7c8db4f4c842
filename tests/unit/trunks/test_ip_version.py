from __future__ import annotations

import pytest

from gateway.sip.flow import Flow
from gateway.sip.invite.invitation import Target
from gateway.trunks.ip_version import is_ipv6, of_version, written_version


def flow(host: str) -> Flow:
    return Flow("udp", ("::1" if ":" in host else "127.0.0.1", 5060), (host, 5060))


FOUR, SIX = flow("192.0.2.1"), flow("2001:db8::1")


@pytest.mark.parametrize(
    ("hosts", "version"),
    [
        (["[2001:db8::1]", "192.0.2.1"], True),
        (["192.0.2.9", "[2001:db8::1]"], False),
        (["carrier.example", "2001:db8::1"], True),
        (["carrier.example"], None),
        ([], None),
    ],
)
def test_what_is_written_as_an_address_says_the_version(hosts: list[str], version: bool | None) -> None:
    assert written_version(hosts) is version


def test_only_hops_of_the_version_are_kept_in_their_order() -> None:
    both = Target("sip:a", (SIX, FOUR), ("<sip:p;lr>",))
    targets = [both, Target("sip:b", (FOUR,)), Target("sip:c", (SIX,))]
    assert of_version(targets, wants_ipv6=False) == [Target("sip:a", (FOUR,), ("<sip:p;lr>",)), targets[1]]
    assert of_version(targets, wants_ipv6=True) == [Target("sip:a", (SIX,), ("<sip:p;lr>",)), targets[2]]
    assert of_version(targets[2:], wants_ipv6=False) == []
    assert (is_ipv6(SIX), is_ipv6(FOUR)) == (True, False)
