"""Matching by RFC 3261 §17.1.3 and §17.2.3, merged requests by §8.2.2.2, and that nothing stays."""

from __future__ import annotations

import pytest

from gateway.sip.flow import Flow
from gateway.sip.message import Response, make_response, parse_message
from gateway.sip.transaction.machine import TransactionContext, TransactionKey
from gateway.sip.transaction.table import RequestFailure, TransactionTable, server_key
from tests.support.sip_peer import TCP, UDP, ack_for, invite, request, respond


class Owner:
    """A transaction user that remembers what it was told."""

    local_tag = "ours"

    def __init__(self) -> None:
        self.responses: list[int] = []
        self.failures: list[RequestFailure] = []

    def receive_response(self, response: Response, now: float) -> None:
        self.responses.append(response.status)

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        self.failures.append(failure)

    def receive_cancel(self, key: TransactionKey, now: float) -> None: ...


def make_table(limit: int = 100) -> tuple[TransactionTable, TransactionContext]:
    context = TransactionContext()
    return TransactionTable(context, limit=limit), context


def run_out(table: TransactionTable) -> None:
    while (deadline := table.next_deadline()) is not None:
        table.handle_timeout(deadline)


def test_a_request_is_recognised_by_branch_sent_by_and_method() -> None:
    table, _ = make_table()
    first = invite(branch="z9hG4bKone")
    server = table.open_invite_server(first, UDP, 0, Owner())
    assert table.find_server(invite(branch="z9hG4bKone")) is server
    assert table.find_server(invite(branch="z9hG4bKtwo")) is None
    assert table.find_server(request("BYE", branch="z9hG4bKone")) is None
    assert table.find_server(invite(via="SIP/2.0/UDP 198.51.100.8:5060;branch=z9hG4bKone")) is None
    assert table.find_server(invite(via="SIP/2.0/UDP 198.51.100.7:5061;branch=z9hG4bKone")) is None


def test_the_default_port_may_be_left_out_of_sent_by() -> None:
    assert server_key(invite(via="SIP/2.0/UDP Host.example:5060;branch=z9hG4bKx"), "INVITE") == server_key(
        invite(via="SIP/2.0/UDP host.example;branch=z9hG4bKx"), "INVITE"
    )


def test_an_ack_finds_the_invite_it_refuses() -> None:
    table, _ = make_table()
    sent = invite(branch="z9hG4bKone")
    server = table.open_invite_server(sent, UDP, 0, Owner())
    assert table.find_server(ack_for(sent, respond(sent, 486, to_tag="x"))) is server
    assert table.find_server(ack_for(sent, respond(sent, 200, to_tag="x"))) is None


@pytest.mark.parametrize("branch", ["", ";branch=1", ";branch=z9hG4bK"])
def test_a_peer_of_rfc_2543_is_recognised_by_its_headers(branch: str) -> None:
    table, _ = make_table()
    via = f"SIP/2.0/UDP 198.51.100.7:5060{branch}"
    sent = invite(via=via, from_tag=None)
    server = table.open_invite_server(sent, UDP, 0, Owner())
    assert table.find_server(invite(via=via, from_tag=None)) is server
    assert table.find_server(request("ACK", via=via, from_tag=None, to_tag="ours")) is server
    assert table.find_server(invite(via=via, from_tag=None, cseq=2)) is None
    assert table.find_server(invite(via=via, from_tag=None, call_id="other")) is None
    assert table.find_server(invite(via=via, from_tag=None, uri="sip:other@192.0.2.1")) is None
    assert table.find_server(invite(via=via, from_tag="t")) is None


def test_a_cancel_must_match_more_than_the_branch() -> None:
    table, _ = make_table()
    sent = invite(branch="z9hG4bKone", cseq=5)
    server = table.open_invite_server(sent, UDP, 0, Owner())
    assert table.find_cancelled(request("CANCEL", branch="z9hG4bKone", cseq=5), UDP) is server
    other_port = Flow("udp", UDP.local, (UDP.remote[0], 6060))
    assert table.find_cancelled(request("CANCEL", branch="z9hG4bKone", cseq=5), other_port) is server
    stranger = Flow("udp", UDP.local, ("203.0.113.66", 5060))
    assert table.find_cancelled(request("CANCEL", branch="z9hG4bKone", cseq=5), stranger) is None
    assert table.find_cancelled(request("CANCEL", branch="z9hG4bKtwo", cseq=5), UDP) is None
    assert table.find_cancelled(request("CANCEL", branch="z9hG4bKone", cseq=6), UDP) is None
    assert table.find_cancelled(request("CANCEL", branch="z9hG4bKone", cseq=5, call_id="x"), UDP) is None
    assert table.find_cancelled(request("CANCEL", branch="z9hG4bKone", cseq=5, from_tag="x"), UDP) is None


def test_a_request_that_comes_by_two_paths_is_merged() -> None:
    table, _ = make_table()
    first = invite(branch="z9hG4bKone")
    table.open_invite_server(first, UDP, 0, Owner())
    assert not table.is_merged(first)
    assert table.is_merged(invite(branch="z9hG4bKtwo"))
    assert not table.is_merged(invite(branch="z9hG4bKtwo", cseq=2)), "a retry after a challenge is new"
    assert not table.is_merged(invite(branch="z9hG4bKtwo", from_tag="other"))


