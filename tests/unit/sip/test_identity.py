from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.sip.flow import Flow
from gateway.sip.identity import Identity, demands_sips, stateless_tag
from tests.support.sip_peer import invite

UDP = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 5060))
TCP = Flow("tcp", ("192.0.2.1", 5060), ("198.51.100.7", 5060))


def test_contact_names_the_transport_where_it_is_not_the_default() -> None:
    identity = Identity("gateway", "test", lambda flow: flow.local)
    assert identity.contact(UDP) == "<sip:gateway@192.0.2.1:5060>"
    assert identity.contact(TCP) == "<sip:gateway@192.0.2.1:5060;transport=tcp>"


def test_contact_over_tls_is_sip_with_a_transport_and_sips_only_when_the_peer_used_it() -> None:
    identity = Identity("gateway", "test", lambda flow: flow.local)
    tls = replace(TCP, transport="tls")
    assert identity.contact(tls) == "<sip:gateway@192.0.2.1:5060;transport=tls>"
    assert identity.contact(tls, is_sips=True) == "<sips:gateway@192.0.2.1:5060>"
    assert identity.contact(TCP, is_sips=True) == "<sip:gateway@192.0.2.1:5060;transport=tcp>", "nobody reaches us so"
    assert identity.via(tls, "z9hG4bKx") == "SIP/2.0/TLS 192.0.2.1:5060;branch=z9hG4bKx;rport"


def test_websocket_has_one_transport_parameter_and_two_names_in_via() -> None:
    identity = Identity("gateway", "test", lambda flow: flow.local)
    ws, wss = replace(TCP, transport="ws"), replace(TCP, transport="wss")
    assert identity.contact(ws) == identity.contact(wss) == "<sip:gateway@192.0.2.1:5060;transport=ws>"
    assert identity.contact(wss, is_sips=True) == "<sips:gateway@192.0.2.1:5060;transport=ws>"
    assert identity.via(ws, "z9hG4bKx").startswith("SIP/2.0/WS ")
    assert identity.via(wss, "z9hG4bKx").startswith("SIP/2.0/WSS ")


@pytest.mark.parametrize(
    ("uri", "record_route", "contact", "expected"),
    [
        ("sips:a@b.example", "<sip:p.example;lr>", "<sip:c@d.example>", True),
        ("sip:a@b.example", "<sips:p.example;lr>", "<sip:c@d.example>", True),
        ("sip:a@b.example", "<sip:p.example;lr>", "<sips:c@d.example>", False),
        ("sip:a@b.example", None, "<sips:c@d.example>", True),
        ("sip:a@b.example", None, "<sip:c@d.example>", False),
        ("sip:a@b.example", "nonsense", "<sip:c@d.example>", False),
    ],
)
def test_sips_is_answered_with_sips_by_rfc_3261_12_1_1(
    uri: str, record_route: str | None, contact: str, expected: bool
) -> None:
    headers = [("Record-Route", record_route)] if record_route else []
    assert demands_sips(invite(uri=uri, contact=contact, headers=headers)) is expected


def test_the_advertised_address_depends_on_the_flow() -> None:
    def advertise(flow: Flow) -> tuple[str, int]:
        return ("10.0.0.1", 5060) if flow.remote[0].startswith("10.") else ("203.0.113.10", 15060)

    identity = Identity("gateway", "test", advertise)
    inside = Flow("udp", ("10.0.0.1", 5060), ("10.0.0.9", 5060))
    assert identity.contact(inside) == "<sip:gateway@10.0.0.1:5060>"
    assert identity.contact(UDP) == "<sip:gateway@203.0.113.10:15060>"
    assert identity.via(UDP, "z9hG4bKx") == "SIP/2.0/UDP 203.0.113.10:15060;branch=z9hG4bKx;rport"


def test_ipv6_is_bracketed() -> None:
    flow = Flow("tcp", ("2001:db8::1", 5060), ("2001:db8::2", 5060))
    identity = Identity("gateway", "test", lambda flow: flow.local)
    assert identity.contact(flow) == "<sip:gateway@[2001:db8::1]:5060;transport=tcp>"
    assert identity.via(flow, "z9hG4bKx") == "SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bKx;rport"


def test_requests_say_user_agent_and_responses_server() -> None:
    identity = Identity("gateway", "gw/1", lambda flow: flow.local)
    assert identity.user_agent == ("User-Agent", "gw/1")
    assert identity.server == ("Server", "gw/1")


def test_a_stateless_tag_is_the_same_for_repetitions_only_and_depends_on_a_secret() -> None:
    sent = invite(branch="z9hG4bKone")
    tag = stateless_tag(sent, b"secret")
    assert stateless_tag(invite(branch="z9hG4bKone"), b"secret") == tag
    others = [
        stateless_tag(sent, b"another"),
        stateless_tag(invite(branch="z9hG4bKtwo"), b"secret"),
        stateless_tag(invite(branch="z9hG4bKone", call_id="2"), b"secret"),
        stateless_tag(invite(branch="z9hG4bKone", from_tag="x"), b"secret"),
        stateless_tag(invite(branch="z9hG4bKone", cseq=2), b"secret"),
    ]
    assert len({tag, *others}) == 6
