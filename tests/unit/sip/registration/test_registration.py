"""A registration that is kept up through everything a registrar and a network do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.digest.values import parse_digest_headers
from gateway.sip.flow import Flow
from gateway.sip.message import make_response
from gateway.sip.registration import (
    Registered,
    RegistrationFailed,
    RegistrationState,
    Resolve,
    SendRegister,
    Unregistered,
)
from gateway.sip.registration.registration import MAX_SENDS, MIN_FLOW_S
from gateway.sip.registration.timing import HOPELESS_S, MAX_RETRY_AFTER_S
from gateway.sip.transaction.table import RequestFailure
from tests.support.sip_registration import CHALLENGE, CONFIG, HOP, SECOND_HOP, RegistrationBench, header


def registered(expires_s: int = 3600, **given: object) -> RegistrationBench:
    """A bench whose registration stands, after a challenge."""
    bench = RegistrationBench(**given)  # type: ignore[arg-type]
    bench.start()
    bench.respond(401, CHALLENGE)
    bench.grant(expires_s)
    bench.take_told()
    return bench


def expires_of(sent: SendRegister) -> str | None:
    return header(sent, "Expires")


def test_the_first_register_and_the_answer_to_its_challenge() -> None:
    bench = RegistrationBench()
    first = bench.start()
    assert (first.uri, first.from_, first.to) == ("sip:carrier.example", *["<sip:trunk@carrier.example>"] * 2)
    assert header(first, "Contact") == "<sip:trunk@192.0.2.1:5060>;expires=3600"
    assert header(first, "Supported") == "path"
    assert header(first, "Authorization") is None
    assert bench.registration.status.state is RegistrationState.REGISTERING
    bench.respond(401, CHALLENGE)
    second = bench.last
    assert second.call_id == first.call_id
    assert second.cseq == first.cseq + 1
    assert second.from_tag == first.from_tag
    assert header(second, "Authorization")
    bench.grant(600)
    assert bench.take_told() == [Registered(600, "<sip:trunk@192.0.2.1:5060>", HOP, is_refresh=False)]
    status = bench.registration.status
    assert status.state is RegistrationState.REGISTERED
    assert status.registered_until == bench.now + 600
    assert (status.status, status.failures, status.flow) == (200, 0, HOP)


def test_a_refresh_goes_out_in_time_with_the_nonce_that_is_known() -> None:
    bench = registered(600)
    cseq = bench.sent[-1].cseq
    bench.advance(301)
    assert bench.last.cseq == cseq + 1
    (params,) = parse_digest_headers([header(bench.last, "Authorization") or ""])
    assert params["nc"] == "00000002"
    assert bench.registration.status.registered_until is not None
    bench.grant(600)
    assert bench.take_told() == [Registered(600, "<sip:trunk@192.0.2.1:5060>", HOP, is_refresh=True)]


def test_a_stale_nonce_is_renewed() -> None:
    bench = registered(600)
    bench.advance(301)
    bench.respond(401, [("WWW-Authenticate", 'Digest realm="carrier", nonce="m", stale=true, qop="auth"')])
    bench.grant(600)
    assert bench.registration.status.state is RegistrationState.REGISTERED


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refused_credentials_are_not_tried_again_soon_and_their_nonce_is_forgotten(status: int) -> None:
    bench = RegistrationBench()
    bench.start()
    bench.respond(401, CHALLENGE)
    bench.respond(status, CHALLENGE if status == 401 else [], "No Way")
    (failed,) = bench.take_told()
    assert isinstance(failed, RegistrationFailed)
    assert (failed.status, failed.reason) == (status, "No Way")
    assert failed.retry_in_s >= HOPELESS_S
    assert bench.registration.status.state is RegistrationState.FAILED
    bench.advance(HOPELESS_S - 1)
    assert bench.under_way is None
    bench.advance(2)
    assert header(bench.last, "Authorization") is None


def test_a_challenge_without_credentials_of_ours_is_told_so() -> None:
    bench = RegistrationBench(replace(CONFIG, credentials=None))
    bench.start()
    bench.respond(401, CHALLENGE)
    assert bench.registration.status.rule == "no_credentials"


def test_endless_challenges_end() -> None:
    bench = RegistrationBench()
    bench.start()
    for number in range(MAX_SENDS + 5):
        if bench.under_way is None:
            break
        bench.respond(401, [("WWW-Authenticate", f'Digest realm="r", nonce="{number}", stale=true')])
    assert len(bench.sent) <= MAX_SENDS
    assert bench.registration.status.state is RegistrationState.FAILED


def test_too_brief_an_interval_is_lengthened_once_and_for_all() -> None:
    bench = RegistrationBench(replace(CONFIG, expires_s=60))
    bench.start()
    bench.respond(423, [("Min-Expires", "1800")])
    assert expires_of(bench.last) == "1800"
    bench.grant(1800)
    bench.advance(1700)
    assert expires_of(bench.last) == "1800"


@pytest.mark.parametrize(
    "headers", [[], [("Min-Expires", "30")], [("Min-Expires", "99999999")], [("Min-Expires", "x")]]
)
def test_a_senseless_423_is_a_failure(headers: list[tuple[str, str]]) -> None:
    bench = RegistrationBench()
    bench.start()
    bench.respond(423, headers)
    assert bench.under_way is None
    assert bench.registration.status.state is RegistrationState.FAILED


def test_failures_back_off_and_success_forgets_them() -> None:
    bench = RegistrationBench()
    bench.start()
    waits = []
    for _ in range(8):
        bench.respond(500)
        (failed,) = bench.take_told()
        assert isinstance(failed, RegistrationFailed)
        waits.append(failed.retry_in_s)
        bench.advance(failed.retry_in_s)
    for wait, longest in zip(waits, (60, 120, 240, 480, 960, 1800, 1800, 1800), strict=True):
        assert longest / 2 <= wait <= longest
    bench.grant()
    assert bench.registration.status.failures == 0


def test_retry_after_is_honoured_within_reason() -> None:
    for value, expected in (("600", 600.0), ("1000000000", MAX_RETRY_AFTER_S), ("120;duration=5 (later)", 120.0)):
        bench = RegistrationBench()
        bench.start()
        bench.respond(503, [("Retry-After", value)])
        (failed,) = bench.take_told()
        assert isinstance(failed, RegistrationFailed)
        assert failed.retry_in_s == expected


def test_the_next_hop_is_asked_when_one_is_silent_away_or_out_of_service() -> None:
    bench = RegistrationBench(hops=[HOP, SECOND_HOP])
    bench.start()
    assert bench.last.flow == HOP
    bench.fail()
    assert bench.last.flow == SECOND_HOP
    assert bench.take_told() == []
    bench.fail(RequestFailure.FLOW)
    (failed,) = bench.take_told()
    assert isinstance(failed, RegistrationFailed)
    assert (failed.status, failed.rule) == (None, "unreachable")
    bench.advance(60)
    bench.respond(503)
    assert bench.last.flow == SECOND_HOP
    bench.grant()
    assert bench.registration.status.flow == SECOND_HOP


def test_a_wrong_password_is_not_shown_to_every_hop() -> None:
    bench = RegistrationBench(hops=[HOP, SECOND_HOP])
    bench.start()
    bench.respond(403)
    assert bench.under_way is None


def test_the_address_in_use_is_kept_while_dns_names_it_and_left_when_not() -> None:
    bench = registered(600, hops=[HOP, SECOND_HOP])
    bench.hops = [SECOND_HOP, HOP]
    bench.advance(301)
    assert bench.last.flow == HOP
    bench.grant(600)
    bench.hops = [SECOND_HOP]
    bench.advance(301)
    assert bench.last.flow == SECOND_HOP


def test_no_address_is_a_failure_with_its_reason() -> None:
    bench = RegistrationBench(hops=[])
    bench.registration.start()
    bench.drive()
    (failed,) = bench.take_told()
    assert isinstance(failed, RegistrationFailed)
    assert (failed.rule, failed.reason) == ("no_address", "no such name")
    bench.hops = [HOP]
    bench.advance(61)
    bench.grant()
    assert bench.registration.status.state is RegistrationState.REGISTERED


def test_what_cannot_be_refreshed_expires_and_is_told() -> None:
    bench = registered(600)
    bench.advance(301)
    bench.respond(500)
    assert bench.registration.status.registered_until is not None, "until then calls still come"
    bench.take_told()
    for _ in range(20):
        bench.advance(30)
        if bench.under_way is not None:
            bench.respond(500)
    told = bench.take_told()
    assert told.count(Unregistered("expired")) == 1
    assert bench.registration.status.registered_until is None


def test_a_registrar_that_does_not_list_us_has_not_registered_us() -> None:
    bench = registered(600)
    bench.advance(301)
    bench.grant(0)
    told = bench.take_told()
    assert told[0] == Unregistered("removed")
    assert isinstance(told[1], RegistrationFailed)
    assert told[1].rule == "not_listed"


def test_service_route_and_flow_timer_are_kept_while_registered() -> None:
    bench = RegistrationBench(replace(CONFIG, instance="<urn:uuid:1>"))
    bench.start()
    assert header(bench.last, "Supported") == "path, outbound"
    assert (header(bench.last, "Contact") or "").startswith(
        '<sip:trunk@192.0.2.1:5060>;+sip.instance="<urn:uuid:1>";reg-id=1;expires='
    )
    bench.grant(600, [("Service-Route", "<sip:p1;lr>, <sip:p2;lr>"), ("Require", "outbound"), ("Flow-Timer", "90")])
    assert bench.registration.status.service_route == ("<sip:p1;lr>", "<sip:p2;lr>")
    assert bench.registration.status.flow_timer_s == 90
    bench.registration.stop(bench.now)
    bench.drive()
    bench.respond(200)
    assert bench.registration.status.service_route == ()


def test_an_outbound_proxy_is_resolved_and_routed_over() -> None:
    config = replace(CONFIG, route=("<sip:edge.example;lr>",), next_hop="sip:edge.example;lr")
    registration = RegistrationBench(config).registration
    registration.start()
    assert registration.next_action() == Resolve("sip:edge.example;lr")
    assert RegistrationBench(config).start().route == ("<sip:edge.example;lr>",)
    registration = RegistrationBench().registration
    registration.start()
    assert registration.next_action() == Resolve("sip:carrier.example")


def test_a_proxy_that_keeps_no_flows_is_registered_through_without_them() -> None:
    bench = RegistrationBench(replace(CONFIG, instance="<urn:uuid:1>"))
    bench.start()
    bench.respond(439)
    assert header(bench.last, "Contact") == "<sip:trunk@192.0.2.1:5060>;expires=3600"
    assert header(bench.last, "Supported") == "path"
    bench.grant()
    assert bench.registration.status.contact == "<sip:trunk@192.0.2.1:5060>"


def test_how_the_registrar_sees_us_is_shown() -> None:
    bench = RegistrationBench()
    bench.start()
    response = make_response(bench.request(), 200, to_tag="r")
    via = (response.headers.get("Via") or "").replace(";rport", ";rport=1024;received=198.51.100.77")
    response.headers.set("Via", via)
    bench.respond_with(response)
    assert bench.registration.status.seen_as == ("198.51.100.77", 1024)


# Flows


def test_a_lost_connection_is_registered_over_anew_at_once() -> None:
    bench = registered()
    bench.advance(MIN_FLOW_S + 1)
    bench.registration.flow_failed(SECOND_HOP, bench.now)
    bench.drive()
    assert bench.under_way is None
    bench.registration.flow_failed(HOP, bench.now)
    bench.drive()
    assert bench.take_told() == [Unregistered("flow_failed")]
    assert bench.under_way is not None


def test_a_connection_that_breaks_after_each_registration_is_no_circle() -> None:
    bench = registered()
    bench.registration.flow_failed(HOP, bench.now)
    bench.drive()
    assert bench.under_way is None
    told = bench.take_told()
    assert isinstance(told[1], RegistrationFailed)
    assert told[1].retry_in_s >= 30


# The end


def test_stopping_takes_the_registration_back() -> None:
    bench = registered()
    bench.registration.stop(bench.now)
    bench.drive()
    assert expires_of(bench.last) == "0"
    assert (header(bench.last, "Contact") or "").endswith(";expires=0")
    assert bench.registration.status.state is RegistrationState.UNREGISTERING
    bench.respond(401, [("WWW-Authenticate", 'Digest realm="carrier", nonce="z", qop="auth"')])
    assert expires_of(bench.last) == "0"
    bench.respond(200)
    assert bench.take_told() == [Unregistered("removed")]
    assert bench.registration.status.state is RegistrationState.UNREGISTERED
    assert bench.registration.next_deadline() is None
    assert not bench.registration.is_busy


@pytest.mark.parametrize("status", [200, 500, 403, 401])
def test_whatever_the_registrar_says_to_a_farewell_it_is_over(status: int) -> None:
    bench = registered()
    bench.registration.stop(bench.now)
    bench.drive()
    bench.respond(status)
    assert bench.registration.status.state is RegistrationState.UNREGISTERED
    assert bench.under_way is None
    assert bench.registration.next_deadline() is None


def test_stopping_what_is_not_registered_sends_nothing() -> None:
    bench = RegistrationBench()
    bench.registration.stop(bench.now)
    bench.drive()
    assert bench.sent == []
    bench.registration.start()
    bench.drive()
    assert bench.sent == [], "and it does not begin again"


def test_stopping_while_a_register_is_under_way_waits_for_it_and_takes_it_back() -> None:
    bench = RegistrationBench()
    bench.start()
    bench.registration.stop(bench.now)
    bench.drive()
    assert len(bench.sent) == 1
    bench.grant()
    assert expires_of(bench.last) == "0"
    bench.respond(200)
    assert bench.registration.status.state is RegistrationState.UNREGISTERED


def test_stopping_while_a_first_register_is_refused_is_the_end() -> None:
    bench = RegistrationBench()
    bench.start()
    bench.registration.stop(bench.now)
    bench.respond(401, CHALLENGE)
    assert bench.under_way is None
    assert bench.registration.status.state is RegistrationState.UNREGISTERED


def test_registering_on_demand_does_not_double_what_is_under_way() -> None:
    bench = RegistrationBench()
    bench.start()
    bench.registration.start()
    bench.drive()
    assert len(bench.sent) == 1
    bench.grant()
    bench.registration.start()
    bench.drive()
    assert len(bench.sent) == 2


_STEP = st.sampled_from(
    ["grant", "short", "tiny", "challenge", "stale", "403", "423", "500", "503", "302", "timeout", "flow", "lost",
     "start", "wait", "no dns", "dns", "not listed"]
)  # fmt: skip


@given(st.lists(_STEP, max_size=40), st.booleans(), st.integers(0, 50))
def test_never_two_registers_at_once_always_a_next_try_and_refreshed_before_it_expires(
    steps: list[str], has_second_hop: bool, seed: int
) -> None:
    """``RegistrationBench.drive`` asserts the first."""
    bench = RegistrationBench(hops=[HOP, SECOND_HOP] if has_second_hop else [HOP], seed=seed)
    hops = list(bench.hops)
    registration = bench.registration
    registration.start()
    bench.drive()
    for step in steps:
        if step == "wait":
            bench.advance(400)
        elif step == "start":
            registration.start()
            bench.drive()
        elif step in ("no dns", "dns"):
            bench.hops = [] if step == "no dns" else hops
        elif step == "lost":
            registration.flow_failed(registration.status.flow or HOP, bench.now)
            bench.drive()
        elif bench.under_way is not None:
            answer(bench, step)
        status = registration.status
        if not registration.is_busy:
            assert status.next_try_at is not None, "something is always going to be tried"
            assert status.next_try_at > bench.now
            if status.state is RegistrationState.REGISTERED:
                assert status.registered_until is not None
                assert status.next_try_at < status.registered_until
        assert registration.is_busy == (bench.under_way is not None)
    registration.stop(bench.now)
    bench.drive()
    for _ in range(3):
        if bench.under_way is not None:
            bench.respond(200)
    assert registration.status.state is RegistrationState.UNREGISTERED
    assert registration.next_deadline() is None
    assert not registration.is_busy


def answer(bench: RegistrationBench, step: str) -> None:
    """What a registrar or the network does to the REGISTER under way."""
    grants = {"grant": 3600, "short": 60, "tiny": 1, "not listed": 0}
    if step in grants:
        bench.grant(grants[step])
    elif step in ("challenge", "stale"):
        stale = ", stale=true" if step == "stale" else ""
        nonce = len(bench.sent)
        bench.respond(401, [("WWW-Authenticate", f'Digest realm="r", nonce="{nonce}", qop="auth"{stale}')])
    elif step == "timeout":
        bench.fail()
    elif step == "flow":
        bench.fail(RequestFailure.FLOW)
    else:
        bench.respond(int(step), [("Min-Expires", "7200"), ("Retry-After", "10")])


def test_flows_are_compared_without_their_fallback() -> None:
    bench = registered()
    bench.advance(MIN_FLOW_S + 1)
    same = Flow(HOP.transport, HOP.local, HOP.remote).with_fallback(("203.0.113.9", 5060))
    bench.registration.flow_failed(same, bench.now)
    bench.drive()
    assert bench.under_way is not None
