"""The BYE of ours, and what follows: whatever the peer answers, the dialog is over (RFC 3261 §15.1.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.sip.dialog import Dialog
from gateway.sip.invite.in_dialog import MAX_CHALLENGES
from gateway.sip.message import Request, Response
from gateway.sip.transaction.table import RequestFailure

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call
    from gateway.sip.invite.context import CallContext


class ByeOwner:
    """Closes the call, if there is one, once the BYE has its final answer or none can come. Owns a CANCEL as well."""

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


class _Bye(ByeOwner):
    """A BYE in a dialog whose peer may ask who we are: unanswered, it would think the call goes on, and bill it."""

    def __init__(
        self, context: CallContext, dialog: Dialog, headers: Iterable[tuple[str, str]], call: Call | None
    ) -> None:
        super().__init__(call)
        self._context = context
        self._dialog = dialog
        self._headers = tuple(headers)
        self._challenges = 0
        self._has_moved = False
        self._request: Request | None = None

    def send(self, now: float) -> None:
        """Let it leave, or leave once more."""
        context, dialog = self._context, self._dialog
        self._request = dialog.make_request("BYE", context.ids.branch(), context.identity, headers=self._headers)
        context.table.send_request(self._request, dialog.flow, now, self)

    def receive_response(self, response: Response, now: float) -> None:
        """A challenge is answered; anything else ends the dialog."""
        request = self._request if self._challenges < MAX_CHALLENGES else None
        if request is not None and self._dialog.answers_challenge(request, response):
            self._challenges += 1
            self.send(now)
            return
        super().receive_response(response, now)

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        """A connection that breaks under a BYE is not the end of it: one more goes the way that is left."""
        if failure is RequestFailure.FLOW and self._dialog.flow.is_reliable and not self._has_moved:
            self._has_moved = True
            self.send(now)
        else:
            super().request_failed(failure, now)


def send_bye(
    context: CallContext,
    dialog: Dialog,
    headers: Iterable[tuple[str, str]],
    now: float,
    call: Call | None = None,
) -> None:
    """Send BYE; ``call`` is closed by what comes back."""
    _Bye(context, dialog, headers, call).send(now)
