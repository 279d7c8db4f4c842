"""Session timers (RFC 4028) in all four roles: caller or called, refreshing or refreshed."""

from __future__ import annotations

import pytest

from gateway.sip.events import CallAnswered, CallEnded, CallReoffered, EndCause, ReofferAnswered
from gateway.sip.invite.session_timer import SessionTerms, check_interval, read_session_expires
from gateway.sip.message import Request, Response
from tests.support.calls import ALL_METHODS, ANSWER, OFFER, PEER_CONTACT, SDP, assert_nothing_is_left, inbound, outbound
from tests.support.sip_peer import UserAgentBench, ack_for, invitation, invite, request, respond, statuses

TIMER = ("Supported", "timer")


def expires(value: str) -> tuple[str, str]:
    return ("Session-Expires", value)


def methods(sent: list[tuple[float, Request | Response]]) -> list[tuple[float, int | str]]:
    return [(at, message.status if isinstance(message, Response) else message.method) for at, message in sent]


# What the 2xx says


@pytest.mark.parametrize(
    ("headers", "answered", "requires"),
    [
        ([], None, None),
        ([TIMER], "1800;refresher=uas", "timer"),
        ([TIMER, expires("900")], "900;refresher=uac", "timer"),
        ([TIMER, expires("900;refresher=uas")], "900;refresher=uas", "timer"),
        ([TIMER, expires("900;Refresher=UAC")], "900;refresher=uac", "timer"),
        ([TIMER, ("x", "7200")], "1800;refresher=uac", "timer"),
        ([TIMER, expires("7200"), ("Min-SE", "3600")], "3600;refresher=uac", "timer"),
        ([expires("600")], "600;refresher=uas", None),
        ([expires("nonsense")], None, None),
        ([("Require", "timer"), expires("300")], "300;refresher=uac", "timer"),
    ],
)
def test_the_answer_to_an_invite(headers: list[tuple[str, str]], answered: str | None, requires: str | None) -> None:
    talk = inbound(headers=headers)
    assert talk.answer.headers.get("Session-Expires") == answered
    assert talk.answer.headers.get("Require") == requires


def test_too_short_an_interval_gets_422_with_ours() -> None:
    bench = UserAgentBench()
    (response,) = bench.feed(invite(headers=[TIMER, expires("60")]))
    assert isinstance(response, Response)
    assert (response.status, response.headers.get("Min-SE")) == (422, "90")
    assert bench.counts() == (0, 0, 0)
    bench.feed(ack_for(invite(), response))
    again = inbound(headers=[TIMER, expires("90")])
    assert again.answer.status == 200


def test_a_short_interval_of_somebody_who_cannot_be_told_is_lengthened_to_the_least() -> None:
    assert inbound(headers=[expires("1")]).answer.headers.get("Session-Expires") == "90;refresher=uas"


def test_without_session_timers_nothing_is_said_of_them() -> None:
    talk = inbound(config={"min_se_s": 0}, headers=[TIMER, expires("60")])
    assert "Session-Expires" not in talk.answer.headers
    assert talk.answer.headers.get("Supported") == "100rel, replaces, norefersub"
    sent = outbound(config={"session_expires_s": 0}).invite
    assert "Session-Expires" not in sent.headers
    assert "Min-SE" not in sent.headers


# Refreshing, as the called side


def test_ours_by_update_at_half_the_interval_and_the_call_lives_on() -> None:
    talk = inbound(headers=[TIMER, expires("1800;refresher=uas"), ALL_METHODS])
    for _ in range(4):
        assert talk.bench.advance(899.9) == []
        ((_, update),) = talk.bench.advance(0.2)
        assert isinstance(update, Request)
        assert (update.method, update.body) == ("UPDATE", b"")
        assert update.headers.get("Session-Expires") == "1800;refresher=uac"
        assert update.headers.get("Contact")
        talk.reply(update, 200, headers=[expires("1800;refresher=uac")])
    assert talk.events() == []
    assert talk.bench.ua.calls == 1