def test_a_merged_request_is_forgotten_with_its_transaction() -> None:
    table, _ = make_table()
    server = table.open_server(request("OPTIONS", branch="z9hG4bKone"), UDP)
    server.send_response(make_response(server.request, 200), 0)
    assert table.is_merged(request("OPTIONS", branch="z9hG4bKtwo"))
    run_out(table)
    assert not table.is_merged(request("OPTIONS", branch="z9hG4bKtwo"))
    assert len(table) == 0


def test_requests_inside_a_dialog_never_merge() -> None:
    table, _ = make_table()
    table.open_server(request("BYE", to_tag="ours", branch="z9hG4bKone"), UDP)
    assert not table.is_merged(request("BYE", to_tag="ours", branch="z9hG4bKtwo"))


def test_responses_go_to_the_owner_of_their_branch_and_method() -> None:
    table, _ = make_table()
    owner, other = Owner(), Owner()
    sent = invite(branch="z9hG4bKours")
    table.send_request(sent, UDP, 0, owner)
    cancel = request("CANCEL", branch="z9hG4bKours")
    table.send_request(cancel, UDP, 0, other)
    assert table.receive_response(respond(sent, 180), UDP, 1)
    assert table.receive_response(respond(cancel, 200), UDP, 1)
    assert table.receive_response(respond(sent, 487), UDP, 1)
    assert table.receive_response(respond(sent, 487), UDP, 2), "absorbed, not stray"
    assert owner.responses == [180, 487]
    assert other.responses == [200]
    assert not table.receive_response(respond(invite(branch="z9hG4bKalien"), 200), UDP, 1)


def test_timeouts_reach_the_owner_once() -> None:
    table, _ = make_table()
    owner = Owner()
    table.send_request(request("BYE", to_tag="t"), UDP, 0, owner)
    run_out(table)
    assert owner.failures == [RequestFailure.TIMEOUT]
    assert len(table) == 0


def test_a_failed_flow_fails_only_its_own_unanswered_requests() -> None:
    table, _ = make_table()
    here, there, answered = Owner(), Owner(), Owner()
    table.send_request(request("BYE", to_tag="t"), UDP, 0, here)
    table.send_request(request("BYE", to_tag="t"), TCP, 0, there)
    sent = invite()
    table.send_request(sent, UDP, 0, answered)
    table.receive_response(respond(sent, 200), UDP, 0)
    table.flow_failed(UDP, 1)
    assert here.failures == [RequestFailure.FLOW]
    assert there.failures == []
    assert answered.failures == [], "it has its answer"
    assert len(table) == 2
    run_out(table)
    table.flow_failed(UDP, 99)
    assert len(table) == 0


def test_a_request_that_could_not_be_sent_fails_alone() -> None:
    table, _ = make_table()
    lost, other, answered = Owner(), Owner(), Owner()
    sent, bye, done = invite(), request("BYE", to_tag="t"), invite(call_id="2")
    table.send_request(sent, UDP, 0, lost)
    table.send_request(bye, UDP, 0, other)
    table.send_request(done, UDP, 0, answered)
    table.receive_response(respond(done, 200), UDP, 0)
    for message in (sent, done, request("ACK", branch=bye.via.branch), request("BYE"), respond(bye, 500)):
        table.request_failed(message.to_bytes(), 1)
    assert lost.failures == [RequestFailure.FLOW]
    assert (other.failures, answered.failures) == ([], [])
    assert len(table) == 2


def test_server_transactions_survive_a_failed_flow() -> None:
    table, _ = make_table()
    table.open_invite_server(invite(), UDP, 0, Owner())
    table.flow_failed(UDP, 1)
    assert len(table) == 1


def test_an_invite_refused_at_once_gets_no_100_and_its_refusal_is_repeated() -> None:
    table, context = make_table()
    sent = invite(to_tag="ours")
    table.refuse_invite(sent, make_response(sent, 491), UDP, 0, Owner())
    server = table.find_server(sent)
    assert server is not None
    server.receive_request()
    statuses = [message.status for _, data in context.outgoing if isinstance(message := parse_message(data), Response)]
    assert statuses == [491, 491]
    assert table.unfinished_refusals == 1
    run_out(table)
    assert table.unfinished_refusals == len(table) == 0


def test_room_ends_at_the_limit() -> None:
    table, _ = make_table(limit=2)
    table.open_server(request("OPTIONS"), UDP)
    assert table.has_room
    table.open_server(request("OPTIONS", call_id="2"), UDP)
    assert not table.has_room


def test_a_thousand_transactions_leave_nothing_behind() -> None:
    table, context = make_table(limit=10_000)
    for number in range(1000):
        call_id = f"call-{number}"
        flow = Flow("udp", UDP.local, ("198.51.100.7", 1024 + number))
        server = table.open_invite_server(invite(call_id=call_id), flow, 0, Owner())
        server.send_response(make_response(server.request, 486 if number % 2 else 200, to_tag="t"), 0)
        table.send_request(request("BYE", call_id=call_id), flow, 0, Owner())
        context.outgoing.clear()
    assert len(table) == 2000
    run_out(table)
    assert len(table) == 0
    assert len(context.deadlines) == 0
    assert not table._initial
    assert not table._on_flow
