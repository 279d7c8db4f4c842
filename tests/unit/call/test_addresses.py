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
    routes = {"198.51.100.9": "10.0.0.5", "2001:db8::9": "2001:db8::5"}
    return AdvertisedAddresses(Settings.model_validate(base | changes), local_toward=routes.get)


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


OUTSIDE_6 = Flow("udp", ("2001:db8::5", 5060), ("2001:db8::9", 5060))
DUAL = ["udp://0.0.0.0:5060", "udp://[::]:5060"]


def trunk(**changes: Any) -> dict[str, Any]:
    return {"carrier": {"accept_from": ["198.51.100.0/24"]}, "pbx": {"accept_from": ["10.0.0.77"], **changes}}


def test_a_trunk_of_its_own_address_is_told_that_even_from_within() -> None:
    told = addresses(sip={"advertise": {"udp": "203.0.113.10:5080"}}, trunks=trunk(advertise="10.9.9.9"))
    assert told.signalling(INSIDE) == ("10.9.9.9", 5080)
    assert told.media(INSIDE) == "10.9.9.9"
    assert told.signalling(OUTSIDE) == ("203.0.113.10", 5080)
    outbound = Flow("tls", ("10.0.0.5", 5061), ("192.0.2.80", 5061), profile="pbx")
    assert told.signalling(outbound) == ("10.9.9.9", 5061), "a target need not be in accept_from"


def test_an_advertised_address_is_for_peers_of_its_ip_version() -> None:
    told = addresses(sip={"advertise": "203.0.113.10", "listen": DUAL})
    assert told.signalling(OUTSIDE_6) == ("2001:db8::5", 5060)
    assert told.media(OUTSIDE_6) == "2001:db8::5"
    assert told.media(OUTSIDE) == "203.0.113.10"
    named = addresses(sip={"advertise": "gw.example.net", "listen": DUAL})
    assert named.signalling(OUTSIDE_6) == ("gw.example.net", 5060)


def test_media_has_the_ip_version_that_was_offered_where_we_speak_it() -> None:
    both = addresses(sip={"listen": DUAL})
    assert both.media(OUTSIDE_6, "198.51.100.9") == "10.0.0.5"
    assert both.media(OUTSIDE, "2001:db8::9") == "2001:db8::5"
    assert both.media(OUTSIDE, "2001:db8::77") == "10.0.0.5", "no route there"
    assert addresses().media(OUTSIDE, "2001:db8::9") == "10.0.0.5"
