"""INVITE server transaction: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1 and §8.5."""

from __future__ import annotations

import enum
import weakref
from typing import Protocol

from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response, make_response
from gateway.sip.transaction.machine import Machine, TransactionContext, TransactionKey

MOST_REPEATED = 50
"""Refusals to one host that are repeated at a time. Who acknowledges none of so many is not there: his address is
forged, and each repetition would be another datagram to whoever really has it."""


class InviteServerState(enum.Enum):
    """The states of RFC 6026 figure 7."""

    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class InviteOwner(Protocol):
    """The transaction user of an INVITE server transaction: the call."""

    @property
    def local_tag(self) -> str:
        """The To tag of our answers."""

    def receive_cancel(self, key: TransactionKey, now: float) -> None:
        """The INVITE of this transaction is taken back."""


class InviteServer(Machine):
    """Answers a repeated INVITE with its last response and repeats a refusal until it is acknowledged.

    Repeating a 2xx is not its business: the UAS core does it, end to end (RFC 3261 §13.3.1.4). It outlives its owner,
    which it does not keep: timer L is no reason for an ended call to stay.
    """

    LETTERS = "GHIL"

    def __init__(
        self, key: TransactionKey, request: Request, flow: Flow, context: TransactionContext, owner: InviteOwner
    ) -> None:
        super().__init__(key, flow, context)
        self.request = request
        self.local_tag = owner.local_tag
        """The To tag of our answers."""
        self._owner = weakref.ref(owner)
        self.state = InviteServerState.PROCEEDING
        self._response_bytes = b""
        self._interval_s = self._timers.t1

    def start(self, now: float) -> None:
        """Send 100 Trying at once: the caller stops repeating its INVITE however long the answer takes."""
        self.send_response(make_response(self.request, 100), now)

    @property
    def awaits_ack(self) -> bool:
        """It was refused, and nobody has acknowledged that yet."""
        return self.state is InviteServerState.COMPLETED

    def receive_request(self) -> None:
        """A repeated INVITE. In Accepted and Confirmed it is absorbed (RFC 6026 §7.1)."""
        if self.state in (InviteServerState.PROCEEDING, InviteServerState.COMPLETED):
            self._send(self._response_bytes)

    def receive_ack(self, now: float) -> bool:
        """True when the ACK belongs to a 2xx and so to the transaction user."""
        if self.state is InviteServerState.COMPLETED:
            self._count_off()
            self.state = InviteServerState.CONFIRMED
            # Timer I: absorb repeated ACKs.
            self._linger("I", now, 0 if self.flow.is_reliable else self._timers.t4)
        return self.state is InviteServerState.ACCEPTED

    def cancel(self, now: float) -> None:
        """A CANCEL names it: its owner decides, if there is one left."""
        owner = self._owner()
        if owner is not None:
            owner.receive_cancel(self.key, now)

    def send_response(self, response: Response, now: float) -> None:
        """Send what the transaction user answers. After a final response only further 2xx pass, in Accepted."""
        if self.state is InviteServerState.ACCEPTED and 200 <= response.status < 300:
            self._send(response.to_bytes())
            return
        if self.state is not InviteServerState.PROCEEDING:
            return
        self._response_bytes = response.to_bytes()
        self._send(self._response_bytes)
        if 200 <= response.status < 300:
            self.state = InviteServerState.ACCEPTED
            self._linger("L", now, self._timers.give_up_s)  # timer L: absorb repeated INVITEs
        elif response.status >= 300:
            self.state = InviteServerState.COMPLETED
            if not self.flow.is_reliable:
                self._repeat_refusal(now)
            self._arm("H", now, self._timers.give_up_s)  # timer H: no ACK ever comes

    def _repeat_refusal(self, now: float) -> None:
        """Timer G, unless too many of this host's are being repeated: then a repeated INVITE is still answered."""
        unacknowledged, host = self._context.unacknowledged, self.flow.remote[0]
        if unacknowledged[host] < MOST_REPEATED:
            self._arm("G", now, self._interval_s)
        unacknowledged[host] += 1

    def _count_off(self) -> None:
        unacknowledged, host = self._context.unacknowledged, self.flow.remote[0]
        if self.flow.is_reliable:
            return
        unacknowledged[host] -= 1
        if not unacknowledged[host]:
            del unacknowledged[host]

    def handle_timer(self, letter: str, now: float) -> bool:
        """Always False: a missing ACK for a refusal (timer H) changes nothing for the transaction user."""
        if letter == "G":
            self._send(self._response_bytes)
            self._interval_s = min(2 * self._interval_s, self._timers.t2)
            self._arm("G", now, self._interval_s)
        else:
            self.terminate()
        return False

    def terminate(self) -> None:
        """Stop every timer and leave."""
        if self.state is InviteServerState.COMPLETED:
            self._count_off()
        super().terminate()
        self.state = InviteServerState.TERMINATED
