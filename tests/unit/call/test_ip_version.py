from __future__ import annotations

import pytest

from gateway.call.ip_version import keep_version, likely_ipv6
from gateway.settings.schema import TrunkSettings
from gateway.sip.flow import Flow
from gateway.sip.invite.invitation import Invitation, Target
from gateway.trunks.destination import parse_destination


def flow(host: str) -> Flow:
    return Flow("udp", ("::1" if ":" in host else "127.0.0.1", 5060), (host, 5060))


@pytest.mark.parametrize(
    ("to", "target", "is_ipv6"),
    [
        ("sip:1@[2001:db8::1]", "sip:192.0.2.1", True),
        ("sip:1@192.0.2.9", "sip:[2001:db8::1]", False),
        ("1001", "sip:[2001:db8::1]", True),
        ("1001", "sip:carrier.example", None),
        ("sip:1@pbx.example", "sip:192.0.2.1", False),
    ],
)
def test_what_is_written_as_an_address_says_the_version(to: str, target: str, is_ipv6: bool | None) -> None:
    trunk = TrunkSettings.model_validate({"targets": [target]})
    assert likely_ipv6(parse_destination(to), trunk) is is_ipv6


def test_only_hops_of_the_ports_version_are_tried_in_their_order() -> None:
    four, six = flow("192.0.2.1"), flow("2001:db8::1")
    more = (Target("sip:b", (four,), ("<sip:p;lr>",)), Target("sip:c", (six,)))
    invitation = Invitation("sip:a", (six,), "<sip:x>", "<sip:y>", b"", more_targets=more)
    kept = keep_version(invitation, is_ipv6=False)
    assert kept is not None
    assert (kept.request_uri, kept.hops, kept.route, kept.more_targets) == ("sip:b", (four,), ("<sip:p;lr>",), ())
    both = keep_version(invitation, is_ipv6=True)
    assert both is not None
    assert [target.request_uri for target in both.targets] == ["sip:a", "sip:c"]
    assert keep_version(Invitation("sip:a", (six,), "<sip:x>", "<sip:y>", b""), is_ipv6=False) is None
