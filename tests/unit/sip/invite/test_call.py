"""A call after its answer, and its end from either side: BYE, CANCEL, re-INVITE from the peer, sequence numbers."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.events import (
    CallCancelled,
    CallConfirmed,
    CallEnded,
    CallOffered,
    CallReoffered,
    EndCause,
    ReofferCancelled,
    RequestRefused,
)
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response
from tests.support.sip_peer import (
    ANSWER,
    OFFER,
    TCP,
    UDP,
    UserAgentBench,
    ack_for,
    invitation,
    invite,
    request,
    respond,
    statuses,
    times,
)


def offered(flow: Flow = UDP, **changes: object) -> tuple[UserAgentBench, Request, str, str]:
    """Rings; returns bench, INVITE, call and our tag."""
    bench = UserAgentBench()
    sent = invite(**changes)
    bench.feed(sent, flow)
    (event,) = bench.take_events()
    assert isinstance(event, CallOffered)
    bench.ua.ring(event.call, bench.now)
    (ringing,) = bench.drain()
    return bench, sent, event.call, ringing.to.tag or ""


def talking(flow: Flow = UDP, **changes: object) -> tuple[UserAgentBench, Request, str, str]:
    bench, sent, call, tag = offered(flow, **changes)
    bench.ua.answer(call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    bench.feed(ack_for(sent, response), flow)
    bench.take_events()
    return bench, sent, call, tag


def reinvited(**changes: object) -> tuple[UserAgentBench, Request, str, str]:
    bench, _, call, tag = talking()
    again = invite(to_tag=tag, cseq=2, **changes)
    assert statuses(bench.feed(again)) == [100]
    (event,) = bench.take_events()
    assert isinstance(event, CallReoffered)
    assert event.call == call
    return bench, again, call, tag


def assert_nothing_is_left(bench: UserAgentBench) -> None:
    bench.advance(200)
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.next_deadline() is None


# BYE


def test_the_peers_bye_gets_200_and_ends_the_call() -> None:
    bench, _, call, tag = talking()
    bye = request("BYE", to_tag=tag, cseq=2, headers=[("Reason", "Q.850;cause=16")])
    assert statuses(bench.feed(bye)) == [200]
    (event,) = bench.take_events()
    assert event == CallEnded(call, EndCause.BYE)
    assert isinstance(event, CallEnded)
    assert event.headers is not None
    assert event.headers.get("Reason") == "Q.850;cause=16"
    assert statuses(bench.feed(bye)) == [200], "a repeated BYE gets the same answer"
    assert bench.take_events() == []
    assert statuses(bench.feed(request("BYE", to_tag=tag, cseq=3))) == [481], "a new one finds no dialog"
    assert_nothing_is_left(bench)


def test_our_bye_is_repeated_until_it_is_answered() -> None:
    bench, _, call, _ = talking()
    bench.ua.hang_up(call, bench.now, headers=[("Reason", "Q.850;cause=16")])
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    assert bye.method == "BYE"
    assert bye.headers.get("Reason") == "Q.850;cause=16"
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
    assert times(bench.advance(2)) == [0.5, 1.5]
    assert bench.ua.calls == 1
    bench.feed(respond(bye, 200))
    assert bench.ua.calls == bench.ua.dialogs == 0
    assert_nothing_is_left(bench)


@pytest.mark.parametrize("status", [481, 408, 500, 401])
def test_whatever_our_bye_is_answered_the_call_is_over(status: int) -> None:
    bench, _, call, _ = talking()
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    bench.feed(respond(bye, status))
    assert bench.ua.calls == 0


def test_a_provisional_answer_to_our_bye_is_not_the_end_of_it() -> None:
    bench, _, call, _ = talking()
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    bench.feed(respond(bye, 100))
    assert bench.ua.calls == 1


def test_our_bye_to_nobody_is_given_up() -> None:
    bench, _, call, _ = talking()
    bench.ua.hang_up(call, bench.now)
    bench.advance(31.9)
    assert bench.ua.calls == 1
    assert_nothing_is_left(bench)


def test_both_sides_may_hang_up_at_once() -> None:
    bench, _, call, tag = talking()
    bench.ua.hang_up(call, bench.now)
    (ours,) = bench.drain()
    assert isinstance(ours, Request)
    theirs = request("BYE", to_tag=tag, cseq=2)
    assert statuses(bench.feed(theirs)) == [200]
    assert statuses(bench.feed(theirs)) == [200]
    bench.feed(respond(ours, 200))
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)], "told once"
    assert_nothing_is_left(bench)


def test_a_bye_in_the_early_dialog_ends_the_invite_too() -> None:
    bench, sent, call, tag = offered()
    answers = bench.feed(request("BYE", to_tag=tag, cseq=2))
    assert statuses(answers) == [200, 487]
    assert answers[1].cseq.method == "INVITE"
    assert bench.take_events() == [CallEnded(call, EndCause.BYE)]
    assert isinstance(answers[1], Response)
    bench.feed(ack_for(sent, answers[1]))
    assert_nothing_is_left(bench)


def test_a_bye_may_overtake_the_ack() -> None:
    bench, _, call, tag = offered()
    bench.ua.answer(call, ANSWER, bench.now)
    bench.drain()
    assert statuses(bench.feed(request("BYE", to_tag=tag, cseq=2))) == [200]
    assert bench.take_events() == [CallEnded(call, EndCause.BYE)]
    assert bench.advance(40) == [], "the 200 is not repeated any more"
    assert_nothing_is_left(bench)


def test_we_hang_up_before_the_ack_has_come_the_bye_waits_for_it() -> None:
    bench, sent, call, _ = offered()
    bench.ua.answer(call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    bench.ua.hang_up(call, bench.now, headers=[("X-Why", "goodbye")])
    assert bench.drain() == []
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
    (bye,) = bench.feed(ack_for(sent, response))
    assert isinstance(bye, Request)
    assert bye.method == "BYE"
    assert bye.headers.get("X-Why") == "goodbye"
    assert bench.take_events() == []
    assert_nothing_is_left(bench)


def test_we_hang_up_and_the_ack_never_comes() -> None:
    bench, _, call, _ = offered()
    bench.ua.answer(call, ANSWER, bench.now)
    bench.drain()
    bench.ua.hang_up(call, bench.now)
    assert statuses(message for _, message in bench.advance(32.1))[-1] == "BYE"
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)], "told once"
    assert_nothing_is_left(bench)


def test_hanging_up_an_unanswered_call_refuses_it() -> None:
    bench, _, call, _ = offered()
    bench.ua.hang_up(call, bench.now)
    assert statuses(bench.drain()) == [480]
    assert bench.take_events() == [CallEnded(call, EndCause.HUNG_UP)]
    assert_nothing_is_left(bench)


def test_hanging_up_twice_or_too_late_does_nothing() -> None:
    bench, _, call, _ = talking()
    bench.ua.hang_up(call, bench.now)
    bench.drain()
    bench.ua.hang_up(call, bench.now)
    bench.ua.hang_up("no such call", bench.now)
    assert bench.drain() == []


def test_a_bye_needs_both_tags() -> None:
    bench, _, _, tag = talking()
    assert statuses(bench.feed(request("BYE", to_tag=tag, from_tag="guess", cseq=2))) == [481]
    assert statuses(bench.feed(request("BYE", to_tag="guess", cseq=2))) == [481]
    assert statuses(bench.feed(request("BYE", to_tag=tag, call_id="guess", cseq=2))) == [481]
    assert statuses(bench.feed(request("BYE", to_tag=tag, from_tag=None, cseq=2))) == [481]
    assert bench.ua.calls == 1


def test_a_bye_that_reuses_the_number_of_its_invite_still_ends_the_call() -> None:
    bench, _, call, tag = talking()
    assert statuses(bench.feed(request("BYE", to_tag=tag, cseq=1))) == [200]
    assert bench.take_events() == [CallEnded(call, EndCause.BYE)]


# ACK


@pytest.mark.parametrize("wrong", [{"to_tag": "guess"}, {"to_tag": None}, {"from_tag": "guess"}, {"call_id": "guess"}])
def test_an_ack_with_the_branch_of_its_invite_must_name_the_call_all_the_same(wrong: dict[str, str | None]) -> None:
    bench, sent, call, _ = offered()
    bench.ua.answer(call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    bench.feed(ack_for(sent, response, branch=sent.via.branch, **wrong))
    assert bench.take_events() == []
    assert bench.ua.stats.stray_acks == 1
    assert times(bench.advance(1)) == [0.5], "the 200 is still repeated"
    bench.feed(ack_for(sent, response, branch=sent.via.branch))
    assert bench.take_events() == [CallConfirmed(call, None)]


# CANCEL


def test_cancel_while_ringing() -> None:
    bench, sent, call, tag = offered()
    answers = bench.feed(request("CANCEL", branch=sent.via.branch))
    assert statuses(answers) == [200, 487]
    assert [answer.cseq.method for answer in answers] == ["CANCEL", "INVITE"]
    assert {answer.to.tag for answer in answers} == {tag}, "one To tag for both (RFC 3261 §9.2)"
    assert bench.take_events() == [CallCancelled(call)]
    assert isinstance(answers[1], Response)
    bench.feed(ack_for(sent, answers[1]))
    assert_nothing_is_left(bench)


def test_a_repeated_cancel_gets_200_again_and_a_repeated_invite_487() -> None:
    bench, sent, _, _ = offered()
    cancel = request("CANCEL", branch=sent.via.branch)
    bench.feed(cancel)
    assert statuses(bench.feed(cancel)) == [200]
    assert statuses(bench.feed(sent)) == [487]


def test_cancel_after_the_200_has_no_effect() -> None:
    bench, sent, call, _ = offered()
    bench.ua.answer(call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert statuses(bench.feed(request("CANCEL", branch=sent.via.branch))) == [200]
    assert bench.take_events() == []
    assert isinstance(response, Response)
    bench.feed(ack_for(sent, response))
    assert bench.take_events() == [CallConfirmed(call, None)]


def test_cancel_after_our_refusal_has_no_effect() -> None:
    bench, sent, call, _ = offered()
    bench.ua.reject(call, 486, bench.now)
    (refusal,) = bench.drain()
    bench.take_events()
    (response,) = bench.feed(request("CANCEL", branch=sent.via.branch))
    assert isinstance(response, Response)
    assert (response.status, response.to.tag) == (200, refusal.to.tag)
    assert bench.take_events() == []


def test_cancel_of_nothing_gets_481() -> None:
    bench = UserAgentBench()
    assert statuses(bench.feed(request("CANCEL"))) == [481]


def test_cancel_from_another_host_cancels_nothing() -> None:
    bench, sent, _, _ = offered()
    stranger = Flow("udp", UDP.local, ("203.0.113.66", 5060))
    assert statuses(bench.feed(request("CANCEL", branch=sent.via.branch), stranger)) == [481]
    assert not any(isinstance(event, CallCancelled) for event in bench.take_events())


# Re-INVITE from the peer


def test_a_reinvite_is_offered_and_its_answer_repeated_until_ack() -> None:
    bench, again, call, _ = reinvited(body=OFFER + b"a=sendonly\r\n")
    bench.ua.answer_offer(call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    assert (response.status, response.body) == (200, ANSWER)
    assert times(bench.advance(1)) == [0.5]
    bench.feed(ack_for(again, response))
    assert bench.take_events() == [CallConfirmed(call, None, is_reoffer=True)]
    assert bench.advance(40) == []


def test_a_refused_reinvite_leaves_the_call_as_it_was() -> None:
    bench, again, call, tag = reinvited(contact="<sip:moved@203.0.113.5>")
    bench.ua.refuse_offer(call, 488, bench.now)
    (refusal,) = bench.drain()
    assert isinstance(refusal, Response)
    assert refusal.status == 488
    bench.feed(ack_for(again, refusal))
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    assert bye.uri == "sip:caller@198.51.100.7:5060", "a refused re-INVITE moves no target"
    assert tag


def test_after_a_refusal_the_next_reinvite_is_offered_and_no_old_limit_runs() -> None:
    bench, again, call, tag = reinvited()
    bench.ua.refuse_offer(call, 488, bench.now)
    (refusal,) = bench.drain()
    assert isinstance(refusal, Response)
    bench.feed(ack_for(again, refusal))
    bench.advance(200)
    assert bench.take_events() == []
    assert statuses(bench.feed(invite(to_tag=tag, cseq=3))) == [100]
    assert bench.take_events() == [CallReoffered(call, OFFER)]


def test_an_accepted_reinvite_moves_target_and_flow() -> None:
    bench, _, call, tag = talking()
    moved = Flow("udp", UDP.local, ("198.51.100.8", 5070))
    via = "SIP/2.0/UDP 198.51.100.8:5070;branch=z9hG4bKmoved"
    again = invite(to_tag=tag, cseq=2, via=via, contact="<sip:caller@198.51.100.8:5070>")
    bench.feed(again, moved)
    bench.ua.answer_offer(call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    bench.feed(ack_for(again, response), moved)
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    assert bye.uri == "sip:caller@198.51.100.8:5070"
    assert bench.flows[-1] == moved


def test_an_unacknowledged_reinvite_ends_the_call() -> None:
    bench, _, call, _ = reinvited()
    bench.ua.answer_offer(call, ANSWER, bench.now)
    bench.drain()
    assert statuses(message for _, message in bench.advance(32.1))[-1] == "BYE"
    assert bench.take_events() == [CallEnded(call, EndCause.ACK_TIMEOUT)]
    assert_nothing_is_left(bench)


def test_a_reinvite_without_offer_is_answered_by_its_ack() -> None:
    bench, again, call, _ = reinvited(body=b"")
    bench.ua.answer_offer(call, OFFER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    bench.feed(ack_for(again, response, body=ANSWER))
    assert bench.take_events() == [CallConfirmed(call, ANSWER, is_reoffer=True)]


def test_a_second_reinvite_before_the_first_is_answered_gets_500_with_retry_after() -> None:
    bench, _, _, tag = reinvited()
    (refusal,) = bench.feed(invite(to_tag=tag, cseq=3))
    assert isinstance(refusal, Response)
    assert refusal.status == 500
    assert 0 <= int(refusal.headers.get("Retry-After") or -1) <= 10
    (event,) = bench.take_events()
    assert event == RequestRefused("INVITE", UDP, 500, "invite_pending")


def test_an_invite_in_the_early_dialog_gets_500_with_retry_after() -> None:
    bench, _, _, tag = offered()
    (refusal,) = bench.feed(invite(to_tag=tag, cseq=2))
    assert isinstance(refusal, Response)
    assert refusal.status == 500
    assert "Retry-After" in refusal.headers


def test_a_reinvite_right_after_the_200_proves_that_it_arrived() -> None:
    bench, sent, call, tag = offered()
    bench.ua.answer(call, ANSWER, bench.now)
    (response,) = bench.drain()
    assert isinstance(response, Response)
    assert statuses(bench.feed(invite(to_tag=tag, cseq=2))) == [100]
    assert bench.take_events() == [CallConfirmed(call, None), CallReoffered(call, OFFER)]
    bench.feed(ack_for(sent, response))
    assert bench.take_events() == [], "the overtaken ACK is stale"


def test_a_reinvite_before_the_answer_to_our_own_offer_must_wait() -> None:
    bench, _, call, tag = offered(body=b"")
    bench.ua.answer(call, OFFER, bench.now)
    bench.drain()
    assert statuses(bench.feed(invite(to_tag=tag, cseq=2))) == [491]


@pytest.mark.parametrize("flow", [UDP, TCP])
def test_a_refused_reinvite_that_the_network_repeats_later_is_refused_again_and_never_offered(flow: Flow) -> None:
    bench, _, call, tag = talking(flow, body=b"")
    pending = invite(to_tag=tag, cseq=2, body=b"")
    bench.feed(pending, flow)
    bench.take_events()
    early = invite(to_tag=tag, cseq=3)
    (refusal,) = bench.feed(early, flow)
    assert isinstance(refusal, Response)
    assert refusal.status == 500
    bench.ua.answer_offer(call, OFFER, bench.now)
    (ok,) = bench.drain()
    assert isinstance(ok, Response)
    glaring = invite(to_tag=tag, cseq=4)
    (pending_refusal,) = bench.feed(glaring, flow)
    assert isinstance(pending_refusal, Response)
    assert pending_refusal.status == 491
    bench.feed(ack_for(pending, ok, body=ANSWER), flow)
    bench.take_events()
    for message, first in ((early, refusal), (glaring, pending_refusal)):
        (again,) = bench.feed(message, flow)
        assert again.to_bytes() == first.to_bytes(), "nothing stands in the way now, but it was refused"
        assert bench.feed(ack_for(message, first), flow) == []
    bench.advance(33)
    assert statuses(bench.feed(glaring, flow)) == [500], "its transaction is gone, its number is not"
    assert not any(isinstance(event, CallReoffered) for event in bench.take_events())
    assert statuses(bench.feed(invite(to_tag=tag, cseq=5), flow)) == [100]
    assert bench.take_events() == [CallReoffered(call, OFFER)]


def test_cancel_of_a_reinvite_keeps_the_call() -> None:
    bench, again, call, tag = reinvited()
    assert statuses(bench.feed(request("CANCEL", branch=again.via.branch, cseq=2, to_tag=tag))) == [200, 487]
    assert bench.take_events() == [ReofferCancelled(call)]
    assert bench.ua.calls == 1
    with pytest.raises(LocalProtocolError):
        bench.ua.answer_offer(call, ANSWER, bench.now)


def test_a_reinvite_nobody_answers_is_refused_at_the_ring_limit() -> None:
    bench, _, call, _ = reinvited()
    sent = bench.advance(180)
    assert statuses(message for _, message in sent)[0] == 488
    assert bench.take_events() == [ReofferCancelled(call)]
    assert bench.ua.calls == 1


def test_hanging_up_with_a_reinvite_open_answers_it_487() -> None:
    bench, _, call, _ = reinvited()
    bench.ua.hang_up(call, bench.now)
    assert statuses(bench.drain()) == [487, "BYE"]


def test_a_bye_with_a_reinvite_open_answers_it_487() -> None:
    bench, _, call, tag = reinvited()
    assert statuses(bench.feed(request("BYE", to_tag=tag, cseq=3))) == [200, 487]
    assert bench.take_events() == [CallEnded(call, EndCause.BYE)]
    assert_nothing_is_left(bench)


def test_nothing_is_open_no_answer_is_possible() -> None:
    bench, _, call, _ = talking()
    with pytest.raises(LocalProtocolError):
        bench.ua.answer_offer(call, ANSWER, bench.now)
    with pytest.raises(LocalProtocolError):
        bench.ua.refuse_offer(call, 488, bench.now)


@pytest.mark.parametrize("contact", ["*", "<sip:a@b>, <sip:c@d>"])
def test_a_reinvite_with_a_senseless_contact_gets_400(contact: str) -> None:
    bench, _, _, tag = talking()
    assert statuses(bench.feed(invite(to_tag=tag, cseq=2, contact=contact))) == [400]


# Other requests in the dialog


def test_a_lower_sequence_number_gets_500() -> None:
    bench, _, _, tag = talking(cseq=5)
    assert statuses(bench.feed(request("BYE", to_tag=tag, cseq=4))) == [500]
    assert statuses(bench.feed(invite(to_tag=tag, cseq=5))) == [500]
    assert bench.ua.calls == 1


def test_options_in_the_dialog_get_200_and_count() -> None:
    bench, _, _, tag = talking()
    (response,) = bench.feed(request("OPTIONS", to_tag=tag, cseq=9))
    assert isinstance(response, Response)
    assert response.status == 200
    assert "Allow" in response.headers
    assert statuses(bench.feed(request("OPTIONS", to_tag=tag, cseq=8))) == [500]


@pytest.mark.parametrize(
    ("method", "status"),
    [("MESSAGE", 405), ("REGISTER", 405), ("SUBSCRIBE", 489), ("NOTIFY", 489), ("PRACK", 481), ("DANCE", 501)],
)
def test_requests_we_do_not_serve_leave_the_call_alone(method: str, status: int) -> None:
    bench, _, _, tag = talking()
    (response,) = bench.feed(request(method, to_tag=tag, cseq=2, contact="<sip:a@b>"))
    assert isinstance(response, Response)
    assert response.status == status
    assert status != 405 or "Allow" in response.headers
    assert bench.ua.calls == 1


def test_a_dialog_that_ends_answers_nothing_but_bye() -> None:
    bench, _, call, tag = talking()
    bench.ua.hang_up(call, bench.now)
    bench.drain()
    assert statuses(bench.feed(invite(to_tag=tag, cseq=2))) == [481]
    assert statuses(bench.feed(request("OPTIONS", to_tag=tag, cseq=3))) == [481]
    assert statuses(bench.feed(request("BYE", to_tag=tag, cseq=4))) == [200]


def test_in_dialog_requests_go_out_on_the_flow_of_the_dialog_through_its_proxies() -> None:
    bench, _, call, _ = talking(TCP, headers=[("Record-Route", "<sip:edge.example.com;lr>")])
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    assert bench.flows[-1] == TCP
    assert bye.headers.get("Route") == "<sip:edge.example.com;lr>"
    assert bye.via.transport == "TCP"


def test_the_flows_of_live_calls_are_known_in_every_state() -> None:
    bench, _, call, _ = talking(TCP)
    assert bench.ua.live_flows() == {TCP}
    bench.ua.hang_up(call, bench.now)
    (bye,) = bench.drain()
    assert isinstance(bye, Request)
    bench.feed(respond(bye, 200))
    assert bench.ua.live_flows() == set()
    outbound = Flow("tcp", TCP.local, ("203.0.113.9", 5060))
    bench.ua.invite(invitation(outbound), bench.now)
    assert bench.ua.live_flows() == {outbound}


def test_a_reinvite_counts_in_the_order_of_requests() -> None:
    bench, _, call, tag = talking()
    again = invite(to_tag=tag, cseq=7)
    bench.feed(again)
    bench.ua.refuse_offer(call, 488, bench.now)
    bench.drain()
    assert statuses(bench.feed(request("BYE", to_tag=tag, cseq=6))) == [500]
    assert statuses(bench.feed(request("BYE", to_tag=tag, cseq=8))) == [200]


def test_an_overtaken_ack_is_not_missed_later() -> None:
    bench, _, call, tag = offered()
    bench.ua.answer(call, ANSWER, bench.now)
    bench.drain()
    again = invite(to_tag=tag, cseq=2)
    bench.feed(again)
    bench.ua.refuse_offer(call, 488, bench.now)
    (refusal,) = bench.drain()
    assert isinstance(refusal, Response)
    bench.feed(ack_for(again, refusal))
    assert bench.advance(60) == []
    assert bench.ua.calls == 1


def test_hanging_up_stops_the_repetition_of_an_unacknowledged_reinvites_200() -> None:
    bench, _, call, _ = reinvited()
    bench.ua.answer_offer(call, ANSWER, bench.now)
    bench.drain()
    bench.ua.hang_up(call, bench.now)
    assert statuses(bench.drain()) == ["BYE"]
    assert {message.cseq.method for _, message in bench.advance(20)} == {"BYE"}


def test_calls_are_counted() -> None:
    bench, _, _, _ = talking()
    bench.ua.invite(invitation(UDP), bench.now)
    assert (bench.ua.stats.calls_offered, bench.ua.stats.calls_placed) == (1, 1)
