"""The calls that have not ended: found by either name, run one step at a time, one timer for all their deadlines."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator

from gateway.base.clock import Deadlines
from gateway.call.call import Call
from gateway.call.termination import EndReason
from gateway.observability.logs import Logger
from gateway.observability.metrics import Metrics


class LiveCalls:
    """Owns every live call. ``run`` is the only way in which anything happens to one."""

    def __init__(self, *, metrics: Metrics, logger: Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._logger = logger
        self._clock = clock
        self._by_id: dict[str, Call] = {}
        self._by_sip_call: dict[str, Call] = {}
        self._trunks: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._counted_at: dict[str, tuple[str, ...]] = {}
        """Where each call is counted: at who called ("" for a call we place), then at who answered."""
        self._deadlines: Deadlines[str] = Deadlines()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at: float | None = None
        self.on_ended: Callable[[Call], None] = lambda call: None
        """Called once for each call, when it has let go of everything."""

    def add(self, call: Call) -> None:
        """A call that begins."""
        self._by_id[call.identity.call_id] = call
        self._trunks[call.identity.trunk] += 1
        self._count_at(call, call.identity.source)
        self._index(call)
        self._metrics.calls_live.set(len(self._by_id))

    def ended(self, call: Call) -> None:
        """A call has let go of everything."""
        if self._by_id.pop(call.identity.call_id, None) is None:
            return
        # Subtraction drops what falls to zero.
        self._trunks -= Counter([call.identity.trunk])
        self._uncount(call)
        if call.sip_call is not None:
            self._by_sip_call.pop(call.sip_call, None)
        self._deadlines.clear(call.identity.call_id)
        self._metrics.calls_live.set(len(self._by_id))
        if call.end_reason is not None:
            self._metrics.calls_ended.labels(reason=call.end_reason.value).inc()
        self.on_ended(call)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._by_id.values()))

    def get(self, call_id: str) -> Call | None:
        """By our own id."""
        return self._by_id.get(call_id)

    def of_sip_call(self, sip_call: str) -> Call | None:
        """By the user agent's id."""
        return self._by_sip_call.get(sip_call)

    def on_trunk(self, trunk: str) -> int:
        """Live calls of a trunk, in both directions."""
        return self._trunks[trunk]

    def has_source(self, host: str) -> bool:
        """Whether somebody at this address is in a call: who called from there, or answered there."""
        return host in self._sources

    def reached(self, call: Call, host: str) -> None:
        """A call we placed was answered at this address."""
        if call.identity.call_id in self._by_id and len(self._counted_at.get(call.identity.call_id, ())) < 2:
            self._count_at(call, host)

    def _count_at(self, call: Call, host: str) -> None:
        self._counted_at[call.identity.call_id] = (*self._counted_at.get(call.identity.call_id, ()), host)
        self._sources[host] += 1

    def _uncount(self, call: Call) -> None:
        self._sources -= Counter(self._counted_at.pop(call.identity.call_id, ()))  # what falls to zero is dropped

    def rename(self, call: Call, sip_call: str) -> None:
        """From here on what signalling says of ``sip_call`` concerns this call, and of its former name nothing does."""
        if call.sip_call is not None:
            self._by_sip_call.pop(call.sip_call, None)
        call.sip_call = sip_call
        self._index(call)

    def moved(self, call: Call) -> None:
        """A call has gone to another far end: it counts at that one's address and no longer at the former one's."""
        if call.identity.call_id in self._by_id:
            self._uncount(call)
            self._count_at(call, call.identity.source)

    def run(self, call: Call, step: Callable[[Call], None]) -> None:
        """One step of a call. A fault of ours in it ends this call and no other; then its next deadline is noted."""
        try:
            step(call)
        except Exception:
            call.end(EndReason.ERROR, self._clock())
            self._logger.exception("call failed", call=call.identity.call_id)
        finally:
            self._settle(call)

    def order_refused(self, rule: str) -> None:
        """A call that was ordered and never came to be one."""
        self._metrics.orders_refused.labels(rule=rule).inc()

    def close(self) -> None:
        """No more deadlines."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._armed_at = None

    def _index(self, call: Call) -> None:
        if call.sip_call is not None and not call.is_ended:
            self._by_sip_call[call.sip_call] = call

    def _settle(self, call: Call) -> None:
        """After anything happened to a call: its next deadline is noted and the one timer armed for the earliest."""
        self._index(call)
        at = call.next_deadline()
        if at is None:
            self._deadlines.clear(call.identity.call_id)
        else:
            self._deadlines.set(call.identity.call_id, at)
        self._arm()

    def _arm(self) -> None:
        at = self._deadlines.next_deadline()
        if at is None or (self._armed_at is not None and self._armed_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_at = at
        self._timer = asyncio.get_running_loop().call_later(max(at - self._clock(), 0.0), self._fire)

    def _fire(self) -> None:
        # The loop may round the delay down; woken early, it would wake again and again until the time has come.
        now = max(self._clock(), self._armed_at or 0.0)
        self._timer = self._armed_at = None
        for call_id in self._deadlines.pop_due(now):
            call = self._by_id.get(call_id)
            if call is not None:
                self.run(call, lambda call: call.handle_timeout(now))
        self._arm()
