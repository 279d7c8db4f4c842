"""UPDATE by us (RFC 3311 §5.1): a refresh without a body, or an offer in place of a re-INVITE's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sip.capabilities import offer_of
from gateway.sip.dialog import Dialog
from gateway.sip.events import ReofferAnswered, ReofferRefused
from gateway.sip.invite.glare import MAX_ATTEMPTS, Renew, glare_wait_s, retry_after_s
from gateway.sip.invite.in_dialog import InDialogRequest
from gateway.sip.message import Response

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call


class Update:
    """One UPDATE of ours, over as many requests as glare makes necessary.

    Its timer in the call's table is ``glare``. Without a body it is a refresh, of which the call layer hears nothing.
    """

    TIMERS = ("glare",)

    def __init__(self, call: Call, dialog: Dialog, body: bytes, *, renew: Renew | None = None) -> None:
        self.is_in_progress = False
        """A request is unanswered."""
        self.body = body
        self._call = call
        self._dialog = dialog
        self._renew = renew
        self._attempts = 0

    @property
    def is_open_offer(self) -> bool:
        """Our offer waits for its answer: another of the peer's gets 491."""
        return self.is_in_progress and bool(self.body)

    @property
    def awaits_ack(self) -> bool:
        """An UPDATE has none."""
        return False

    def start(self, now: float) -> None:
        """Send the UPDATE, or the next one."""
        self._attempts += 1
        self.is_in_progress = True
        InDialogRequest(
            self._call,
            self._dialog,
            "UPDATE",
            headers=self._call.session_timer.request_headers() if self._call.is_talking else (),
            body=self.body,
            is_vital=True,
            on_final=self._receive_final,
        ).send(now)

    def abandon(self) -> None:
        """The dialog is over; the transaction ends by itself."""
        self.is_in_progress = False

    def handle_timer(self, timer: str, now: float) -> None:
        """``glare``: try again, unless an exchange of the peer's is open."""
        if self._call.changes.is_serving:
            self._wait(glare_wait_s(self._call), now)
        else:
            if self._renew is not None:
                self.body = self._renew()
            self.start(now)

    def _receive_final(self, status: int, reason: str, response: Response | None, now: float) -> None:
        self.is_in_progress = False
        if self._call.changes.ours is not self or not self._call.is_open:
            return
        if status < 300 and response is not None:
            self._accepted(response, now)
        elif self._wants_another_try(status, response, now):
            return
        elif status in (405, 501) and self._call.is_talking:
            self._call.peer.refused("UPDATE")
            self._call.changes.resort_to_reinvite(self.body, self._renew, now)
        else:
            self._refused(status, reason, now)

    def _wants_another_try(self, status: int, response: Response | None, now: float) -> bool:
        """491 is glare; 500 with Retry-After an exchange in the way (RFC 3311 §5.2); 422 an interval too short."""
        if response is None or self._attempts >= MAX_ATTEMPTS:
            return False
        if status == 422 and self._call.session_timer.raise_minimum(response):
            self.start(now)
            return True
        wait_s = glare_wait_s(self._call) if status == 491 else None
        if status == 500:
            wait_s = retry_after_s(response)
        if wait_s is None:
            return False
        self._wait(wait_s, now)
        return True

    def _accepted(self, response: Response, now: float) -> None:
        call = self._call
        call.changes.finish(self)
        self._dialog.try_refresh_target(response)
        if call.is_talking:
            call.session_timer.accepted(response, now)
        if self.body:
            answer = offer_of(response) or b""
            self._dialog.local_session, self._dialog.remote_session = self.body, answer
            call.context.tell(ReofferAnswered(call.id, answer))

    def _refused(self, status: int, reason: str, now: float) -> None:
        call = self._call
        call.changes.finish(self)
        if self.body:
            call.context.tell(ReofferRefused(call.id, status, reason))
        else:
            call.session_timer.refresh_failed(now)

    def _wait(self, seconds: float, now: float) -> None:
        self._call.context.deadlines.set((self._call.id, "glare"), now + seconds)