def test_ours_by_reinvite_repeats_the_session_as_it_stands() -> None:
    talk = inbound(headers=[TIMER, expires("90;refresher=uas")])
    ((at, again),) = talk.bench.advance(45.1)
    assert isinstance(again, Request)
    assert (at, again.method, again.body) == (45.0, "INVITE", ANSWER)
    assert again.content_type == "application/sdp"
    ok = respond(again, 200, headers=[expires("90;refresher=uac"), SDP], body=OFFER)
    assert statuses(talk.bench.feed(ok)) == ["ACK"]
    assert talk.events() == [], "a refresh that changes nothing is nobody's business"
    ((_, third),) = talk.bench.advance(45.1)
    assert isinstance(third, Request)
    moved = OFFER.replace(b"4000", b"4002")
    talk.reply(third, 200, headers=[expires("90;refresher=uac"), SDP], body=moved)
    assert talk.events() == [ReofferAnswered(talk.call, moved)], "the peer moved its media in the answer"


def test_a_refresh_after_hold_repeats_the_held_session() -> None:
    talk = inbound(headers=[TIMER, expires("90;refresher=uas")])
    talk.ask("INVITE", body=OFFER, headers=[TIMER, expires("90;refresher=uas")])
    held = ANSWER.replace(b"RTP/AVP 0\r\n", b"RTP/AVP 0\r\na=recvonly\r\n")
    talk.bench.ua.answer_offer(talk.call, held, talk.bench.now)
    (ok,) = talk.bench.drain()
    assert ok.headers.get("Session-Expires") == "90;refresher=uas"
    assert isinstance(ok, Response)
    talk.acknowledge()
    ((_, again),) = talk.bench.advance(45.1)
    assert again.body == held


def test_a_peer_that_takes_no_update_after_all_gets_a_reinvite() -> None:
    talk = inbound(headers=[TIMER, expires("90;refresher=uas"), ALL_METHODS])
    ((_, update),) = talk.bench.advance(45.1)
    assert isinstance(update, Request)
    (again,) = talk.reply(update, 405)
    assert isinstance(again, Request)
    assert (again.method, again.body) == ("INVITE", ANSWER)
    assert again.cseq.number == update.cseq.number + 1
    talk.reply(again, 200, headers=[expires("90;refresher=uac"), SDP], body=OFFER)
    ((_, third),) = talk.bench.advance(45.1)
    assert statuses([third]) == ["INVITE"], "it is not asked again"


def test_a_refused_refresh_is_tried_again_until_the_session_ends() -> None:
    talk = inbound(headers=[TIMER, expires("90;refresher=uas"), ALL_METHODS])
    tries = 0
    for _ in range(20):
        sent = [message for _, message in talk.bench.advance(2)]
        for message in sent:
            assert isinstance(message, Request)
            if message.method == "UPDATE":
                tries += 1
                talk.reply(message, 503)
            else:
                raise AssertionError(message.method)
        if talk.bench.now > 1000 + 59:
            break
    while talk.bench.now < 1000 + 59.9:
        for _, message in talk.bench.advance(0.5):
            assert isinstance(message, Request)
            tries += message.method == "UPDATE"
            talk.reply(message, 503)
    assert tries >= 2
    assert CallEnded(talk.call, EndCause.SESSION_EXPIRED) in [*talk.events(), *talk.bench.events]


def test_a_refresh_that_is_too_short_for_the_peer_is_sent_with_its_minimum() -> None:
    talk = inbound(headers=[TIMER, expires("90;refresher=uas"), ALL_METHODS])
    ((_, update),) = talk.bench.advance(45.1)
    assert isinstance(update, Request)
    (again,) = talk.reply(update, 422, headers=[("Min-SE", "600")])
    assert isinstance(again, Request)
    assert again.headers.get("Session-Expires") == "600;refresher=uac"
    assert again.headers.get("Min-SE") == "600"
    talk.reply(again, 200, headers=[expires("600;refresher=uac")])
    assert talk.bench.advance(299) == []


def test_a_dead_peer_is_found_by_the_refresh() -> None:
    talk = inbound(headers=[TIMER, expires("1800;refresher=uas"), ALL_METHODS])
    talk.bench.advance(900 + 33)
    assert talk.events() == [CallEnded(talk.call, EndCause.DIALOG_GONE)]
    assert_nothing_is_left(talk.bench)


