"""Requests and responses in other people's calls: from other addresses, other trunks, forged trunks and web pages."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.sip.events import (
    CallCancelled,
    CallConfirmed,
    CallEnded,
    CallOffered,
    CallReferred,
    CallReoffered,
    InfoReceived,
)
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response, parse_message
from tests.support.open_door import CARRIER, STRANGER, OpenDoor
from tests.support.sip_peer import ANSWER, OFFER, ack_for, invite, request

OTHER = "192.0.2.50"
TRUNKS: dict[str, Any] = {
    "trunks": {"carrier": {"accept_from": ["198.51.100.0/24"]}, "other": {"accept_from": [OTHER]}}
}
TOLD = (CallEnded, CallReoffered, CallReferred, InfoReceived, CallCancelled)


class Call(OpenDoor):
    """A call of the carrier's that is up, or rings."""

    def __init__(self, *, is_up: bool = True, **sections: Any) -> None:
        super().__init__(**(TRUNKS | sections))
        self.sent = invite(cseq=5)
        self.responses: list[Response] = []
        self.keep(self.send(self.sent.to_bytes(), CARRIER))
        (offered,) = [event for event in self.events if isinstance(event, CallOffered)]
        self.id = offered.call
        if is_up:
            self.ua.answer(self.id, ANSWER, self.now)
            self.keep(self.take())
            self.send(ack_for(self.sent, self.responses[-1]).to_bytes(), CARRIER)
        else:
            self.ua.ring(self.id, self.now)
            self.keep(self.take())

    def keep(self, sent: list[bytes]) -> None:
        self.responses += [one for one in map(parse_message, sent) if isinstance(one, Response)]

    def attack(self, method: str, host: str, **changes: Any) -> tuple[int, ...]:
        """A request with every right tag; the statuses that it got."""
        body = OFFER if method in {"INVITE", "UPDATE"} else b""
        given = {"to_tag": self.responses[-1].to.tag, "cseq": 9, "body": body, **changes}
        sent = request(method, contact="<sip:evil@203.0.113.66>", **given)
        if method == "REFER":
            sent.headers.set("Refer-To", "<sip:+4490012345@203.0.113.66>")
        self.keep(answers := self.send(sent.to_bytes(), host))
        return tuple(one.status for one in map(parse_message, answers) if isinstance(one, Response))

    @property
    def told(self) -> list[object]:
        return [event for event in self.events if isinstance(event, TOLD)]


METHODS = ["BYE", "INVITE", "UPDATE", "REFER", "INFO", "PRACK", "MESSAGE", "NOTIFY", "OPTIONS"]


@pytest.mark.parametrize("method", METHODS)
def test_the_right_tags_from_a_wrong_address_do_nothing(method: str) -> None:
    call = Call()
    assert set(call.attack(method, STRANGER)) <= {401}
    assert call.attack(method, OTHER) == (403,)
    assert call.told == []
    assert call.ua.calls == 1
    assert call.attack("BYE", CARRIER) == (200,), "and the call can still be ended by who it is with"


@pytest.mark.parametrize("method", METHODS)
def test_wrong_tags_from_the_right_address_find_no_call(method: str) -> None:
    call = Call()
    for wrong in ({"to_tag": "guess"}, {"from_tag": "guess"}, {"call_id": "guess@peer"}):
        assert all(status >= 400 for status in call.attack(method, CARRIER, **wrong))
    assert call.told == []


def test_a_cancel_from_another_address_or_with_other_words_takes_nothing_back() -> None:
    call = Call(is_up=False)
    via = call.sent.headers.get("Via")
    for host, changes in (
        (STRANGER, {}),
        (OTHER, {}),
        ("198.51.100.8", {}),
        (CARRIER, {"from_tag": "guess"}),
        (CARRIER, {"call_id": "guess@peer"}),
        (CARRIER, {"cseq": 6}),
        (CARRIER, {"via": "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKguess"}),
    ):
        call.send(request("CANCEL", **{"via": via, "cseq": 5, **changes}).to_bytes(), host)  # type: ignore[arg-type]
    assert call.told == []
    call.send(request("CANCEL", via=via, cseq=5).to_bytes(), CARRIER)
    assert [type(event) for event in call.told] == [CallCancelled]


def test_an_ack_from_another_address_confirms_no_forged_call() -> None:
    call = Call(is_up=False)
    call.ua.answer(call.id, ANSWER, call.now)
    call.keep(call.take())
    ack = ack_for(call.sent, call.responses[-1]).to_bytes()
    for host in (STRANGER, OTHER):
        call.send(ack, host)
    assert not [event for event in call.events if isinstance(event, CallConfirmed)]


def test_a_response_needs_the_branch_and_over_a_connection_the_peer() -> None:
    call = Call()
    call.ua.hang_up(call.id, call.now)
    (bye,) = [one for one in map(parse_message, call.take()) if isinstance(one, Request)]
    text = f"SIP/2.0 200 OK\r\nVia: {bye.headers.get('Via')}\r\nFrom: {bye.headers.get('From')}\r\n"
    text += f"To: {bye.headers.get('To')}\r\nCall-ID: {bye.call_id}\r\nCSeq: {bye.cseq.number} BYE\r\n\r\n"
    guessed = text.replace(bye.via.branch or "", "z9hG4bKguess")
    call.send(guessed.encode(), CARRIER)
    call.send(guessed.encode(), STRANGER)
    assert call.ua.calls == 1
    call.send(text.encode(), CARRIER)
    assert call.ua.calls == 0


def test_forged_trunk_sources_hold_half_of_the_sessions_at_most_however_many_they_are() -> None:
    """Each address of the trunk's network may be forged, and each has a limit of its own."""
    door = OpenDoor(**TRUNKS)
    statuses = []
    for number in range(40):
        sent = invite(call_id=f"forged-{number}@peer", from_tag=f"t{number}")
        answers = [parse_message(data) for data in door.send(sent.to_bytes(), f"198.51.100.{number + 1}")]
        statuses += [one.status for one in answers if isinstance(one, Response)]
    assert statuses.count(100) == 10, "half of max_sessions, which is 20"
    assert statuses.count(503) == 30
    assert [one.status for one in map(parse_message, door.send(invite(call_id="x").to_bytes(), OTHER))] == [100]  # type: ignore[union-attr]


@pytest.mark.parametrize(("origins", "is_trunk"), [([], False), (["https://phone.example.net"], True)])
def test_a_web_page_is_not_the_trunk_at_whose_desk_it_is_read(origins: list[str], is_trunk: bool) -> None:
    """Cross-site WebSocket hijacking: any page can connect from its reader's browser, and so from his address."""
    door = OpenDoor(**TRUNKS, sip={"websocket": {"origins": origins}})
    page = Flow("ws", ("192.0.2.1", 8080), (CARRIER, 40001), connection=1)
    door.ua.receive_message(invite().to_bytes(), page, door.now)
    answers = [parse_message(data) for data in door.take()]
    assert [one.status for one in answers if isinstance(one, Response)] == ([100] if is_trunk else [401])
