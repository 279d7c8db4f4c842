"""Which trunk takes a call, and the INVITE it makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.base.redact import Secret
from gateway.settings.schema import TrunkSettings
from gateway.sip.admission import ALLOW, Allow
from gateway.sip.events import CallRedirected, HopFailed, HopFault
from gateway.sip.flow import Flow, SocketAddress, Transport
from gateway.sip.invite.invitation import Invitation, Target
from gateway.sip.resolution import Hop, ResolutionError
from gateway.sip.uri import SipUri
from gateway.trunks.destination import OutboundRefused
from gateway.trunks.hops import Hops
from gateway.trunks.outbound import OutboundTrunks, Redirection
from tests.support.sip_peer import OFFER

CARRIER: dict[str, Any] = {
    "targets": ["sip:sip.carrier.example"],
    "allow_destinations": ["+1*"],
    "username": "acme",
    "password": "secret",
}


class Names:
    """A resolver that knows a few names."""

    def __init__(self, **known: str) -> None:
        self.known = {name.replace("_", "."): address for name, address in known.items()}
        self.asked: list[str] = []
        self.penalties: list[tuple[str, SocketAddress, float | None]] = []

    async def resolve(self, uri: SipUri, *, transports: Collection[Transport]) -> tuple[Hop, ...]:
        self.asked.append(str(uri))
        address = self.known.get(uri.host)
        if address is None:
            raise ResolutionError(f"{uri.host} has no address")
        transport: Any = uri.transport or ("tls" if uri.scheme == "sips" else "udp")
        return (Hop(transport, address, uri.port or 5060, uri.host),)

    def penalise(self, transport: str, remote: SocketAddress, for_s: float | None = None) -> None:
        self.penalties.append((transport, remote, for_s))


@dataclass(frozen=True)
class Binding:
    uri: str
    flow: Flow
    path: tuple[str, ...] = ()


def flow_to(remote: SocketAddress, transport: Transport = "udp", *, server_name: str = "", profile: str = "") -> Flow:
    if ":" in remote[0]:
        raise LocalProtocolError("no listener of the address family")
    return Flow(transport, ("192.0.2.1", 5060), remote, server_name=server_name, profile=profile)


def outbound(
    names: Names | None = None, trunks: dict[str, dict[str, Any]] | None = None, **given: Any
) -> OutboundTrunks:
    known = names or Names(sip_carrier_example="198.51.100.7", b_example="198.51.100.8", proxy_example="198.51.100.9")
    settings = {name: TrunkSettings.model_validate(trunk) for name, trunk in (trunks or {"carrier": CARRIER}).items()}
    hops = Hops(known, flow_to, lambda: ("udp", "tcp", "tls"))
    return OutboundTrunks(settings, hops=hops, **given)


def invite(trunks: OutboundTrunks, to: str = "+15550100", trunk: str = "carrier", **given: Any) -> Invitation:
    return asyncio.run(trunks.invitation(trunk, to, body=OFFER, **given))


def rule_of(action: Any) -> str:
    with pytest.raises(OutboundRefused) as refused:
        action()
    return refused.value.rule


# Which trunk


def test_nothing_may_be_dialled_unless_it_is_allowed() -> None:
    trunks = outbound(trunks={"carrier": {**CARRIER, "allow_destinations": []}})
    assert rule_of(lambda: trunks.choose("+15550100")) == "trunks.allow_destinations"
    assert rule_of(lambda: trunks.choose("+15550100", "carrier")) == "trunks.allow_destinations"
    assert rule_of(lambda: invite(trunks)) == "trunks.allow_destinations"


def test_the_first_trunk_in_order_that_fits_and_is_up() -> None:
    down: set[str] = set()
    both = {
        "uk": {**CARRIER, "allow_destinations": ["+44*"]},
        "first": CARRIER,
        "second": {**CARRIER, "allow_destinations": ["*"]},
    }
    trunks = outbound(trunks=both, is_down=down.__contains__)
    assert trunks.choose("+1 555 0100") == "first"
    assert trunks.choose("+44 20 7946") == "uk"
    assert trunks.choose("+49 30 1") == "second"
    down.add("first")
    assert trunks.choose("+15550100") == "second"
    down.add("second")
    assert rule_of(lambda: trunks.choose("+15550100")) == "trunks.down"
    assert trunks.choose("+15550100", "first") == "first", "who names it means it"


def test_a_trunk_that_is_named_must_be_there_and_have_targets() -> None:
    trunks = outbound(trunks={"in": {"accept_from": ["192.0.2.0/24"], "allow_destinations": ["*"]}})
    assert rule_of(lambda: trunks.choose("1", "nobody")) == "trunks.unknown"
    assert rule_of(lambda: trunks.choose("1", "in")) == "trunks.no_targets"
    assert rule_of(lambda: trunks.choose("1")) == "trunks.allow_destinations"


def test_a_number_pattern_allows_no_strangers_server() -> None:
    trunks = outbound()
    assert trunks.choose("sip:+15550100@sip.carrier.example") == "carrier"
    assert rule_of(lambda: trunks.choose("sip:+15550100@evil.example")) == "trunks.allow_destinations"
    anything = outbound(trunks={"any": {**CARRIER, "allow_destinations": ["*"]}})
    assert rule_of(lambda: anything.choose("sip:+15550100@evil.example")) == "trunks.allow_destinations"
    partner = outbound(trunks={"partner": {**CARRIER, "allow_destinations": ["sip:*@b.example"]}})
    assert partner.choose("sip:bob@B.example") == "partner"
    made = invite(partner, "sip:bob@b.example", "partner")
    assert made.request_uri == "sip:bob@b.example"
    assert made.credentials is None, "a partner is shown no answer made with the trunk's password"


def test_a_pattern_for_addresses_fits_no_name() -> None:
    patterns = ["sip:*@10.*", "sip:*@192.0.2.*", "sip:*@2001:db8:*", "sip:*@10.mobile.example"]
    trunks = outbound(trunks={"lan": {**CARRIER, "allow_destinations": patterns}})
    for host in ("10.0.0.5", "192.0.2.9", "[2001:db8::1]", "10.mobile.example"):
        assert trunks.choose(f"sip:bob@{host}:5070") == "lan"
    for host in ("10.evil.example", "192.0.2.evil.example", "192.0.20.1"):
        assert rule_of(lambda host=host: trunks.choose(f"sip:bob@{host}")) == "trunks.allow_destinations"  # type: ignore[misc]


# What the INVITE says


def test_the_invitation_of_a_carrier() -> None:
    made = invite(outbound(), "+1 555 0100", ring_timeout_s=25)
    assert made.request_uri == "sip:+15550100@sip.carrier.example"
    assert made.to == "<sip:+15550100@sip.carrier.example>"
    assert made.from_ == "<sip:acme@sip.carrier.example>"
    assert made.hops == (flow_to(("198.51.100.7", 5060), profile="carrier"),)
    assert made.route == ()
    assert made.contact_user == "acme"
    assert made.ring_timeout_s == 25
    assert made.admission == Allow(trunk="carrier")
    assert made.credentials is not None
    assert made.credentials.username == "acme"
    assert made.credentials.password == Secret("secret")
    assert "secret" not in repr(made)


def test_ringing_time_comes_from_the_trunk() -> None:
    assert invite(outbound(trunks={"carrier": {**CARRIER, "ring_timeout_s": 33}})).ring_timeout_s == 33


def test_port_and_parameters_of_the_target_stay_and_its_transport_does_not() -> None:
    trunk = {**CARRIER, "targets": ["sip:sip.carrier.example:5080;transport=tcp;user=phone"]}
    made = invite(outbound(trunks={"carrier": trunk}))
    assert made.request_uri == "sip:+15550100@sip.carrier.example:5080;user=phone"
    assert made.hops[0].transport == "tcp"
    assert made.hops[0].remote == ("198.51.100.7", 5080)


def test_from_names_the_calls_own_user_before_the_trunks() -> None:
    named = {**CARRIER, "from_user": "+15559999", "from_domain": "pbx.example"}
    assert invite(outbound(trunks={"carrier": named})).from_ == "<sip:+15559999@pbx.example>"
    caller = invite(outbound(trunks={"carrier": named}), from_user="+1 555 7777", display_name="Ann")
    assert caller.from_ == '"Ann" <sip:+15557777@pbx.example>'
    by_address = {"targets": ["sip:198.51.100.7"], "allow_destinations": ["*"]}
    plain = outbound(
        Names(**{"198_51_100_7": "198.51.100.7"}), {"carrier": by_address}, own_host=lambda flow: "gw.example"
    )
    made = invite(plain)
    assert made.from_ == "<sip:gateway@gw.example>"
    assert made.credentials is None
    assert made.contact_user is None


def test_asserted_identity_and_privacy() -> None:
    trunk = {**CARRIER, "assert_identity": True, "privacy": True, "from_user": "+15559999"}
    own = (("Diversion", "<sip:+1@x>"),)
    made = invite(outbound(trunks={"carrier": trunk}), headers=own)
    assert made.from_ == '"Anonymous" <sip:anonymous@anonymous.invalid>'
    assert made.headers == (
        ("P-Asserted-Identity", "<sip:+15559999@sip.carrier.example>"),
        ("Privacy", "id"),
        ("Diversion", "<sip:+1@x>"),
    )
    assert rule_of(lambda: invite(outbound(), headers=(("Route", "<sip:evil>"),))) == "headers"


def test_the_outbound_proxy_is_preloaded_and_is_the_next_hop() -> None:
    names = Names(proxy_example="198.51.100.9")
    trunk = {**CARRIER, "outbound_proxy": "sip:proxy.example;transport=tcp"}
    trunks = outbound(names, {"carrier": trunk}, service_route=lambda trunk: ("<sip:core.example;lr>",))
    made = invite(trunks)
    assert made.route == ("<sip:proxy.example;transport=tcp;lr>", "<sip:core.example;lr>")
    assert made.hops[0].remote == ("198.51.100.9", 5060)
    assert made.hops[0].transport == "tcp"
    assert names.asked == ["sip:proxy.example;transport=tcp;lr"]


def test_tls_is_verified_for_the_name_that_was_configured() -> None:
    trunk = {**CARRIER, "targets": ["sip:sip.carrier.example;transport=tls"]}
    (flow,) = invite(outbound(trunks={"carrier": trunk})).hops
    assert (flow.transport, flow.server_name, flow.profile) == ("tls", "sip.carrier.example", "carrier")
    trunk = {**trunk, "tls": {"server_name": "edge.carrier.example"}}
    assert invite(outbound(trunks={"carrier": trunk})).hops[0].server_name == "edge.carrier.example"


def test_several_targets_are_tried_in_order_each_by_its_own_name() -> None:
    trunk = {**CARRIER, "targets": ["sip:gone.example", "sip:sip.carrier.example", "sip:b.example"]}
    made = invite(outbound(trunks={"carrier": trunk}))
    assert made.request_uri == "sip:+15550100@sip.carrier.example"
    assert made.more_targets == (
        Target("sip:+15550100@b.example", (flow_to(("198.51.100.8", 5060), profile="carrier"),)),
    )


def test_a_trunk_that_leads_nowhere_says_so() -> None:
    with pytest.raises(OutboundRefused, match=r"sip\.carrier\.example has no address") as refused:
        invite(outbound(Names()))
    assert (refused.value.rule, refused.value.status) == ("trunks.unresolved", 503)
    assert rule_of(lambda: invite(outbound(Names(sip_carrier_example="2001:db8::1")))) == "trunks.unresolved"


# Accounts


def test_a_registered_account_is_called_on_its_flow() -> None:
    desk = Binding("sip:1001@10.0.0.5:5070", flow_to(("203.0.113.5", 31000)), ("<sip:edge.example;lr>",))
    mobile = Binding("sip:1001@10.0.0.6", flow_to(("203.0.113.6", 31000)))
    known: dict[str, list[Binding]] = {"1001": [desk, mobile], "1002": []}
    trunks = outbound(contacts=known.get, trunks={"all": {**CARRIER, "allow_destinations": ["*"]}})
    for to in ("1001", "sip:1001"):
        assert trunks.choose(to) == "account:1001"
    made = invite(trunks, "1001", "account:1001", from_user="+15550100")
    assert made.request_uri == desk.uri
    assert made.hops == (desk.flow,)
    assert made.route == desk.path
    assert made.more_targets == (Target(mobile.uri, (mobile.flow,), ()),)
    assert made.from_ == "<sip:+15550100@192.0.2.1>"
    assert made.to == "<sip:1001@192.0.2.1>"
    assert made.admission == Allow(account="1001")
    assert trunks.choose("1001", "all") == "all"
    assert trunks.choose("1003") == "all"
    assert trunks.choose("1002") == "account:1002"
    assert rule_of(lambda: invite(trunks, "1002", "account:1002")) == "accounts.not_registered"
    assert rule_of(lambda: invite(trunks, "x", "account:x")) == "accounts.unknown"


def test_an_account_is_called_at_all_its_phones_whatever_ip_version_each_has() -> None:
    desk = Binding("sip:1001@[2001:db8::5]", Flow("udp", ("2001:db8::1", 5060), ("2001:db8::5", 5060)))
    mobile = Binding("sip:1001@10.0.0.6", flow_to(("203.0.113.6", 31000)))
    made = invite(outbound(contacts=lambda account: [desk, mobile]), "1001", "account:1001")
    assert [target.hops for target in made.targets] == [(desk.flow,), (mobile.flow,)]


# What comes back


def redirect(trunks: OutboundTrunks, *contacts: str, status: int = 302, trunk: str = "carrier") -> Redirection | None:
    event = CallRedirected("call", contacts, status, "Moved")
    return asyncio.run(trunks.redirection(trunk, event))


def test_a_redirect_is_followed_where_the_trunk_may_call() -> None:
    trunks = outbound()
    contacts = ("sip:+1900@evil.example", "sip:+4420@sip.carrier.example", "sip:+15550200@sip.carrier.example;x=1")
    found = redirect(trunks, *contacts)
    hops = (flow_to(("198.51.100.7", 5060), profile="carrier"),)
    assert found == Redirection(contacts[2], contacts[2], hops, speaks_for="carrier")
    assert redirect(trunks, *contacts[:2]) is None
    tel = redirect(trunks, "tel:+1-555-0300")
    assert tel is not None
    assert tel.request_uri == "sip:+15550300@sip.carrier.example"
    assert redirect(trunks, contacts[2], trunk="gone") is None


def test_a_redirect_by_an_outbound_proxy_goes_by_it_again() -> None:
    trunks = outbound(trunks={"carrier": {**CARRIER, "outbound_proxy": "sip:proxy.example"}})
    found = redirect(trunks, "sip:+15550200@sip.carrier.example")
    assert found is not None
    assert found.hops[0].remote == ("198.51.100.9", 5060)
    assert found.route is None


def test_use_proxy_changes_the_way_and_not_the_destination() -> None:
    trunks = outbound(trunks={"carrier": {**CARRIER, "allow_destinations": ["+1*", "sip:*@proxy.example"]}})
    found = redirect(trunks, "sip:proxy.example", status=305)
    assert found == Redirection(
        "sip:proxy.example", "", (flow_to(("198.51.100.9", 5060), profile="carrier"),), ("<sip:proxy.example;lr>",)
    )


@pytest.mark.parametrize("status", [302, 305])
def test_no_redirect_sends_us_to_a_host_of_its_own_choice(status: int) -> None:
    """Requests to addresses that only the gateway can reach, with the trunk's number in them."""
    names = Names(sip_carrier_example="198.51.100.7", evil_example="203.0.113.66")
    for contact in (
        "sip:+15550200@evil.example",
        "sip:+15550200@127.0.0.1:8080;transport=tcp",
        "sip:+15550200@sip.carrier.example;maddr=169.254.169.254",
        "sip:+15550200@sip.carrier.example;maddr=evil.example",
        "sip:+15550200@sip.carrier.example?Route=%3Csip:evil.example%3E",
    ):
        if status == 302 or "?" not in contact:
            assert redirect(outbound(names), contact, status=status) is None, contact
    assert names.asked == []


