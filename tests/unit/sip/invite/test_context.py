from __future__ import annotations

from gateway.base.ids import IdSource
from gateway.sip.capabilities import refuse
from gateway.sip.events import CallCancelled, RequestRefused
from gateway.sip.identity import Identity
from gateway.sip.invite.context import CallContext
from gateway.sip.transaction.machine import TransactionContext
from gateway.sip.transaction.table import TransactionTable
from tests.support.sip_peer import UDP, request, respond


def make_context(limit: int = 10) -> CallContext:
    wire = TransactionContext()
    identity = Identity("gateway", "test", lambda flow: flow.local)
    return CallContext(
        wire, TransactionTable(wire, limit=limit), identity, IdSource(1), ring_limit_s=180, hop_timeout_s=2
    )


def test_an_answer_is_kept_for_repetitions_while_there_is_room() -> None:
    context = make_context(limit=1)
    first, second = request("OPTIONS"), request("OPTIONS", call_id="2")
    context.respond(first, respond(first, 200), UDP, 0)
    context.respond(second, respond(second, 200), UDP, 0)
    assert len(context.wire.outgoing) == 2
    assert len(context.table) == 1


def test_retry_after_is_spread_over_its_range() -> None:
    context = make_context()
    values = {int(context.retry_after(10)[1]) for _ in range(500)}
    assert values == set(range(11))


def test_a_refusal_is_counted_and_told() -> None:
    context = make_context()
    context.note_refusal(request("INVITE"), UDP, refuse(491, "request_pending"))
    context.note_refusal(request("BYE"), UDP, refuse(400, "malformed_message"))
    assert (context.stats.requests_refused, context.stats.malformed_requests) == (2, 1)
    assert list(context.events) == [
        RequestRefused("INVITE", UDP, 491, "request_pending"),
        RequestRefused("BYE", UDP, 400, "malformed_message"),
    ]


def test_events_and_bytes_keep_their_order() -> None:
    context = make_context()
    context.tell(CallCancelled("a"))
    context.tell(CallCancelled("b"))
    context.send(UDP, b"x")
    assert [event.call for event in context.events] == ["a", "b"]  # type: ignore[union-attr]
    assert context.wire.outgoing == [(UDP, b"x")]
