"""Reliable provisional responses (RFC 3262) from both sides."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import (
    CallAnswered,
    CallConfirmed,
    CallEnded,
    CallReoffered,
    CallRinging,
    EarlyAnswered,
    EndCause,
    ProvisionalAcknowledged,
)
from gateway.sip.message import Request, Response
from tests.support.calls import ALL_METHODS, ANSWER, OFFER, SDP, Talk, assert_nothing_is_left, offered
from tests.support.sip_peer import UserAgentBench, ack_for, invitation, invite, respond, statuses, times

SUPPORTED = ("Supported", "100rel")
REQUIRED = ("Require", "100rel")
CONTACT = ("Contact", "<sip:bob@203.0.113.9>")


def ringing(talk: Talk, status: int = 183, body: bytes = ANSWER, is_reliable: bool | None = None) -> Response:
    talk.bench.ua.ring(talk.call, talk.bench.now, status, body=body, is_reliable=is_reliable)
    (response,) = talk.bench.drain()
    assert isinstance(response, Response)
    talk.our_tag = response.to.tag or ""
    return response


def rack(response: Response, cseq: int = 1, method: str = "INVITE", shift: int = 0) -> tuple[str, str]:
    return ("RAck", f"{int(response.headers.get('RSeq') or 0) + shift} {cseq} {method}")


# Ours


@pytest.mark.parametrize(
    ("config", "headers", "body", "wish", "is_reliable"),
    [
        ("supported", [SUPPORTED], ANSWER, None, True),
        ("supported", [SUPPORTED], b"", None, False),
        ("supported", [SUPPORTED], b"", True, True),
        ("supported", [SUPPORTED], ANSWER, False, False),
        ("supported", [REQUIRED], b"", False, True),
        ("supported", [], ANSWER, True, False),
        ("required", [SUPPORTED], b"", None, True),
        ("required", [], b"", None, False),
        ("off", [SUPPORTED], ANSWER, True, False),
    ],
)
def test_when_a_provisional_answer_is_reliable(
    config: str, headers: list[tuple[str, str]], body: bytes, wish: bool | None, is_reliable: bool
) -> None:
    response = ringing(offered(config={"reliable": config}, headers=headers), 183, body, wish)
    assert ("RSeq" in response.headers) is is_reliable
    assert (response.headers.get("Require") == "100rel") is is_reliable
    assert response.body == body
    assert response.content_type == ("application/sdp" if body else None)


def test_who_insists_on_them_where_we_have_none_gets_420() -> None:
    bench = UserAgentBench(reliable="off")
    (response,) = bench.feed(invite(headers=[REQUIRED]))
    assert response.headers.get("Unsupported") == "100rel"


def test_it_is_repeated_at_doubling_intervals_until_its_prack() -> None:
    talk = offered(headers=[SUPPORTED])
    response = ringing(talk)
    sent = talk.bench.advance(16)
    assert times(sent) == [0.5, 1.5, 3.5, 7.5, 15.5]
    assert {message.to_bytes() for _, message in sent} == {response.to_bytes()}
    assert statuses(talk.ask("PRACK", headers=[rack(response)])) == [200]
    assert talk.bench.advance(40) == []


def test_without_a_prack_the_invite_is_refused_with_504() -> None:
    talk = offered(headers=[SUPPORTED])
    ringing(talk)
    assert statuses(message for _, message in talk.bench.advance(32.1))[-1] == 504
    assert talk.events() == [CallEnded(talk.call, EndCause.PRACK_TIMEOUT)]
    assert_nothing_is_left(talk.bench)


def test_the_next_waits_for_the_prack_of_the_one_before_and_counts_up() -> None:
    talk = offered(headers=[REQUIRED])
    first = ringing(talk, 180, b"")
    talk.bench.ua.ring(talk.call, talk.bench.now, 183, body=ANSWER)
    assert talk.bench.drain() == []
    ok, second = talk.ask("PRACK", headers=[rack(first)])
    assert statuses([ok, second]) == [200, 183]
    assert int(second.headers.get("RSeq") or 0) == int(first.headers.get("RSeq") or 0) + 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("RAck", "1 1 INVITE")], 481),
        ([], 400),
        ([("RAck", "x y z")], 400),
        ([("RAck", "1 1")], 400),
    ],
)
def test_a_prack_for_nothing(headers: list[tuple[str, str]], status: int) -> None:
    talk = offered(headers=[SUPPORTED])
    ringing(talk)
    assert statuses(talk.ask("PRACK", headers=headers)) == [status]
    assert talk.bench.advance(1), "still repeated"


def test_a_prack_for_another_number_or_another_request_is_481() -> None:
    talk = offered(headers=[SUPPORTED])
    response = ringing(talk)
    assert statuses(talk.ask("PRACK", headers=[rack(response, shift=1)])) == [481]
    assert statuses(talk.ask("PRACK", headers=[rack(response, cseq=2)])) == [481]
    assert statuses(talk.ask("PRACK", headers=[rack(response, method="UPDATE")])) == [481]
    prack = talk.request("PRACK", headers=[rack(response)])
    assert statuses(talk.bench.feed(prack)) == [200]
    assert statuses(talk.bench.feed(prack)) == [200], "a repetition"
    assert statuses(talk.ask("PRACK", headers=[rack(response)])) == [481], "a new one"


def test_the_200_waits_for_the_prack_of_a_session_description_and_repeats_none() -> None:
    talk = offered(headers=[SUPPORTED])
    response = ringing(talk)
    talk.bench.ua.answer(talk.call, ANSWER, talk.bench.now, [("X-Held", "yes")])
    assert talk.bench.drain() == []
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.answer(talk.call, ANSWER, talk.bench.now)
    ok, answer = talk.ask("PRACK", headers=[rack(response)])
    assert statuses([ok, answer]) == [200, 200]
    assert isinstance(answer, Response)
    assert answer.cseq.method == "INVITE"
    assert answer.body == b"", "the answer was given already (RFC 6337 §3.1.1)"
    assert answer.headers.get("X-Held") == "yes"
    talk.bench.feed(ack_for(talk.invite, answer))
    assert talk.events()[-1] == CallConfirmed(talk.call, None)
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    assert talk.sent().method == "BYE"


def test_a_200_without_a_session_outstanding_leaves_at_once() -> None:
    talk = offered(headers=[REQUIRED])
    response = ringing(talk, 180, b"")
    talk.bench.ua.answer(talk.call, ANSWER, talk.bench.now)
    (answer,) = talk.bench.drain()
    assert (statuses([answer]), answer.body) == ([200], ANSWER)
    assert isinstance(answer, Response)
    talk.bench.feed(ack_for(talk.invite, answer))
    assert talk.bench.advance(40) == [], "the 180 is not repeated any more"
    assert statuses(talk.ask("PRACK", headers=[rack(response)])) == [200], "late, and right (RFC 3262 §3)"
    assert statuses(talk.ask("PRACK", headers=[rack(response)])) == [481]


def test_hanging_up_while_the_200_is_held_back_refuses_the_invite() -> None:
    talk = offered(headers=[SUPPORTED])
    ringing(talk)
    talk.bench.ua.answer(talk.call, ANSWER, talk.bench.now)
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    assert statuses(talk.bench.drain()) == [480]
    assert_nothing_is_left(talk.bench)


def test_our_early_offer_is_answered_in_the_prack() -> None:
    talk = offered(body=b"", headers=[SUPPORTED])
    response = ringing(talk, 183, OFFER)
    assert statuses(talk.ask("PRACK", headers=[rack(response)], body=ANSWER)) == [200]
    assert talk.events() == [ProvisionalAcknowledged(talk.call), EarlyAnswered(talk.call, ANSWER)]
    talk.bench.ua.answer(talk.call, OFFER, talk.bench.now)
    (answer,) = talk.bench.drain()
    assert answer.body == b""


def test_an_offer_in_the_prack_is_answered_in_its_200() -> None:
    talk = offered(headers=[SUPPORTED])
    response = ringing(talk)
    talk.bench.ua.answer(talk.call, ANSWER, talk.bench.now)
    assert talk.ask("PRACK", headers=[rack(response)], body=OFFER) == []
    assert talk.events()[-1] == CallReoffered(talk.call, OFFER)
    talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)
    to_prack, to_invite = talk.bench.drain()
    assert (to_prack.cseq.method, to_prack.body) == ("PRACK", ANSWER)
    assert (to_invite.cseq.method, to_invite.body) == ("INVITE", b"")


def test_behind_a_settled_exchange_both_sides_may_update_before_the_answer() -> None:
    talk = offered(headers=[SUPPORTED, ALL_METHODS])
    response = ringing(talk)
    talk.ask("PRACK", headers=[rack(response)])
    talk.ask("UPDATE", body=OFFER)
    assert talk.events()[-1] == CallReoffered(talk.call, OFFER)
    talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)
    assert statuses(talk.bench.drain()) == [200]
    talk.bench.ua.reoffer(talk.call, OFFER, talk.bench.now)
    update = talk.sent()
    assert update.method == "UPDATE"
    assert statuses(talk.ask("UPDATE", body=OFFER)) == [491]


def test_a_minute_of_ringing_is_told_under_a_new_number() -> None:
    talk = offered(headers=[REQUIRED])
    first = ringing(talk)
    talk.ask("PRACK", headers=[rack(first)])
    ((at, again),) = talk.bench.advance(60.1)
    assert at == 60
    assert int(again.headers.get("RSeq") or 0) == int(first.headers.get("RSeq") or 0) + 1
    assert again.body == b""


def test_cancelling_stops_the_repetitions() -> None:
    talk = offered(headers=[SUPPORTED])
    ringing(talk)
    assert statuses(talk.ask("CANCEL", branch=talk.invite.via.branch, cseq=1, to_tag=None)) == [200, 487]
    assert 183 not in statuses(message for _, message in talk.bench.advance(40))
    assert_nothing_is_left(talk.bench)


# Those of the peer


def placed(**config: object) -> tuple[UserAgentBench, str, Request]:
    bench = UserAgentBench(**config)  # type: ignore[arg-type]
    call = bench.ua.invite(invitation(), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    return bench, call, sent


def provisional(sent: Request, rseq: int, tag: str = "a", status: int = 183, body: bytes = ANSWER) -> Response:
    headers = [CONTACT, REQUIRED, ("RSeq", str(rseq)), *([SDP] if body else [])]
    return respond(sent, status, to_tag=tag, headers=headers, body=body)


def test_each_is_acknowledged_once_and_in_order() -> None:
    bench, call, sent = placed()
    (prack,) = bench.feed(provisional(sent, 7))
    assert isinstance(prack, Request)
    assert (prack.method, prack.uri) == ("PRACK", "sip:bob@203.0.113.9")
    assert prack.headers.get("RAck") == f"7 {sent.cseq.number} INVITE"
    assert prack.cseq.number == sent.cseq.number + 1
    assert bench.take_events() == [CallRinging(call, 183, ANSWER, "a")]
    assert bench.feed(provisional(sent, 7)) == [], "repeated"
    assert bench.feed(provisional(sent, 9)) == [], "one was lost before it"
    assert bench.feed(provisional(sent, 6)) == []
    assert bench.take_events() == []
    (second,) = bench.feed(provisional(sent, 8, body=b""))
    assert second.headers.get("RAck") == f"8 {sent.cseq.number} INVITE"


def test_forks_count_for_themselves() -> None:
    bench, _, sent = placed()
    assert statuses(bench.feed(provisional(sent, 500, "a"))) == ["PRACK"]
    assert statuses(bench.feed(provisional(sent, 3, "b"))) == ["PRACK"]
    assert statuses(bench.feed(provisional(sent, 501, "a"))) == ["PRACK"]


def test_what_a_reliable_answer_agreed_on_is_not_changed_by_one_without_prack() -> None:
    bench, _, sent = placed()
    bench.feed(provisional(sent, 1, "a"))
    unreliable = {"headers": [CONTACT, SDP], "body": ANSWER.replace(b"5000", b"6000")}
    bench.feed(respond(sent, 180, to_tag="a", **unreliable))
    bench.feed(respond(sent, 183, to_tag="b", **unreliable))
    told = [event for event in bench.take_events() if isinstance(event, CallRinging)]
    assert [(event.early, event.body is None) for event in told] == [("a", False), ("a", True), ("b", False)]


def test_a_number_that_is_none_is_not_looked_at() -> None:
    bench, _, sent = placed()
    answer = respond(sent, 183, to_tag="a", headers=[CONTACT, REQUIRED, ("RSeq", "x")])
    assert bench.feed(answer) == []
    assert bench.take_events() == []


def test_sequence_numbers_go_on_behind_the_pracks() -> None:
    bench, call, sent = placed()
    (prack,) = bench.feed(provisional(sent, 1))
    assert isinstance(prack, Request)
    bench.feed(respond(prack, 200))
    moved = ("Contact", "<sip:other@203.0.113.10>")
    route = ("Record-Route", "<sip:proxy.example.net;lr>")
    (ack,) = bench.feed(respond(sent, 200, to_tag="a", headers=[moved, route, SDP], body=ANSWER))
    assert ack.cseq.number == sent.cseq.number
    assert isinstance(ack, Request)
    assert ack.uri == "sip:other@203.0.113.10"
    assert ack.headers.get("Route") == "<sip:proxy.example.net;lr>"
    assert isinstance(bench.take_events()[-1], CallAnswered)
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert bye.cseq.number == prack.cseq.number + 1


def test_the_called_side_updates_the_early_session() -> None:
    bench, call, sent = placed()
    bench.feed(provisional(sent, 1))
    bench.take_events()
    talk = Talk(bench, call, sent.from_.tag or "", "a", sent.call_id, sent, respond(sent, 183))
    talk.ask("UPDATE", body=OFFER)
    assert talk.events() == [CallReoffered(call, OFFER)]
    bench.ua.answer_offer(call, ANSWER, bench.now)
    assert statuses(bench.drain()) == [200]


def test_before_its_answer_the_called_side_may_not_offer() -> None:
    bench, call, sent = placed()
    bench.feed(respond(sent, 180, to_tag="a", headers=[CONTACT]))
    talk = Talk(bench, call, sent.from_.tag or "", "a", sent.call_id, sent, respond(sent, 183))
    assert statuses(talk.ask("UPDATE", body=OFFER)) == [491]


def test_we_may_insist() -> None:
    _, _, sent = placed(reliable="required")
    assert sent.headers.get("Require") == "100rel"


def test_a_prack_that_fails_is_not_the_end_of_the_call() -> None:
    bench, call, sent = placed()
    (prack,) = bench.feed(provisional(sent, 1))
    assert isinstance(prack, Request)
    bench.feed(respond(prack, 481))
    bench.feed(respond(sent, 200, to_tag="a", headers=[CONTACT, SDP], body=ANSWER))
    assert CallAnswered(call, ANSWER) in bench.take_events()


def test_a_fork_that_answers_too_late_is_ended_behind_its_prack() -> None:
    bench, _, sent = placed()
    pracks = {tag: bench.feed(provisional(sent, 1, tag))[0] for tag in "ab"}
    bench.feed(respond(sent, 200, to_tag="a", headers=[CONTACT, SDP], body=ANSWER))
    ack, bye = bench.feed(respond(sent, 200, to_tag="b", headers=[CONTACT, SDP], body=ANSWER))
    assert statuses([ack, bye]) == ["ACK", "BYE"]
    assert bye.to.tag == "b"
    assert bye.cseq.number == pracks["b"].cseq.number + 1, "a number used twice would be refused, and the fork stay up"


def test_an_answer_does_not_wait_for_what_was_never_sent() -> None:
    talk = offered(headers=[REQUIRED])
    ringing(talk, 180, b"")
    talk.bench.ua.ring(talk.call, talk.bench.now, 183, body=ANSWER)
    talk.bench.ua.answer(talk.call, ANSWER, talk.bench.now)
    (answer,) = talk.bench.drain()
    assert (statuses([answer]), answer.body) == ([200], ANSWER)
    assert isinstance(answer, Response)
    talk.bench.feed(ack_for(talk.invite, answer))
    assert talk.bench.advance(40) == []


def test_a_200_that_says_something_else_than_its_183_is_believed() -> None:
    bench, call, sent = placed()
    bench.feed(respond(sent, 183, to_tag="a", headers=[CONTACT, REQUIRED, SDP, ("RSeq", "1")], body=ANSWER))
    other = ANSWER.replace(b"5000", b"6000")
    bench.feed(respond(sent, 200, to_tag="a", headers=[CONTACT, SDP], body=other))
    assert bench.take_events()[-1] == CallAnswered(call, other)
