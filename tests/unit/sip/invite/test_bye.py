"""A BYE of ours ends its call by any final answer, and by none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.sip.invite.bye import ByeOwner
from gateway.sip.transaction.table import RequestFailure
from tests.support.calls import inbound
from tests.support.sip_peer import TCP, request, respond


class Closed:
    """Stands where the call stands, and counts."""

    def __init__(self) -> None:
        self.count = 0

    def close(self) -> None:
        self.count += 1


@pytest.mark.parametrize(("status", "count"), [(100, 0), (180, 0), (200, 1), (401, 1), (481, 1), (503, 1)])
def test_only_final_answers_close(status: int, count: int) -> None:
    call = Closed()
    ByeOwner(call).receive_response(respond(request("BYE"), status), 0)  # type: ignore[arg-type]
    assert call.count == count


@pytest.mark.parametrize("failure", list(RequestFailure))
def test_no_answer_closes(failure: RequestFailure) -> None:
    call = Closed()
    ByeOwner(call).request_failed(failure, 0)  # type: ignore[arg-type]
    assert call.count == 1


def test_a_bye_without_a_call_has_nothing_to_close() -> None:
    owner = ByeOwner()
    owner.receive_response(respond(request("BYE"), 200), 0)
    owner.request_failed(RequestFailure.TIMEOUT, 0)


EDGE = ("Record-Route", "<sip:203.0.113.20:5080;lr;transport=tcp>")


def test_a_connection_that_breaks_under_a_bye_is_not_the_end_of_it() -> None:
    talk = inbound(TCP, headers=[EDGE])
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    first = talk.sent()
    talk.bench.ua.flow_failed(TCP, talk.bench.now)
    again = talk.sent()
    assert again.method == "BYE"
    assert again.cseq.number == first.cseq.number + 1
    moved = talk.bench.flows[-1]
    assert (moved.transport, moved.remote, moved.connection) == ("tcp", ("203.0.113.20", 5080), 0)
    talk.bench.ua.flow_failed(moved, talk.bench.now)
    assert talk.bench.drain() == []
    assert talk.bench.ua.calls == 0


def test_a_call_whose_connection_is_gone_goes_where_its_path_leads() -> None:
    talk = inbound(TCP, headers=[EDGE])
    talk.bench.ua.flow_failed(TCP, talk.bench.now)
    assert talk.bench.ua.calls == 1
    talk.bench.ua.ping(talk.call, talk.bench.now)
    assert talk.sent().headers.get("Route") == "<sip:203.0.113.20:5080;lr;transport=tcp>"
    assert talk.bench.flows[-1].remote == ("203.0.113.20", 5080)


def test_names_other_transports_and_private_addresses_are_not_followed() -> None:
    for route in (
        "<sip:edge.example.net;lr;transport=tcp>",
        "<sip:203.0.113.20;lr>",
        "<sip:10.0.0.1;lr;transport=tcp>",
    ):
        public = replace(TCP, remote=("8.8.4.4", 40001))
        talk = inbound(public, headers=[("Record-Route", route)])
        talk.bench.ua.flow_failed(public, talk.bench.now)
        talk.bench.ua.hang_up(talk.call, talk.bench.now)
        talk.sent()
        flow = talk.bench.flows[-1]
        assert flow == public, "the endpoint tries its fallback"
        assert flow.fallback is not None


@pytest.mark.parametrize("target", ["127.0.0.1:8080", "169.254.169.254:80", "0.0.0.0:22", "[::1]:8080"])
def test_no_record_route_makes_us_connect_to_our_own_machine(target: str) -> None:
    """A peer on the local network hangs up its connection: our BYE would go to the REST API, or a cloud's metadata."""
    private = replace(TCP, remote=("10.0.0.66", 40001))
    talk = inbound(private, headers=[("Record-Route", f"<sip:{target};lr;transport=tcp>")])
    talk.bench.ua.flow_failed(private, talk.bench.now)
    talk.bench.ua.hang_up(talk.call, talk.bench.now)
    talk.sent()
    assert talk.bench.flows[-1] == private
