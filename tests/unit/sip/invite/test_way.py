from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.flow import Flow
from gateway.sip.invite.invitation import Target
from gateway.sip.invite.way import Way
from tests.support.sip_peer import invitation

ONE, TWO, THREE = (Flow("udp", ("192.0.2.1", 5060), (f"198.51.100.{number}", 5060)) for number in (1, 2, 3))


def offer_to(*flows: Flow) -> dict[str, object]:
    return {"make_offer": lambda flow: flow.remote[0].encode() if flow in flows else None}


def test_hops_come_in_order_and_another_target_is_told() -> None:
    way = Way.of(invitation(ONE, TWO, more_targets=(Target("sip:b", (THREE,), ("<sip:p;lr>",)),)))
    first = way.uri
    assert [way.advance(), way.advance()] == [(ONE, False), (TWO, False)]
    assert (way.uri, way.goes_on) == (first, True)
    assert way.advance() == (THREE, True)
    assert (way.uri, way.route, way.goes_on) == ("sip:b", ("<sip:p;lr>",), False)


def test_the_body_is_the_offer_of_the_hop_and_one_without_is_passed_over() -> None:
    way = Way.of(invitation(ONE, TWO, THREE, **offer_to(ONE, THREE)))
    assert way.advance() == (ONE, False)
    assert way.body == b"198.51.100.1"
    assert way.advance() == (THREE, False)
    assert way.body == b"198.51.100.3"


def test_when_all_are_passed_over_what_was_asked_last_stands() -> None:
    way = Way.of(invitation(ONE, more_targets=(Target("sip:b", (TWO,)),), **offer_to(ONE)))
    way.advance()
    before = (way.uri, way.route, way.body)
    with pytest.raises(LocalProtocolError):
        way.advance()
    assert ((way.uri, way.route, way.body), way.goes_on) == (before, False)


def test_a_detour_leaves_the_other_targets_behind() -> None:
    way = Way.of(invitation(ONE, more_targets=(Target("sip:b", (TWO,)),), **offer_to(ONE, TWO)))
    way.advance()
    detour = way.detour("", [THREE], None)
    assert (detour.uri, detour.route) == (way.uri, way.route)
    with pytest.raises(LocalProtocolError):
        detour.advance()
    assert way.goes_on, "the way itself is as it was"
    with pytest.raises(LocalProtocolError):
        way.detour("sip:c", [], None)


def test_a_target_without_hops_is_no_invitation() -> None:
    with pytest.raises(LocalProtocolError):
        Way.of(invitation(ONE, more_targets=(Target("sip:b", ()),)))
