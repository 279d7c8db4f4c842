"""Keeping flows open (RFC 5626 §4.4): which are pinged, when next, and which have failed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from gateway.base.clock import Deadlines
from gateway.sip.flow import Flow
from gateway.sip.transport.message_stream import PING
from gateway.sip.transport.stream_connection import StreamConnection

STREAM_INTERVAL_S = (95.0, 120.0)
"""RFC 5626 §4.4.1: between 80 and 100 % of the 120 s that NATs grant a connection at least."""
DATAGRAM_INTERVAL_S = (24.0, 29.0)
"""RFC 5626 §4.4.2: what NATs grant to UDP."""
SHORTEST_INTERVAL_S = 5.0
"""Whatever a registrar asks for by Flow-Timer: it has us send no more than this."""
PONG_S = 10.0
"""RFC 5626 §4.4.1: a flow whose pong has not come within ten seconds has failed."""


class KeepAlive:
    """Pings each flow of a set at random intervals, and tells of those whose pong is missing."""

    def __init__(
        self,
        *,
        connection_of: Callable[[Flow], StreamConnection | None],
        send: Callable[[Flow, bytes], bool],
        on_failed: Callable[[Flow], None],
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """``send`` is for datagrams. ``spread`` picks a number between two, so that flows are not pinged in step."""
        self.flows: frozenset[Flow] = frozenset()
        self._within_s: Mapping[Flow, float | None] = {}
        self._connection_of = connection_of
        self._send = send
        self._on_failed = on_failed
        self._spread = spread
        self._deadlines: Deadlines[tuple[Flow, str]] = Deadlines()

    def keep(self, flows: Mapping[Flow, float | None], now: float) -> None:
        """These flows from now on and no others. One that was kept already keeps its rhythm, if it has not failed.

        Each with the seconds within which its far end wants to hear of us (Flow-Timer), None where it has not said.
        """
        kept = frozenset(flows)
        self._within_s = dict(flows)
        for flow in self.flows - kept:
            self._forget(flow)
        self.flows = kept
        for flow in kept:
            if (flow, "ping") not in self._deadlines and (flow, "pong") not in self._deadlines:
                self._arm(flow, now)

    def next_deadline(self) -> float | None:
        """When ``handle_timeout`` wants to be called."""
        return self._deadlines.next_deadline()

    def handle_timeout(self, now: float) -> None:
        """Ping what is due; look whether the pongs came."""
        for flow, what in self._deadlines.pop_due(now):
            if what == "pong":
                self._check(flow, now)
            elif flow.is_reliable:
                self._ping(flow, now)
            elif self._send(flow, PING):
                self._arm(flow, now)
            else:
                self._on_failed(flow)

    def _ping(self, flow: Flow, now: float) -> None:
        connection = self._connection_of(flow)
        if connection is None:
            self._on_failed(flow)
            return
        connection.ping(now)
        self._deadlines.set((flow, "pong"), now + PONG_S)

    def _check(self, flow: Flow, now: float) -> None:
        connection = self._connection_of(flow)
        if connection is not None and not connection.is_ping_unanswered():
            self._arm(flow, now, already_s=PONG_S)
            return
        if connection is not None:
            connection.abort()
        self._on_failed(flow)

    def _arm(self, flow: Flow, now: float, already_s: float = 0.0) -> None:
        interval = STREAM_INTERVAL_S if flow.is_reliable else DATAGRAM_INTERVAL_S
        within_s = self._within_s.get(flow)
        if within_s is not None and within_s < interval[1]:
            longest_s = max(within_s, SHORTEST_INTERVAL_S)
            interval = (0.8 * longest_s, longest_s)  # RFC 5626 §4.4.1: 80 to 100 % of it
        self._deadlines.set((flow, "ping"), now + self._spread(*interval) - already_s)

    def _forget(self, flow: Flow) -> None:
        self._deadlines.clear((flow, "ping"))
        self._deadlines.clear((flow, "pong"))
