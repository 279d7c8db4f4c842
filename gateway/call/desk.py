"""What an operator may do with calls, in one place: order, look, hold, resume, transfer and end."""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.base.errors import GatewayError, LocalProtocolError
from gateway.call.call import Call
from gateway.call.capacity import NotTaken
from gateway.call.dialer import Dialer
from gateway.call.live_calls import LiveCalls
from gateway.call.order import CallOrder
from gateway.call.records import CallRecord, CallRecords
from gateway.call.refer_target import ReferTargets
from gateway.call.states import CallState
from gateway.call.termination import EndReason
from gateway.trunks.destination import OutboundRefused


class NoSuchCallError(GatewayError):
    """No call of this id is live or remembered."""


class CallOverError(GatewayError):
    """The call has ended: nothing can be done with it any more."""


class CallDesk:
    """Every command answers with the call's record as it is afterwards."""

    def __init__(
        self,
        *,
        dialer: Dialer,
        calls: LiveCalls,
        records: CallRecords,
        targets: ReferTargets,
        is_draining: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dialer = dialer
        self._calls = calls
        self.records = records
        self._targets = targets
        self._is_draining = is_draining
        self._clock = clock

    def place(self, order: CallOrder) -> CallRecord:
        """Calls somebody. Raises OutboundRefused, NotTaken or SettingsError."""
        try:
            if self._is_draining():
                raise NotTaken(503, "Gateway shutting down", "draining", 5)
            call = self._dialer.place(order)
        except (NotTaken, OutboundRefused) as refused:
            self._calls.order_refused(refused.rule)
            raise
        return self.record(call.identity.call_id)

    def record(self, call_id: str) -> CallRecord:
        """What is known of a call. Raises NoSuchCallError."""
        record = self.records.get(call_id)
        if record is None:
            raise NoSuchCallError(f"no call {call_id!r} is live or remembered")
        return record

    def state(self, record: CallRecord) -> CallState:
        """Where a call is in its life."""
        call = self._calls.get(record.identity.call_id)
        return CallState.ENDED if call is None else call.state

    def end(self, call_id: str) -> CallRecord:
        """CANCEL, BYE or nothing, whatever its state asks; a call that has ended stays so. Raises NoSuchCallError."""
        record = self.record(call_id)
        call = self._calls.get(call_id)
        if call is not None:
            self._calls.run(call, lambda call: call.end(EndReason.API, self._clock()))
        return record

    def hold(self, call_id: str) -> CallRecord:
        """Puts the far end on hold. Raises NoSuchCallError, CallOverError, LocalProtocolError."""
        return self.command(call_id, lambda call, now: call.hold(now))

    def resume(self, call_id: str) -> CallRecord:
        """Ends our hold. Raises NoSuchCallError, CallOverError, LocalProtocolError."""
        return self.command(call_id, lambda call, now: call.resume(now))

    def transfer(self, call_id: str, *, to: str | None, to_call: str | None) -> CallRecord:
        """Asks the far end to call ``to``, or to take over from us in ``to_call``; exactly one of the two.

        Raises NoSuchCallError, CallOverError, LocalProtocolError, OutboundRefused.
        """
        other = self.live(to_call) if to_call is not None else None

        def step(call: Call, now: float) -> None:
            if other is call:
                raise LocalProtocolError("a call cannot be transferred to itself")
            self._targets.check(call)
            target = self._targets.uri_for(call, to) if to is not None else ""
            call.transfer(target, now, to_call=other, headers=call.identity.headers.refer)

        return self.command(call_id, step)

    def live(self, call_id: str) -> Call:
        """The call itself. Raises NoSuchCallError or CallOverError."""
        record = self.record(call_id)
        call = self._calls.get(call_id)
        if call is None:
            raise CallOverError(f"call {call_id} has ended: {record.end_reason}")
        return call

    def command(self, call_id: str, step: Callable[[Call, float], None]) -> CallRecord:
        """One command on a live call. What it refuses (GatewayError) is raised here and leaves the call as it was."""
        refusals: list[GatewayError] = []

        def attempt(call: Call) -> None:
            try:
                step(call, self._clock())
            except GatewayError as error:
                refusals.append(error)

        self._calls.run(self.live(call_id), attempt)
        if refusals:
            raise refusals[0]
        return self.record(call_id)
