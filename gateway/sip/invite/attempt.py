"""One INVITE of a call that we place: early dialogs, ACK to every 2xx, CANCEL and its race (RFC 3261 §13.2, §9.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.sip.capabilities import CONTENT_TYPE, offer_of
from gateway.sip.dialog import Dialog
from gateway.sip.digest import DigestClient
from gateway.sip.flow import Flow
from gateway.sip.invite.bye import ByeOwner, send_bye
from gateway.sip.invite.cancel import make_cancel
from gateway.sip.invite.context import CallContext
from gateway.sip.invite.in_dialog import credentials_of
from gateway.sip.invite.reliable import acknowledge_provisional
from gateway.sip.message import Request, Response
from gateway.sip.transaction.invite_client import InviteClient
from gateway.sip.transaction.table import RequestFailure

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call

MAX_FORKS = 16
"""Dialogs one INVITE may open. A peer that answers with ever new tags gets no more of our memory."""


class AttemptOwner(Protocol):
    """The call's client side: it decides what follows from what an attempt met with. Told only while it is wanted."""

    def attempt_heard(self) -> None:
        """Something came back: the hop is alive."""

    def attempt_rang(self, response: Response, tag: str, now: float) -> None:
        """A provisional response other than 100; ``tag`` is that of the early dialog it belongs to, or ""."""

    def attempt_answered(self, dialog: Dialog, response: Response, now: float) -> None:
        """The first 2xx; its ACK is on its way."""

    def attempt_refused(self, response: Response, now: float) -> None:
        """A final answer of 300 or above."""

    def attempt_failed(self, failure: RequestFailure, now: float) -> None:
        """There will be no final answer."""

    def attempt_withdrawn(self) -> None:
        """After ``withdraw``: the INVITE has met its end, whatever it was."""


