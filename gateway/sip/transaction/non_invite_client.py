"""Non-INVITE client transaction: RFC 3261 §17.1.2."""

from __future__ import annotations

import enum

from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response
from gateway.sip.transaction.machine import Machine, TransactionContext, TransactionKey


class NonInviteClientState(enum.Enum):
    """The states of RFC 3261 figure 6."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class NonInviteClient(Machine):
    """Repeats a request (BYE, CANCEL, OPTIONS) until its final answer."""

    LETTERS = "EFK"

    def __init__(self, key: TransactionKey, request: Request, flow: Flow, context: TransactionContext) -> None:
        super().__init__(key, flow, context)
        self.request = request
        self.may_fall_back = False
        """It went by TCP for its size alone: UDP is there when TCP is refused (RFC 3261 §18.1.1)."""
        self.state = NonInviteClientState.TRYING
        self._request_bytes = request.to_bytes()
        self._interval_s = self._timers.t1

    def start(self, now: float) -> None:
        """Send the request for the first time."""
        self._send(self._request_bytes)
        if not self.flow.is_reliable:
            self._arm("E", now, self._interval_s)  # timer E: repeat the request
        self._arm("F", now, self._timers.give_up_s)  # timer F: no final answer

    def restart(self, flow: Flow, now: float) -> None:
        """Send the request anew on another flow; its Via has been changed accordingly."""
        self._disarm(*self.LETTERS)
        self.flow = flow
        self._request_bytes = self.request.to_bytes()
        self.start(now)

    @property
    def has_heard(self) -> bool:
        """Some response has come."""
        return self.state is not NonInviteClientState.TRYING

    @property
    def awaits_final(self) -> bool:
        """No final response has come yet."""
        return self.state in (NonInviteClientState.TRYING, NonInviteClientState.PROCEEDING)

    def receive_response(self, response: Response, now: float) -> bool:
        """True when the response is news for the transaction user."""
        if not self.awaits_final:
            return False
        if response.status < 200:
            self.state = NonInviteClientState.PROCEEDING
        else:
            self.state = NonInviteClientState.COMPLETED
            # Timer K: absorb repetitions of the answer.
            self._linger("K", now, 0 if self.flow.is_reliable else self._timers.t4)
        return True

    def handle_timer(self, letter: str, now: float) -> bool:
        """True when the transaction user must hear of a timeout."""
        if letter == "E":
            self._send(self._request_bytes)
            is_proceeding = self.state is NonInviteClientState.PROCEEDING
            self._interval_s = self._timers.t2 if is_proceeding else min(2 * self._interval_s, self._timers.t2)
            self._arm("E", now, self._interval_s)
            return False
        self.terminate()
        return letter == "F"

    def terminate(self) -> None:
        """Stop every timer and leave."""
        super().terminate()
        self.state = NonInviteClientState.TERMINATED
