"""A re-INVITE of ours (RFC 3261 §14.1): its answer, its ACK, and another try after glare."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gateway.sip.capabilities import ALLOW, CONTENT_TYPE, SUPPORTED
from gateway.sip.dialog import Dialog
from gateway.sip.events import ReofferAnswered, ReofferRefused
from gateway.sip.grammar import SipParseError
from gateway.sip.invite.context import CallContext
from gateway.sip.message import Response
from gateway.sip.reason import reason_phrase
from gateway.sip.transaction.table import Client, RequestFailure

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call

MAX_ATTEMPTS = 6
"""A peer that answers 491 this often in a row is not in glare but unwilling."""


class Reinvite:
    """One change of the session that we ask for, over as many INVITEs as glare makes necessary.

    Its timers in the call's table: ``glare`` waits before the next try, ``reinvite`` bounds a try that only ever gets
    provisional answers.
    """

    TIMERS = ("glare", "reinvite")

    def __init__(self, context: CallContext, call: Call, dialog: Dialog, body: bytes) -> None:
        self.is_in_progress = False
        """An INVITE of ours is unanswered: the peer's gets 491."""
        self._context = context
        self._call = call
        self._dialog = dialog
        self._body = body
        self._attempts = 0
        self._cseq = 0
        self._ack: bytes | None = None
        self._client: Client | None = None

    def start(self, now: float) -> None:
        """Send the INVITE, or the next one."""
        context = self._context
        contact = ("Contact", context.identity.contact(self._dialog.flow, user=self._dialog.contact_user))
        request = self._dialog.make_request(
            "INVITE",
            context.ids.branch(),
            context.identity,
            headers=(contact, ALLOW, SUPPORTED, CONTENT_TYPE),
            body=self._body,
        )
        self._attempts += 1
        self._cseq = request.cseq.number
        self._ack = None
        self.is_in_progress = True
        context.deadlines.set((self._call.id, "reinvite"), now + context.ring_limit_s)
        self._client = context.table.send_request(request, self._dialog.flow, now, self)

    def abandon(self) -> None:
        """The dialog is over: an INVITE that only ever got provisional answers would wait for ever."""
        if self._client is not None and self._client.awaits_final:
            self._client.terminate()

    def handle_timer(self, timer: str, now: float) -> None:
        """``glare``: try again, unless the peer's own INVITE is open. ``reinvite``: stop asking."""
        if timer == "reinvite":
            if self._client is not None:
                self._client.terminate()
            self._refused(408, reason_phrase(408))
        elif self._call.is_serving:
            self._wait(now)
        else:
            self.start(now)

    def receive_response(self, response: Response, now: float) -> None:
        """A response to the INVITE; each 2xx is acknowledged, however often it comes."""
        if response.status < 200:
            return
        if response.status < 300:
            self._accepted(response)
        elif response.status == 491 and self._attempts < MAX_ATTEMPTS and self._is_wanted:
            self.is_in_progress = False
            self._context.deadlines.clear((self._call.id, "reinvite"))
            self._wait(now)
        elif response.status in (408, 481):
            self._finish()
            self._call.dialog_gone(now)
        else:
            self._refused(response.status, response.reason)

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        """Timeout counts as 408 and ends the dialog, a failed flow as 503 (RFC 3261 §8.1.3.1)."""
        if failure is RequestFailure.TIMEOUT:
            self._finish()
            self._call.dialog_gone(now)
        else:
            self._refused(503, reason_phrase(503))

    @property
    def _is_wanted(self) -> bool:
        return self._call.reinvite is self

    def _accepted(self, response: Response) -> None:
        if self._ack is None:
            with contextlib.suppress(SipParseError):  # a senseless Contact moves nothing
                self._dialog.refresh_target(response)
            ack = self._dialog.make_request("ACK", self._context.ids.branch(), self._context.identity, cseq=self._cseq)
            self._ack = ack.to_bytes()
            if self._finish():
                self._context.tell(ReofferAnswered(self._call.id, response.body))
        self._context.send(self._dialog.flow, self._ack)

    def _refused(self, status: int, reason: str) -> None:
        if self._finish():
            self._context.tell(ReofferRefused(self._call.id, status, reason))

    def _finish(self) -> bool:
        """True when the call still lives and wants to hear of it."""
        is_wanted = self._is_wanted and self._call.is_talking
        self.is_in_progress = False
        for timer in self.TIMERS:
            self._context.deadlines.clear((self._call.id, timer))
        if self._is_wanted:
            self._call.reinvite = None
        return is_wanted

    def _wait(self, now: float) -> None:
        """RFC 3261 §14.1: who made the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms."""
        bits = self._context.ids.bits(16)
        wait_ms = 2100 + bits % 191 * 10 if self._call.inviting is not None else bits % 201 * 10
        self._context.deadlines.set((self._call.id, "glare"), now + wait_ms / 1000)
