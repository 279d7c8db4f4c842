"""Thousands of transactions that an admitted source begins and never ends: after their timers nothing is left."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.sip.digest import Credentials, DigestClient
from gateway.sip.events import CallOffered
from gateway.sip.message import Response, parse_message
from tests.support.open_door import CARRIER, OpenDoor
from tests.support.sip_peer import ANSWER, OFFER, ack_for, invite, request

PHONE = "192.0.2.77"
MANY = 10_000
FEW = 500
"""To have every table there before memory is counted."""
LEFT = 3_000_000
"""Octets. Tables keep the room that they had; ten thousand transactions would be some fifty million."""
ALL_TIMERS_S = 600

Flood = Callable[[OpenDoor, int], None]


def options(door: OpenDoor, count: int) -> None:
    for number in range(count):
        door.send(request("OPTIONS", call_id=f"o-{door.now}-{number}").to_bytes(), CARRIER)


def registers(door: OpenDoor, count: int) -> None:
    """With the right password, each of another device; the answers are never read."""
    client, nonce_of = DigestClient(Credentials("1001", Secret("right")), IdSource()), request("REGISTER", uri="sip:gw")
    (data,) = door.send(nonce_of.to_bytes(), PHONE)
    asked = parse_message(data)
    assert isinstance(asked, Response)
    assert client.answer(asked, "REGISTER", "sip:gw", b"") is not None
    for number in range(count // 5):
        contact = ("Contact", f"<sip:1001@192.0.2.77:{number % 60_000 + 1}>;expires=60")
        headers = [*client.authorize("REGISTER", "sip:gw", b""), contact]
        sent = request("REGISTER", uri="sip:gw", call_id=f"r-{door.now}-{number}", headers=headers)
        sent.headers.set("To", "<sip:1001@gw>")
        door.send(sent.to_bytes(), PHONE)


def invites(door: OpenDoor, count: int) -> None:
    """Some are offered and nobody ever answers; the others are refused, and no refusal is acknowledged."""
    for number in range(count):
        door.send(invite(call_id=f"i-{door.now}-{number}", from_tag=f"t{number}").to_bytes(), CARRIER)


def cancels(door: OpenDoor, count: int) -> None:
    """INVITE, CANCEL and no ACK for the 487."""
    for number in range(count // 10):
        sent = invite(call_id=f"c-{door.now}-{number}", from_tag=f"t{number}")
        door.send(sent.to_bytes(), CARRIER)
        again = {"call_id": sent.call_id, "from_tag": f"t{number}", "via": sent.headers.get("Via")}
        door.send(request("CANCEL", **again).to_bytes(), CARRIER)  # type: ignore[arg-type]
        door.now += 0.01


def answers(door: OpenDoor, count: int) -> None:
    """Calls that are answered, and whose 200 nobody acknowledges; nor the BYE that follows."""
    for number in range(count // 20):
        door.send(invite(call_id=f"a-{door.now}-{number}", from_tag=f"t{number}").to_bytes(), CARRIER)
        for event in door.events:
            if isinstance(event, CallOffered):
                door.ua.answer(event.call, ANSWER, door.now)
        door.events.clear()
        door.take()


def within_a_call(door: OpenDoor, count: int) -> None:
    """INFO, UPDATE and re-INVITE one upon the other in one call that is up; then its peer is gone."""
    sent = invite(call_id=f"w-{door.now}")
    door.send(sent.to_bytes(), CARRIER)
    (offered,) = [event for event in door.events if isinstance(event, CallOffered)]
    door.ua.answer(offered.call, ANSWER, door.now)
    ok = next(one for one in map(parse_message, door.take()) if isinstance(one, Response))
    door.send(ack_for(sent, ok).to_bytes(), CARRIER)
    for number in range(count // 3):
        method = ("INFO", "UPDATE", "INVITE", "OPTIONS", "REFER")[number % 5]
        body = OFFER if method in {"INVITE", "UPDATE"} else b""
        given: dict[str, Any] = {"call_id": sent.call_id, "to_tag": ok.to.tag, "cseq": number + 2, "body": body}
        door.send(request(method, **given).to_bytes(), CARRIER)
        door.events.clear()
    door.ua.hang_up(offered.call, door.now)
    door.take()


FLOODS = [options, registers, invites, cancels, answers, within_a_call]


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_nothing_is_left_of_what_nobody_finished(flood: Flood) -> None:
    protection = {"unconfirmed_invites": 2000, "requests_per_second": 100_000, "invites_per_second": 100_000}
    door = OpenDoor(protection=protection, inworld={"api_key": "", "max_sessions": 4000})

    def round_of(count: int) -> int:
        flood(door, count)
        assert door.ua.transactions > 0 or flood is options, "a ping keeps no state"
        assert len(door.accounts.registrar) == (5 if flood is registers else 0), "max_contacts"
        door.pass_time(ALL_TIMERS_S)
        door.events.clear()
        gc.collect()
        assert (door.ua.transactions, door.ua.calls, door.ua.dialogs, door.ua.unfinished) == (0, 0, 0, 0)
        assert door.ua.next_deadline() is None
        assert len(door.accounts.registrar) == 0
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = round_of(FEW)
        assert round_of(MANY) - before < LEFT
    finally:
        tracemalloc.stop()


def test_a_flood_of_invites_is_bounded_while_it_lasts() -> None:
    door = OpenDoor()
    invites(door, MANY)
    assert door.ua.calls == 10, "half of max_sessions"
    (refused,) = map(parse_message, door.send(invite(call_id="x").to_bytes(), CARRIER))
    assert isinstance(refused, Response)
    assert refused.status == 503
    assert door.ua.transactions <= 10 + 1000
