"""Requests in calls that we placed, with every right tag: from other trunks, accounts, strangers and web pages."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.sip.admission import ALLOW, Allow
from gateway.sip.events import CallEnded, CallOffered, CallReferred, CallReoffered, InfoReceived
from gateway.sip.flow import Flow, Transport
from gateway.sip.message import Request, Response, parse_message
from tests.support.open_door import STRANGER, OpenDoor
from tests.support.sip_peer import ANSWER, OFFER, invitation, invite, request, respond

EDGE, SECOND_EDGE = "198.51.100.7", "198.51.100.8"
ELSEWHERE_OF_CARRIER, INBOUND_OF_CARRIER, OTHER = "198.51.100.99", "198.51.101.9", "192.0.2.50"
TRUNKS: dict[str, Any] = {
    "carrier": {"accept_from": ["198.51.100.0/24"]},
    "carrier-in": {"accept_from": ["198.51.101.0/24"]},
    "other": {"accept_from": [OTHER]},
}
TOLD = (CallEnded, CallReoffered, CallReferred, InfoReceived, CallOffered)
METHODS = ["BYE", "INVITE", "UPDATE", "REFER", "INFO", "OPTIONS", "MESSAGE", "NOTIFY"]


def hop(host: str, transport: Transport = "udp") -> Flow:
    return Flow(transport, ("192.0.2.1", 5060), (host, 5060), connection=0 if transport == "udp" else 1)


class Placed(OpenDoor):
    """A call of ours to the carrier's first edge, which has answered, or rings."""

    def __init__(
        self, admission: Allow | None = None, *hosts: str, is_up: bool = True, vouched: str = "carrier", **sections: Any
    ) -> None:
        super().__init__(**({"trunks": TRUNKS} | sections))
        hosts = hosts or (EDGE, SECOND_EDGE)
        given = invitation(*map(hop, hosts), admission=admission or Allow(trunk="carrier"))
        self.id = self.ua.invite(given, self.now)
        self.door.vouch("call", vouched, hosts)
        (data,) = self.take()
        sent = parse_message(data)
        assert isinstance(sent, Request)
        self.sent = sent
        contact = [("Contact", f"<sip:bob@{hosts[0]}>")]
        answer = respond(sent, 200 if is_up else 180, to_tag="bob", headers=contact, body=ANSWER if is_up else b"")
        self.send(answer.to_bytes(), hosts[0])
        self.events.clear()

    def ask(self, sent: Request, host: str, transport: Transport = "udp") -> list[int]:
        return [
            one.status
            for one in map(parse_message, self.send(sent.to_bytes(), host, transport))
            if isinstance(one, Response)
        ]

    def within(self, method: str, host: str, transport: Transport = "udp", **changes: Any) -> list[int]:
        """A request of the far end's, by whoever it is; the statuses that it got."""
        tags = {"call_id": self.sent.call_id, "from_tag": "bob", "to_tag": self.sent.from_.tag}
        body = OFFER if method in {"INVITE", "UPDATE"} else b""
        sent = request(method, contact="<sip:evil@203.0.113.66>", **{"body": body, "cseq": 9} | tags | changes)
        if method == "REFER":
            sent.headers.set("Refer-To", "<sip:+4490012345@203.0.113.66>")
        return self.ask(sent, host, transport)

    def replacing(self, host: str) -> list[int]:
        value = f"{self.sent.call_id};to-tag={self.sent.from_.tag};from-tag=bob"
        return self.ask(invite(call_id="new@peer", from_tag="new", headers=[("Replaces", value)]), host)

    @property
    def told(self) -> list[object]:
        return [event for event in self.events if isinstance(event, TOLD)]


@pytest.mark.parametrize("method", METHODS)
def test_another_trunk_or_a_stranger_with_the_right_tags_does_nothing(method: str) -> None:
    call = Placed()
    assert call.within(method, OTHER) == [403]
    assert call.within(method, INBOUND_OF_CARRIER) == [403], "the settings say that it is another trunk"
    assert set(call.within(method, STRANGER)) <= {401}
    assert call.told == []
    assert call.within("BYE", EDGE) == [200], "and the call can still be ended by who it is with"


