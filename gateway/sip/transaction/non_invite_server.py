"""Non-INVITE server transaction: RFC 3261 §17.2.2, with the 100 Trying of RFC 4320 §4.1."""

from __future__ import annotations

import enum

from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response, make_response
from gateway.sip.transaction.machine import Machine, TransactionContext, TransactionKey


class NonInviteServerState(enum.Enum):
    """The states of RFC 3261 figure 8."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class NonInviteServer(Machine):
    """Answers a repeated request (BYE, CANCEL, OPTIONS) with the response it already had.

    Two timers are those of the client, seen from here: ``E``, which now repeats the request seldom, and ``F``, by which
    it has given up.
    """

    LETTERS = "EFJ"

    def __init__(self, key: TransactionKey, request: Request, flow: Flow, context: TransactionContext) -> None:
        super().__init__(key, flow, context)
        self.request = request
        self.state = NonInviteServerState.TRYING
        self._response_bytes = b""

    def start(self, now: float) -> None:
        """The answer takes a while: 100 is sent once timer E is T2, and no provisional before.

        A client that has had no answer by timer F needs none any more.
        """
        self._arm("E", now, self._timers.slow_after_s)
        self._arm("F", now, self._timers.give_up_s)

    def receive_request(self) -> None:
        """A repeated request: silently dropped while there is no response to repeat."""
        if self.state in (NonInviteServerState.PROCEEDING, NonInviteServerState.COMPLETED):
            self._send(self._response_bytes)

    def send_response(self, response: Response, now: float) -> None:
        """Send what the transaction user answers; anything after a final response is dropped."""
        if self.state not in (NonInviteServerState.TRYING, NonInviteServerState.PROCEEDING):
            return
        self._response_bytes = response.to_bytes()
        self._send(self._response_bytes)
        if response.status < 200:
            self.state = NonInviteServerState.PROCEEDING
        else:
            self.state = NonInviteServerState.COMPLETED
            # Timer J: absorb repeated requests.
            self._linger("J", now, 0 if self.flow.is_reliable else self._timers.give_up_s)

    def handle_timer(self, letter: str, now: float) -> bool:
        """Always False: timers F and J end the machine and nobody needs to know."""
        if letter == "E":
            self.send_response(make_response(self.request, 100), now)
        else:
            self.terminate()
        return False

    def terminate(self) -> None:
        """Stop every timer and leave."""
        super().terminate()
        self.state = NonInviteServerState.TERMINATED
