from __future__ import annotations

from typing import Any

from gateway.call.addresses import AdvertisedAddresses
from gateway.settings.schema import Settings
from gateway.sip.flow import Flow

INSIDE = Flow("udp", ("10.0.0.5", 5060), ("10.0.0.77", 5060))
OUTSIDE = Flow("udp", ("10.0.0.5", 5060), ("198.51.100.9", 5060))


def addresses(**changes: Any) -> AdvertisedAddresses:
    base: dict[str, Any] = {
        "inworld": {"api_key": ""},
        "trunks": {"carrier": {"accept_from": ["198.51.100.0/24"]}},
        "agents": {"desk": {}},
        "routes": [{"agent": "desk"}],
    }
    return AdvertisedAddresses(Settings.model_validate(base | changes))


def test_without_an_advertised_address_everybody_is_told_the_local_one_that_reaches_them() -> None:
    assert addresses().signalling(OUTSIDE) == ("10.0.0.5", 5060)
    assert addresses().media(OUTSIDE) == "10.0.0.5"


def test_behind_a_nat_the_outside_is_told_the_public_address_and_the_inside_is_not() -> None:
    told = addresses(sip={"advertise": "203.0.113.10"}, media={"advertise": "203.0.113.11"})
    assert told.signalling(OUTSIDE) == ("203.0.113.10", 5060)
    assert told.media(OUTSIDE) == "203.0.113.11"
    assert told.signalling(INSIDE) == ("10.0.0.5", 5060)
    assert told.media(INSIDE) == "10.0.0.5"


def test_each_transport_may_be_told_an_address_and_port_of_its_own() -> None:
    told = addresses(sip={"advertise": {"udp": "203.0.113.10:5080"}})
    assert told.signalling(OUTSIDE) == ("203.0.113.10", 5080)
    assert told.signalling(INSIDE) == ("10.0.0.5", 5060)
    assert told.signalling(Flow("tcp", ("10.0.0.5", 5060), ("198.51.100.9", 5060))) == ("10.0.0.5", 5060)
    assert told.media(OUTSIDE) == "203.0.113.10"
