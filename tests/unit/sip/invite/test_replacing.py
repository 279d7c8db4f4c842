"""INVITE with Replaces (RFC 3891 §3)."""

from __future__ import annotations

import pytest

from gateway.sip.admission import Allow
from gateway.sip.events import CallEnded, CallOffered, EndCause
from tests.support.calls import ANSWER, Talk, assert_nothing_is_left, inbound, offered, outbound
from tests.support.sip_peer import UserAgentBench, invitation, invite, respond, statuses


def replacing(talk: Talk, extra: str = "", **changes: object) -> list[object]:
    value = f"{talk.call_id};to-tag={talk.our_tag};from-tag={talk.peer_tag}{extra}"
    given: dict[str, object] = {"call_id": "new@peer", "from_tag": "new", "headers": [("Replaces", value)]}
    return list(statuses(talk.bench.feed(invite(**{**given, **changes}))))


@pytest.mark.parametrize("make", [inbound, outbound])
def test_it_takes_the_place_of_a_call_when_it_is_answered(make: object) -> None:
    talk = make()  # type: ignore[operator]
    assert replacing(talk) == [100]
    (event,) = talk.events()
    assert isinstance(event, CallOffered)
    assert event.replaces == talk.call
    talk.bench.ua.answer(event.call, ANSWER, talk.bench.now)
    assert statuses(talk.bench.drain()) == [200, "BYE"]
    assert talk.events() == [CallEnded(talk.call, EndCause.REPLACED)]


def test_a_refused_replacement_leaves_the_call() -> None:
    talk = inbound()
    replacing(talk)
    talk.bench.ua.reject(talk.events()[0].call, 603, talk.bench.now)  # type: ignore[attr-defined]
    assert talk.bench.ua.calls == 1


def test_an_unknown_dialog_is_481() -> None:
    talk = inbound()
    talk.peer_tag = "guess"
    assert replacing(talk) == [481]


def test_early_only_spares_a_call_that_is_talked_on() -> None:
    assert replacing(inbound(), ";early-only") == [486]


def test_a_call_that_rings_here_is_not_ours_to_give_away() -> None:
    talk = offered()
    talk.bench.ua.ring(talk.call, talk.bench.now)
    talk.our_tag = talk.bench.drain()[0].to.tag or ""
    assert replacing(talk) == [481]


def test_a_call_of_ours_that_rings_there_may_be_picked_up() -> None:
    bench = UserAgentBench()
    call = bench.ua.invite(invitation(), bench.now)
    (sent,) = bench.drain()
    ringing = respond(sent, 180, to_tag="a", headers=[("Contact", "<sip:b@203.0.113.9>")])  # type: ignore[arg-type]
    bench.feed(ringing)
    bench.take_events()
    talk = Talk(bench, call, sent.from_.tag or "", "a", sent.call_id, sent, ringing)  # type: ignore[arg-type]
    assert replacing(talk, ";early-only") == [100]
    (event,) = talk.events()
    assert isinstance(event, CallOffered)
    bench.ua.answer(event.call, ANSWER, bench.now)
    assert statuses(bench.drain()) == [200, "CANCEL"]


def test_a_call_that_is_ending_is_603() -> None:
    talk = inbound()
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    talk.sent()
    assert replacing(talk) == [603]


@pytest.mark.parametrize(
    "headers",
    [
        [("Replaces", "nonsense")],
        [("Replaces", "a;to-tag=1;from-tag=2"), ("Replaces", "a;to-tag=1;from-tag=2")],
        [("Replaces", "a;to-tag=1;from-tag=2"), ("Join", "a;to-tag=1;from-tag=2")],
    ],
)
def test_what_is_no_replaces_is_400(headers: list[tuple[str, str]]) -> None:
    talk = inbound()
    assert replacing(talk, headers=headers) == [400]
    talk.ask("BYE")
    assert_nothing_is_left(talk.bench)


def test_a_call_of_another_trunk_is_not_handed_over_but_phones_replace_one_another() -> None:
    talk = inbound(config={"admission": Allow(trunk="one")})
    talk.bench.admission = Allow(trunk="two")
    assert replacing(talk) == [403]
    talk.bench.admission = Allow(trunk="one")
    assert replacing(talk) == [100]
    phone = inbound(config={"admission": Allow(account="1001")})
    phone.bench.admission = Allow(account="1002")
    assert replacing(phone) == [100]