# Being refreshed


def test_a_peer_that_stops_refreshing_ends_the_call_ahead_of_time() -> None:
    talk = inbound(headers=[TIMER, expires("900;refresher=uac")])
    assert talk.bench.advance(900 - 32 - 0.1) == []
    ((_, bye),) = talk.bench.advance(0.2)
    assert isinstance(bye, Request)
    assert bye.method == "BYE"
    assert "408" in (bye.headers.get("Reason") or "")
    assert talk.events() == [CallEnded(talk.call, EndCause.SESSION_EXPIRED)]
    talk.reply(bye, 200)
    assert_nothing_is_left(talk.bench)


def test_a_short_session_ends_a_third_before_its_time() -> None:
    talk = inbound(headers=[TIMER, expires("90;refresher=uac")])
    assert methods(talk.bench.advance(61))[0] == (60, "BYE")


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_each_refresh_of_the_peer_starts_the_time_anew(method: str) -> None:
    talk = inbound(headers=[TIMER, expires("900;refresher=uac")])
    for _ in range(5):
        assert talk.bench.advance(450) == []
        talk.bench.take_events()
        body = OFFER if method == "INVITE" else b""
        answers = talk.ask(method, body=body, headers=[TIMER, expires("900;refresher=uac")])
        if method == "INVITE":
            assert talk.bench.take_events() == [CallReoffered(talk.call, OFFER)]
            talk.bench.ua.answer_offer(talk.call, ANSWER, talk.bench.now)
            answers = talk.bench.drain()
        assert answers[-1].headers.get("Session-Expires") == "900;refresher=uac"
        assert statuses(answers)[-1] == 200
        if method == "INVITE":
            talk.acknowledge()
    assert EndCause.SESSION_EXPIRED not in [getattr(event, "cause", None) for event in talk.events()]
    assert talk.bench.ua.calls == 1


def test_a_change_that_says_nothing_of_the_timer_leaves_the_roles_as_they_are() -> None:
    talk = inbound(headers=[TIMER, expires("900;refresher=uas")])
    (ok,) = talk.ask("UPDATE", headers=[TIMER, ("Contact", "<sip:x@198.51.100.7>")])
    assert ok.headers.get("Session-Expires") == "900;refresher=uas"
    (ok,) = talk.ask("UPDATE", headers=[("Contact", "<sip:x@198.51.100.7>")])
    assert ok.headers.get("Session-Expires") == "900;refresher=uas"


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_a_refresh_that_asks_for_too_short_an_interval_gets_422_and_the_call_goes_on(method: str) -> None:
    talk = inbound(headers=[TIMER, expires("900")])
    (refused,) = talk.ask(method, body=OFFER, headers=[TIMER, expires("30")])
    assert isinstance(refused, Response)
    assert (refused.status, refused.headers.get("Min-SE")) == (422, "90")
    assert talk.bench.ua.calls == 1


# As the calling side


def test_our_invite_asks_for_a_timer_and_leaves_the_role_to_the_peer() -> None:
    sent = outbound().invite
    assert sent.headers.get("Session-Expires") == "1800"
    assert sent.headers.get("Min-SE") == "90"
    assert "timer" in (sent.headers.get("Supported") or "")


def test_422_to_our_invite_is_answered_with_a_longer_interval() -> None:
    bench = UserAgentBench(session_expires_s=300)
    call = bench.ua.invite(invitation(), bench.now)
    (first,) = bench.drain()
    assert isinstance(first, Request)
    ack, second = bench.feed(respond(first, 422, to_tag="x", headers=[("Min-SE", "1200")]))
    assert statuses([ack, second]) == ["ACK", "INVITE"]
    assert isinstance(second, Request)
    assert second.headers.get("Session-Expires") == "1200"
    assert second.headers.get("Min-SE") == "1200"
    assert second.call_id == first.call_id
    assert second.cseq.number == first.cseq.number + 1
    headers = [("Contact", "<sip:b@203.0.113.9>"), SDP, expires("1200;refresher=uac")]
    bench.feed(respond(second, 200, to_tag="y", headers=headers, body=ANSWER))
    assert bench.take_events() == [CallAnswered(call, ANSWER)]
    assert methods(bench.advance(601))[0] == (600, "INVITE")


