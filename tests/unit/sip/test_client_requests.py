"""Requests that open no dialog: what goes out, and that each is told of exactly once, whatever happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.sip.admission import Silence
from gateway.sip.client_requests import MAX_CLIENT_REQUESTS, ClientRequest
from gateway.sip.events import FlowFailed, RequestAnswered, RequestFailed
from gateway.sip.message import Request
from gateway.sip.transaction.table import RequestFailure
from tests.support.sip_peer import TCP, UDP, UserAgentBench, respond, statuses

AOR = "<sip:alice@example.com>"


def send(bench: UserAgentBench, method: str = "OPTIONS", flow: object = UDP, **changes: object) -> tuple[str, Request]:
    given: dict[str, object] = {"from_": AOR, "to": AOR, **changes}
    wanted = ClientRequest(method, "sip:example.com", flow, **given)  # type: ignore[arg-type]
    request_id = bench.ua.send_request(wanted, bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    return request_id, sent


def test_a_request_says_what_it_was_given() -> None:
    bench = UserAgentBench()
    _, sent = send(
        bench, "REGISTER", call_id="c", cseq=7, from_tag="t", headers=[("Contact", "<sip:a@b>"), ("Expires", "60")]
    )
    assert (sent.method, sent.uri) == ("REGISTER", "sip:example.com")
    assert sent.headers.get("From") == "<sip:alice@example.com>;tag=t"
    assert sent.headers.get("To") == "<sip:alice@example.com>"
    assert (sent.call_id, str(sent.cseq)) == ("c", "7 REGISTER")
    assert sent.headers.get("Contact") == "<sip:a@b>"
    assert sent.headers.get("Max-Forwards") == "70"
    assert sent.via.has_unique_branch
    assert sent.via.wants_rport
    assert bench.flows == [UDP]


def test_what_is_left_out_is_made_up() -> None:
    bench = UserAgentBench()
    (_, one), (_, other) = send(bench), send(bench)
    assert one.from_.tag
    assert one.from_.tag != other.from_.tag
    assert one.call_id != other.call_id


def test_a_preloaded_route_is_followed_loose_and_strict() -> None:
    bench = UserAgentBench()
    _, sent = send(bench, route=["<sip:edge.example.com;lr>", "<sip:core.example.com;lr>"])
    assert sent.uri == "sip:example.com"
    assert sent.headers.get_all("Route") == ["<sip:edge.example.com;lr>", "<sip:core.example.com;lr>"]
    _, sent = send(bench, route=["<sip:strict.example.com>"])
    assert sent.uri == "sip:strict.example.com"
    assert sent.headers.get_all("Route") == ["<sip:example.com>"]


def test_the_final_answer_is_told_and_provisional_ones_are_not() -> None:
    bench = UserAgentBench()
    request_id, sent = send(bench)
    bench.feed(respond(sent, 100))
    assert bench.take_events() == []
    response = respond(sent, 401, to_tag="x")
    bench.feed(response)
    (event,) = bench.take_events()
    assert isinstance(event, RequestAnswered)
    assert event.request == request_id
    assert event.response.status == 401
    bench.feed(response)
    assert bench.take_events() == []
    bench.advance(40)
    assert bench.counts() == (0, 0, 0)


def test_silence_of_the_peer_fails_the_request_after_64_t1() -> None:
    bench = UserAgentBench()
    request_id, _ = send(bench)
    repeated = bench.advance(31.9)
    assert set(statuses(message for _, message in repeated)) == {"OPTIONS"}
    assert bench.take_events() == []
    bench.advance(0.2)
    assert bench.take_events() == [RequestFailed(request_id, RequestFailure.TIMEOUT)]


def test_a_flow_that_fails_takes_its_requests_along() -> None:
    bench = UserAgentBench()
    request_id, _ = send(bench, flow=TCP)
    bench.ua.flow_failed(TCP, bench.now)
    bench.drain()
    assert bench.take_events() == [RequestFailed(request_id, RequestFailure.FLOW)]


def test_only_the_failure_of_a_watched_flow_is_told() -> None:
    bench = UserAgentBench()
    bench.ua.watch([TCP])
    bench.ua.flow_failed(UDP, bench.now)
    bench.ua.flow_failed(TCP, bench.now)
    bench.drain()
    assert bench.take_events() == [FlowFailed(TCP)]
    bench.ua.watch([])
    bench.ua.flow_failed(TCP, bench.now)
    bench.drain()
    assert bench.take_events() == []


def test_the_answer_of_a_host_that_may_not_call_is_heard() -> None:
    bench = UserAgentBench(hears=lambda flow, now: "stranger", admission=Silence("stranger"))
    request_id, sent = send(bench)
    bench.feed(respond(sent, 200, to_tag="x"))
    (event,) = bench.take_events()
    assert isinstance(event, RequestAnswered)
    assert event.request == request_id


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL", "BYE"])
def test_requests_that_belong_to_dialogs_are_not_sent_so(method: str) -> None:
    bench = UserAgentBench()
    with pytest.raises(LocalProtocolError):
        bench.ua.send_request(ClientRequest(method, "sip:a", UDP, AOR, AOR), 0.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"from_": "nonsense"},
        {"to": "<sip:a@b"},
        {"route": ["nonsense"]},
        {"headers": [("X-Evil", "a\r\nVia: b")]},
        {"headers": [("X Evil", "a")]},
        {"call_id": "a\r\nb"},
        {"from_tag": "a\r\nb"},
    ],
)
def test_arguments_that_are_no_sip_send_nothing(changes: dict[str, object]) -> None:
    bench = UserAgentBench()
    with pytest.raises(LocalProtocolError):
        send(bench, **changes)
    assert bench.drain() == []
    assert bench.counts() == (0, 0, 0)


def test_requests_that_wait_are_bounded_and_leave_room_once_answered() -> None:
    bench = UserAgentBench()
    sent = [send(bench)[1] for _ in range(MAX_CLIENT_REQUESTS)]
    with pytest.raises(CapacityError):
        send(bench)
    bench.feed(respond(sent[0], 200, to_tag="x"))
    send(bench)


@given(st.lists(st.sampled_from(["answer", "repeat", "time", "flow"]), max_size=8))
def test_each_request_ends_exactly_once(happenings: list[str]) -> None:
    bench = UserAgentBench()
    request_id, sent = send(bench, flow=TCP)
    for happening in happenings:
        if happening == "time":
            bench.advance(20)
        elif happening == "flow":
            bench.ua.flow_failed(TCP, bench.now)
        else:
            bench.feed(respond(sent, 200 if happening == "answer" else 503, to_tag="x"), TCP)
    bench.advance(100)
    bench.drain()
    ends = [event for event in bench.events if isinstance(event, RequestAnswered | RequestFailed)]
    assert [event.request for event in ends] == [request_id]
    assert bench.counts() == (0, 0, 0)


def test_our_contact_on_a_flow() -> None:
    bench = UserAgentBench()
    assert bench.ua.contact(UDP) == "<sip:gateway@192.0.2.1:5060>"
    assert bench.ua.contact(TCP, "carrier") == "<sip:carrier@192.0.2.1:5060;transport=tcp>"
