"""What follows a BYE of ours: whatever the peer answers, the dialog is over (RFC 3261 §15.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sip.message import Response
from gateway.sip.transaction.table import RequestFailure

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call


class ByeOwner:
    """Closes the call, if there is one, once the BYE has its final answer or none can come."""

    def __init__(self, call: Call | None = None) -> None:
        self._call = call

    def receive_response(self, response: Response, now: float) -> None:
        """Any final answer ends the dialog, 481 as well as 200."""
        if response.status >= 200:
            self._close()

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        """Nobody answers a BYE: nobody is there."""
        self._close()

    def _close(self) -> None:
        if self._call is not None:
            self._call.close()