@pytest.mark.parametrize("host", [EDGE, SECOND_EDGE, ELSEWHERE_OF_CARRIER])
def test_the_carrier_ends_it_from_each_of_its_hosts(host: str) -> None:
    assert Placed().within("BYE", host) == [200]


@pytest.mark.parametrize("host", [EDGE, SECOND_EDGE])
def test_hosts_that_it_was_placed_to_may_end_it_whichever_trunk_lists_them(host: str) -> None:
    """An outbound trunk with targets alone, an inbound one of the same carrier that lists its network."""
    trunks = {"out": {"targets": ["sip:198.51.100.7"]}, "in": {"accept_from": ["198.51.100.0/24"]}}
    call = Placed(Allow(trunk="out"), trunks=trunks, vouched="out")
    assert call.within("BYE", ELSEWHERE_OF_CARRIER) == [403]
    assert call.within("BYE", host) == [200]


@pytest.mark.parametrize("host", [EDGE, SECOND_EDGE])
def test_hosts_that_it_was_placed_to_may_end_it_when_no_trunk_lists_them(host: str) -> None:
    """A call to somebody's own server; or one whose trunk a reload has dropped."""
    call = Placed(ALLOW, trunks={}, vouched="")
    assert call.within("BYE", host) == [200]


def test_a_page_that_is_read_where_it_was_placed_to_is_not_the_carrier() -> None:
    call = Placed()
    assert set(call.within("BYE", SECOND_EDGE, "ws")) <= {401}
    assert call.told == []


def test_a_call_to_nobodys_host_is_no_trunks_and_no_accounts() -> None:
    call = Placed(ALLOW, "203.0.113.9", vouched="")
    for host in (EDGE, OTHER):
        assert call.within("BYE", host) == [403]
        assert call.replacing(host) == [403]
    assert call.told == []


def test_a_call_to_an_account_is_not_entered_by_a_trunk() -> None:
    call = Placed(Allow(account="1001"), "203.0.113.9", vouched="")
    for host in (EDGE, OTHER):
        assert call.within("BYE", host) == [403]
        assert call.replacing(host) == [403]
    assert call.told == []


@pytest.mark.parametrize("is_up", [True, False])
def test_only_the_carrier_may_take_its_place(is_up: bool) -> None:
    call = Placed(is_up=is_up)
    assert call.replacing(OTHER) == [403]
    assert set(call.replacing(STRANGER)) <= {401}
    assert call.told == []
    assert call.replacing(ELSEWHERE_OF_CARRIER) == [100]


def test_a_carriers_own_edge_may_take_its_place_whichever_trunk_lists_it() -> None:
    trunks = {"out": {"targets": ["sip:198.51.100.7"]}, "in": {"accept_from": ["198.51.100.0/24"]}}
    call = Placed(Allow(trunk="out"), trunks=trunks, vouched="out")
    assert call.replacing(ELSEWHERE_OF_CARRIER) == [403]
    assert call.replacing(SECOND_EDGE) == [100]


def test_who_has_sent_us_on_has_no_part_in_the_call_with_somebody_else() -> None:
    call = Placed(Allow(trunk="out"), EDGE, is_up=False, trunks={"out": {"targets": ["sip:198.51.100.7"]}})
    moved = respond(call.sent, 302, to_tag="there", headers=[("Contact", "<sip:bob@203.0.113.9>")])
    call.send(moved.to_bytes(), EDGE)
    call.ua.redirect(call.id, "sip:bob@203.0.113.9", [hop("203.0.113.9")], call.now)
    call.door.vouch("call", "", ["203.0.113.9"])
    (sent,) = [one for one in map(parse_message, call.take()) if isinstance(one, Request) and one.method == "INVITE"]
    contact = [("Contact", "<sip:bob@203.0.113.9>")]
    call.send(respond(sent, 200, to_tag="bob", headers=contact, body=ANSWER).to_bytes(), "203.0.113.9")
    assert set(call.within("BYE", EDGE)) <= {401}
    assert call.ua.calls == 1
    assert call.within("BYE", "203.0.113.9") == [200]
