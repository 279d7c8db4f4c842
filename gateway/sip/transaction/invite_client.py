"""INVITE client transaction: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2 and §8.4."""

from __future__ import annotations

import enum

from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response, make_request
from gateway.sip.transaction.machine import Machine, TransactionContext, TransactionKey


class InviteClientState(enum.Enum):
    """The states of RFC 6026 figure 4."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class InviteClient(Machine):
    """Repeats the INVITE until something answers, and acknowledges a final answer of 300 or above by itself.

    The ACK to a 2xx is not its business: the UAC core sends it (RFC 3261 §13.2.2.4).
    """

    LETTERS = "ABDM"

    def __init__(self, key: TransactionKey, request: Request, flow: Flow, context: TransactionContext) -> None:
        super().__init__(key, flow, context)
        self.request = request
        self.may_fall_back = False
        """It went by TCP for its size alone: UDP is there when TCP is refused (RFC 3261 §18.1.1)."""
        self.state = InviteClientState.CALLING
        self._invite_bytes = request.to_bytes()
        self._ack_bytes = b""
        self._interval_s = self._timers.t1
        self._is_withdrawn = False

    def start(self, now: float) -> None:
        """Send the INVITE for the first time."""
        self._send(self._invite_bytes)
        if not self.flow.is_reliable:
            self._arm("A", now, self._interval_s)  # timer A: repeat the request, T1 doubling without limit
        self._arm("B", now, self._timers.give_up_s)  # timer B: nobody answers

    def restart(self, flow: Flow, now: float) -> None:
        """Send the request anew on another flow; its Via has been changed accordingly."""
        self._disarm(*self.LETTERS)
        self.flow = flow
        self._invite_bytes = self.request.to_bytes()
        self.start(now)

    @property
    def has_heard(self) -> bool:
        """Some response has come."""
        return self.state is not InviteClientState.CALLING

    @property
    def awaits_final(self) -> bool:
        """No final response has come yet."""
        return self.state in (InviteClientState.CALLING, InviteClientState.PROCEEDING)

    def receive_response(self, response: Response, now: float) -> bool:
        """True when the response is news for the transaction user."""
        if self.awaits_final:
            return self._receive_first(response, now)
        if self.state is InviteClientState.ACCEPTED:
            return 200 <= response.status < 300  # RFC 6026 §7.2: every 2xx, repeated or forked, goes up
        if self.state is InviteClientState.COMPLETED and response.status >= 300:
            self._send(self._ack_bytes)
        return False

    def _receive_first(self, response: Response, now: float) -> bool:
        if response.status < 200:
            self.state = InviteClientState.PROCEEDING
            self._disarm("A", *("" if self._is_withdrawn else "B"))
        elif response.status < 300:
            self.state = InviteClientState.ACCEPTED
            self._linger("M", now, self._timers.give_up_s)  # timer M: time for other forks to answer
        else:
            self.state = InviteClientState.COMPLETED
            self._ack_bytes = make_ack(self.request, response).to_bytes()
            self._send(self._ack_bytes)
            # Timer D: absorb repetitions of the final response, at least 32 s over UDP.
            self._linger("D", now, 0 if self.flow.is_reliable else self._timers.give_up_s)
        return True

    def stop_repeating(self) -> None:
        """Nobody waits for this INVITE any more: timer A stops, what may still answer is heard until timer B."""
        self._disarm("A")

    def expect_final(self, now: float) -> None:
        """A CANCEL was sent: without a final answer within 64*T1 the INVITE counts as cancelled (RFC 3261 §9.1)."""
        self._is_withdrawn = True
        if self.awaits_final:
            self._arm("B", now, self._timers.give_up_s)

    def handle_timer(self, letter: str, now: float) -> bool:
        """True when the transaction user must hear of a timeout."""
        if letter == "A":
            self._send(self._invite_bytes)
            self._interval_s *= 2
            self._arm("A", now, self._interval_s)
            return False
        self.terminate()
        return letter == "B"

    def terminate(self) -> None:
        """Stop every timer and leave."""
        super().terminate()
        self.state = InviteClientState.TERMINATED


def make_ack(invite: Request, response: Response) -> Request:
    """The ACK that ends a refused INVITE hop by hop (RFC 3261 §17.1.1.3): its Via and Route, the response's To."""
    headers = [
        ("Via", invite.headers.get("Via") or ""),
        *(("Route", route) for route in invite.headers.get_all("Route")),
        ("Max-Forwards", "70"),
        ("From", invite.headers.get("From") or ""),
        ("To", response.headers.get("To") or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq.number} ACK"),
    ]
    return make_request("ACK", invite.uri, headers=headers)
