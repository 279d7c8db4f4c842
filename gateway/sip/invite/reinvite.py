"""A re-INVITE of ours (RFC 3261 §14.1): its answer, its ACK, and another try after glare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.base.errors import LocalProtocolError
from gateway.sip.capabilities import CONTENT_TYPE, offer_of
from gateway.sip.dialog import Dialog
from gateway.sip.events import ReofferAnswered, ReofferRefused
from gateway.sip.invite.bye import ByeOwner
from gateway.sip.invite.cancel import make_cancel
from gateway.sip.invite.glare import MAX_ATTEMPTS, Renew, glare_wait_s, retry_after_s
from gateway.sip.invite.in_dialog import credentials_of, make_in_dialog
from gateway.sip.message import Request, Response
from gateway.sip.reason import reason_phrase
from gateway.sip.transaction.invite_client import InviteClient
from gateway.sip.transaction.table import RequestFailure

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call


class Reinvite:
    """One change of the session that we ask for, over as many INVITEs as glare makes necessary.

    Without a body the peer makes the offer, in its 2xx, and the ACK waits for ``acknowledge``. With ``is_refresh`` the
    body is the session as it stands (RFC 4028 §7.4), and the call layer hears of it only when the peer's has changed.
    ``renew`` makes the offer for each further try, for the session may have changed meanwhile.
    Its timers in the call's table: ``glare`` waits before the next try, ``reinvite`` bounds a try that only ever gets
    provisional answers.
    """

    TIMERS = ("glare", "reinvite")

    def __init__(
        self, call: Call, dialog: Dialog, body: bytes, *, is_refresh: bool = False, renew: Renew | None = None
    ) -> None:
        self.is_in_progress = False
        """An INVITE of ours is unanswered: the peer's gets 491."""
        self.awaits_ack = False
        """The peer's 2xx made an offer, which the ACK must answer."""
        self._call = call
        self._context = call.context
        self._dialog = dialog
        self._body = body
        self._is_refresh = is_refresh
        self._attempts = 0
        self._request: Request | None = None
        self._ack: bytes | None = None
        self._renew = renew
        self._client: InviteClient | None = None
        self._is_cancelled = False

    @property
    def is_open_offer(self) -> bool:
        """Our offer waits for its answer: another of the peer's gets 491."""
        return self.is_in_progress and bool(self._body)

    def start(self, now: float) -> None:
        """Send the INVITE, or the next one."""
        context = self._context
        headers = self._call.session_timer.request_headers()
        request = make_in_dialog(context, self._dialog, "INVITE", headers=headers, body=self._body)
        self._attempts += 1
        self._request = request
        self._ack = None
        self.is_in_progress = True
        context.deadlines.set((self._call.id, "reinvite"), now + context.ring_limit_s)
        self._client = context.table.send_invite(request, self._dialog.flow, now, self)

    def release(self, now: float) -> None:
        """A BYE ends the call: the INVITE still gets its final answer, and that its ACK (RFC 3261 §15.1.2)."""
        if self._client is not None and self._client.awaits_final:
            self._client.stop_repeating()
            self._client.expect_final(now)

    def abandon(self) -> None:
        """The dialog is over."""
        self.is_in_progress = self.awaits_ack = False
        self._renew = None

    def handle_timer(self, timer: str, now: float) -> None:
        """``glare``: try again, unless the peer's own INVITE is open. ``reinvite``: ask no longer."""
        if timer == "reinvite":
            self._cancel(now)
        elif self._call.changes.is_serving:
            self._wait(glare_wait_s(self._call), now)
        else:
            self._start_again(now)

    def _start_again(self, now: float) -> None:
        if self._is_refresh:
            self._body = self._dialog.local_session
        elif self._renew is not None:
            self._body = self._renew()
        self.start(now)

    def _cancel(self, now: float) -> None:
        """Its final answer is awaited, 487 as a rule; a 200 that crosses the CANCEL counts (RFC 3261 §9.1)."""
        if self._client is None or self._request is None or self._is_cancelled:
            return
        self._is_cancelled = True
        cancel = make_cancel(self._request, (self._context.identity.user_agent,))
        self._context.table.send_request(cancel, self._client.flow, now, ByeOwner())
        self._client.expect_final(now)

    def receive_response(self, response: Response, now: float) -> None:
        """A response to the INVITE; each 2xx is acknowledged, however often it comes."""
        if response.status < 200:
            return
        request = self._request if self._may_try_again else None
        if request is not None and self._dialog.answers_challenge(request, response):
            self.start(now)
            return
        self._call.peer.note(response)
        if response.status < 300:
            self._accepted(response, now)
        elif self._may_try_again and (wait_s := self._wait_after(response)) is not None:
            self.is_in_progress = False
            self._context.deadlines.clear((self._call.id, "reinvite"))
            self._wait(wait_s, now)
        elif response.status == 422 and self._may_try_again:
            if self._call.session_timer.raise_minimum(response):
                self.start(now)
            else:
                self._refused(response.status, response.reason, now)
        elif response.status in (408, 481):
            self._finish()
            self._call.dialog_gone(now)
        else:
            self._refused(response.status, response.reason, now)

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        """Timeout counts as 408 and ends the dialog, a failed flow as 503 (RFC 3261 §8.1.3.1)."""
        if self._is_cancelled:
            self._refused(408, reason_phrase(408), now)
        elif failure is RequestFailure.TIMEOUT:
            self._finish()
            self._call.dialog_gone(now)
        else:
            self._refused(503, reason_phrase(503), now)

    @property
    def _may_try_again(self) -> bool:
        return self._attempts < MAX_ATTEMPTS and self._is_wanted and not self._is_cancelled

    @property
    def _is_wanted(self) -> bool:
        return self._call.changes.ours is self

    def _accepted(self, response: Response, now: float) -> None:
        if self._ack is not None:
            self._context.send(self._dialog.flow, self._ack)
            return
        if self.awaits_ack:
            return  # the same 2xx again: the answer to its offer is still being made
        self._dialog.try_refresh_target(response)
        if self._is_wanted and self._call.is_talking:
            self._call.session_timer.accepted(response, now)
        if not self._body and offer_of(response) is not None and self._is_wanted and self._call.is_talking:
            self.is_in_progress = False
            self.awaits_ack = True
            self._context.deadlines.clear((self._call.id, "reinvite"))
            self._context.tell(ReofferAnswered(self._call.id, offer_of(response) or b""))
            return
        self._send_ack()
        if self._finish():
            self._note_sessions(response)

    def _note_sessions(self, response: Response) -> None:
        answer = offer_of(response) or b""
        is_news = not self._is_refresh or (answer and answer != self._dialog.remote_session)
        if self._body:
            self._dialog.local_session = self._body
        self._dialog.remote_session = answer or self._dialog.remote_session
        if is_news:
            self._context.tell(ReofferAnswered(self._call.id, answer))

    def acknowledge(self, body: bytes) -> None:
        """The ACK with our answer to the offer that the 2xx made."""
        if not self.awaits_ack:
            raise LocalProtocolError("no offer of the peer waits for its answer in an ACK")
        self.awaits_ack = False
        self._dialog.local_session = body
        self._send_ack(body)
        self._finish()

    def _send_ack(self, body: bytes = b"") -> None:
        if self._request is None:
            return
        context = self._context
        headers = (*credentials_of(self._request), *((CONTENT_TYPE,) if body else ()))
        number = self._request.cseq.number
        ack = self._dialog.make_request(
            "ACK", context.ids.branch(), context.identity, cseq=number, headers=headers, body=body
        )
        self._ack = ack.to_bytes()
        context.send(self._dialog.flow, self._ack)

    def _refused(self, status: int, reason: str, now: float) -> None:
        if not self._finish():
            return
        if self._is_refresh:
            self._call.session_timer.refresh_failed(now)
        else:
            self._context.tell(ReofferRefused(self._call.id, status, reason))

    def _finish(self) -> bool:
        """True when the call still lives and wants to hear of it."""
        is_wanted = self._is_wanted and self._call.is_talking
        self.is_in_progress = False
        self._renew = None  # it is the call layer's, and this stays for repeated 2xx
        self._call.changes.finish(self)
        return is_wanted

    def _wait_after(self, response: Response) -> float | None:
        """491 is glare; 500 with Retry-After says that another exchange is in the way (RFC 3261 §14.2)."""
        if response.status == 491:
            return glare_wait_s(self._call)
        return retry_after_s(response) if response.status == 500 else None

    def _wait(self, seconds: float, now: float) -> None:
        self._context.deadlines.set((self._call.id, "glare"), now + seconds)