class InviteAttempt:
    """An INVITE to one hop.

    It outlives its call: a 2xx that comes after it was withdrawn, or from another fork, is acknowledged and then ended
    by BYE.
    """

    def __init__(
        self,
        context: CallContext,
        owner: AttemptOwner,
        request: Request,
        flow: Flow,
        *,
        tcp_above: int,
        contact_user: str | None = None,
        digest: DigestClient | None = None,
    ) -> None:
        self.request = request
        self.flow = flow
        self.early: dict[str, Dialog] = {}
        """Early dialogs by remote tag."""
        self.has_heard = False
        """Something answered: the hop is alive."""
        self.has_rung = False
        """A provisional answer other than 100 came: somebody may be about to take the call."""
        self.is_over = False
        """A final answer came, or none will."""
        self._tcp_above = tcp_above
        self._contact_user = contact_user
        self._digest = digest
        self._context = context
        self._owner = owner
        self._call: Call | None = None
        self._client: InviteClient | None = None
        self._forks: dict[str, Dialog] = {}
        """The same, and kept: a fork that answers when the call is another's goes on behind its PRACKs too."""
        self._acks: dict[str, bytes] = {}
        self._unanswered: str | None = None
        self._is_withdrawn = False
        self._has_sent_cancel = False
        self._end_headers: tuple[tuple[str, str], ...] = ()

    def start(self, call: Call, now: float) -> None:
        """Send the INVITE."""
        self._call = call
        self._client = self._context.table.send_invite(self.request, self.flow, now, self, self._tcp_above)

    # What its transaction brings

    def receive_response(self, response: Response, now: float) -> None:
        """A response to the INVITE that is news."""
        if not self.has_heard:
            self.has_heard = True
            self._owner.attempt_heard()
        if response.status < 200:
            self._receive_provisional(response, now)
        elif response.status < 300:
            self._receive_success(response, now)
        elif self._is_withdrawn:
            self._end().attempt_withdrawn()
        else:
            self._end().attempt_refused(response, now)

    def _receive_provisional(self, response: Response, now: float) -> None:
        if self._is_withdrawn:
            self._send_cancel(now)
        elif response.status > 100 and self._call is not None:
            self.has_rung = True
            tag = response.to.tag or ""
            if tag and tag not in self.early and len(self.early) < MAX_FORKS:
                dialog = self._open_dialog(response)
                self.early[tag] = self._forks[tag] = dialog
                self._context.dialogs[dialog.id] = self._call
            early = self.early.get(tag)
            if early is None or acknowledge_provisional(self._call, early, response, now):
                self._owner.attempt_rang(response, tag, now)

    def _receive_success(self, response: Response, now: float) -> None:
        """ACK to each 2xx, the same again to a repeated one (RFC 3261 §13.2.2.4)."""
        tag = response.to.tag or ""
        known = self._acks.get(tag)
        if known is not None or self._unanswered == tag:
            if known is not None:
                self._context.send(self.flow, known)
            return
        if len(self._acks) >= MAX_FORKS:
            return
        dialog = self._dialog_of(response, tag)
        is_first = not self._acks and self._unanswered is None
        is_wanted = is_first and not self._is_withdrawn
        if is_wanted and not self.request.body and offer_of(response) is not None:
            self._unanswered = tag
        else:
            self._acknowledge(dialog, tag)
        owner = self._end()
        if is_wanted:
            owner.attempt_answered(dialog, response, now)
        else:
            send_bye(self._context, dialog, self._end_headers, now)
            owner.attempt_withdrawn()

    def _dialog_of(self, response: Response, tag: str) -> Dialog:
        """A new one, or the early one grown up: its sequence numbers go on behind those of its PRACKs."""
        early = self._forks.get(tag)
        if early is None:
            return self._open_dialog(response)
        early.confirm(response)
        return early

    def _open_dialog(self, response: Response) -> Dialog:
        dialog = Dialog.of_uac(self.request, response, self.flow)
        dialog.contact_user = self._contact_user
        dialog.digest = self._digest
        return dialog

    @property
    def awaits_answer(self) -> bool:
        """The 2xx made the offer, as our INVITE asked it to, and the ACK must answer it (RFC 3261 §13.2.1)."""
        return self._unanswered is not None

    def acknowledge_offer(self, dialog: Dialog, body: bytes) -> None:
        """The ACK to the 2xx that made the offer, with our answer; without one only when BYE follows at once."""
        if self._unanswered is not None:
            tag, self._unanswered = self._unanswered, None
            self._acknowledge(dialog, tag, body)

    def _acknowledge(self, dialog: Dialog, tag: str, body: bytes = b"") -> None:
        """The ACK has the sequence number and the credentials of the INVITE (RFC 3261 §13.2.2.4)."""
        context = self._context
        number = self.request.cseq.number
        headers = (*credentials_of(self.request), *((CONTENT_TYPE,) if body else ()))
        ack = dialog.make_request(
            "ACK", context.ids.branch(), context.identity, cseq=number, headers=headers, body=body
        )
        self._acks[tag] = ack.to_bytes()
        context.send(self.flow, self._acks[tag])

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        """Nobody answered in time, the way there failed, or a CANCEL was not followed by a 487 (RFC 3261 §9.1)."""
        if self._is_withdrawn:
            self._end().attempt_withdrawn()
        else:
            self._end().attempt_failed(failure, now)

    def _end(self) -> AttemptOwner:
        """The early dialogs end with the INVITE; a 2xx has made its own. Returns who is told of it, once."""
        self.is_over = True
        for dialog in self.early.values():
            self._context.dialogs.pop(dialog.id, None)
        self.early.clear()
        owner, self._owner, self._call = self._owner, _Nobody(), None
        return owner

    # Taking it back

    def withdraw(self, headers: tuple[tuple[str, str], ...], now: float) -> None:
        """CANCEL: at once when the INVITE is known to have arrived, else as soon as it is (RFC 3261 §9.1)."""
        self._is_withdrawn = True
        self._end_headers = headers
        if self.has_heard:
            self._send_cancel(now)

    def try_datagram(self, now: float) -> bool:
        """Send by UDP after all what went by TCP for its size and met with silence. False: it did not."""
        return self._client is not None and self._context.table.fall_back(self._client, now)

    @property
    def tries_tcp(self) -> bool:
        """It went by TCP for its size alone."""
        return self._client is not None and self._client.may_fall_back

    def abandon(self, now: float) -> None:
        """Another hop is asked instead: repeat this INVITE no more, and take it back should it have arrived."""
        self._owner = _Nobody()
        if self._client is not None:
            self._client.stop_repeating()
        self.withdraw((), now)

    def _send_cancel(self, now: float) -> None:
        if self._has_sent_cancel or self.is_over or self._client is None:
            return
        self._has_sent_cancel = True
        cancel = make_cancel(self.request, (self._context.identity.user_agent, *self._end_headers))
        self._context.table.send_request(cancel, self._client.flow, now, ByeOwner())
        self._client.expect_final(now)


class _Nobody:
    """The owner of an attempt that was abandoned, or has met its end."""

    def attempt_heard(self) -> None: ...
    def attempt_rang(self, response: Response, tag: str, now: float) -> None: ...
    def attempt_answered(self, dialog: Dialog, response: Response, now: float) -> None: ...
    def attempt_refused(self, response: Response, now: float) -> None: ...
    def attempt_failed(self, failure: RequestFailure, now: float) -> None: ...
    def attempt_withdrawn(self) -> None: ...