def test_whoever_is_called_at_his_own_server_does_not_speak_for_the_trunk() -> None:
    patterns = {"allow_destinations": ["+1*", "sip:*@partner.example"]}
    names = Names(partner_example="203.0.113.5")
    trunks = outbound(names, {"carrier": {**CARRIER, **patterns}})
    assert trunks.speaks_for("carrier", "+15550100") == "carrier"
    assert trunks.speaks_for("carrier", "sip:+15550100@sip.carrier.example") == "carrier"
    assert trunks.speaks_for("carrier", "sip:bob@partner.example") == ""
    assert invite(trunks, "sip:bob@partner.example").admission == ALLOW
    for contact, status in (("sip:bob@partner.example", 302), ("sip:partner.example", 305)):
        found = redirect(trunks, contact, status=status)
        assert found is not None
        assert found.speaks_for == ""
    assert trunks.speaks_for("account:1001", "1001") == ""
    by_proxy = outbound(trunks={"carrier": {**CARRIER, **patterns, "outbound_proxy": "sip:proxy.example"}})
    assert by_proxy.speaks_for("carrier", "sip:bob@partner.example") == "carrier", "it is the proxy that speaks"


def test_a_hop_that_failed_is_penalised() -> None:
    names = Names()
    flow = flow_to(("198.51.100.7", 5060))
    outbound(names).hop_failed(HopFailed("call", flow, HopFault.UNAVAILABLE, 60))
    assert names.penalties == [("udp", flow.remote, 60)]


def test_a_reload_changes_the_trunks() -> None:
    trunks = outbound()
    trunks.apply({})
    assert rule_of(lambda: trunks.choose("+15550100")) == "trunks.allow_destinations"