@pytest.mark.parametrize("minimum", [None, "nonsense", "90", "100000"])
def test_a_422_that_helps_nobody_refuses_the_call(minimum: str | None) -> None:
    bench = UserAgentBench()
    bench.ua.invite(invitation(), bench.now)
    (first,) = bench.drain()
    assert isinstance(first, Request)
    headers = [] if minimum is None else [("Min-SE", minimum)]
    assert statuses(bench.feed(respond(first, 422, to_tag="x", headers=headers))) == ["ACK"]
    assert bench.ua.calls == 0


def test_a_peer_that_finds_every_interval_too_short_is_given_up() -> None:
    bench = UserAgentBench(session_expires_s=100)
    bench.ua.invite(invitation(), bench.now)
    (sent,) = bench.drain()
    for step in range(5):
        assert isinstance(sent, Request)
        *_, sent = bench.feed(respond(sent, 422, to_tag="x", headers=[("Min-SE", str(200 + step))]))
    assert statuses([sent]) == ["ACK"]
    assert bench.ua.calls == 0


def test_the_called_side_makes_us_refresh() -> None:
    talk = outbound(headers=[expires("600;refresher=uac"), ("Require", "timer"), ALL_METHODS])
    ((at, update),) = talk.bench.advance(300.1)
    assert (at, statuses([update])) == (300, ["UPDATE"])


def test_the_called_side_refreshes_by_itself() -> None:
    talk = outbound(headers=[expires("600;refresher=uas"), ALL_METHODS])
    assert methods(talk.bench.advance(569))[0] == (568, "BYE")


def test_a_peer_without_timers_is_left_alone() -> None:
    talk = outbound(headers=[ALL_METHODS])
    assert talk.bench.advance(7200) == []
    assert talk.bench.ua.calls == 1


def test_a_refresh_meets_a_change_of_the_peer_and_waits() -> None:
    talk = inbound(headers=[TIMER, expires("90;refresher=uas"), ALL_METHODS])
    talk.bench.advance(44)
    talk.ask("INVITE", body=OFFER)
    assert talk.bench.advance(3) == [], "not while the peer's offer is open"
    talk.bench.ua.refuse_offer(talk.call, 488, talk.bench.now)
    (refusal,) = talk.bench.drain()
    assert isinstance(refusal, Response)
    talk.acknowledge(branch=refusal.via.branch)
    assert "UPDATE" in [what for _, what in methods(talk.bench.advance(10))]


# Values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1800", (1800, None)),
        (" 90 ; refresher=uas", (90, "uas")),
        ("90;refresher=nobody", (90, None)),
        ("0", None),
        ("-1", None),
        ("90;;", None),
        ("99999999999", None),
    ],
)
def test_reading_session_expires(text: str, expected: tuple[int, str | None] | None) -> None:
    assert read_session_expires(invite(headers=[expires(text)])) == expected


def test_terms() -> None:
    assert SessionTerms(0, 0).headers == ()
    assert dict(SessionTerms(60, 90).headers) == {"Session-Expires": "90", "Min-SE": "90"}
    assert check_interval(invite(headers=[expires("30")]), SessionTerms()) is None, "no timer, nobody to tell"


def test_no_session_runs_out_while_it_still_rings() -> None:
    bench = UserAgentBench()
    bench.ua.invite(invitation(), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    early = [PEER_CONTACT, SDP, ("Require", "100rel"), ("RSeq", "1"), ALL_METHODS]
    (prack,) = bench.feed(respond(sent, 183, to_tag="callee", headers=early, body=ANSWER))
    bench.feed(respond(prack, 200))  # type: ignore[arg-type]
    terms = [("Supported", "timer"), ("Session-Expires", "90")]
    update = request("UPDATE", from_tag="callee", to_tag=sent.from_.tag, call_id=sent.call_id, cseq=5, headers=terms)
    (ok,) = bench.feed(update)
    assert (statuses([ok]), ok.headers.get("Session-Expires")) == ([200], None)
    assert bench.advance(100) == []
