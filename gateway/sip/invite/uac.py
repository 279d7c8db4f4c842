"""The INVITE by which we place a call (RFC 3261 §13.2, §9.1): early dialogs, ACK to every 2xx, CANCEL and its race."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.sip.address import Address
from gateway.sip.capabilities import ALLOW, CONTENT_TYPE, SUPPORTED, offer_of
from gateway.sip.dialog import MAX_FORWARDS, Dialog
from gateway.sip.events import CallAnswered, CallEnded, CallRefused, CallRinging, EndCause
from gateway.sip.flow import Flow
from gateway.sip.invite.bye import ByeOwner
from gateway.sip.invite.context import CallContext
from gateway.sip.message import Request, Response, make_request
from gateway.sip.transaction.table import Client, RequestFailure

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call

MAX_FORKS = 16
"""Dialogs one INVITE may open. A peer that answers with ever new tags gets no more of our memory."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom to call and what to say: addresses as From and To carry them, without tags."""

    target_uri: str
    flow: Flow
    from_: str
    to: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = field(default=())


class InviteUac:
    """The client side of the INVITE that opens a call.

    It outlives the call: a 2xx that comes after a CANCEL, or from another fork, is acknowledged and then ended by BYE.
    Its timers in the call's table: ``limit`` bounds the ringing, ``cancel`` the wait for the 487 (RFC 3261 §9.1).
    """

    def __init__(self, context: CallContext, invitation: Invitation) -> None:
        self.local_tag = context.ids.tag()
        self.early: dict[str, Dialog] = {}
        """Early dialogs by remote tag."""
        self._context = context
        self.flow = invitation.flow
        self._request = self._make_invite(invitation)
        self._acks: dict[str, bytes] = {}
        self._call: Call | None = None
        self._client: Client | None = None
        self._is_proceeding = False
        self._is_cancelled = False
        self._has_sent_cancel = False
        self._cancel_headers: tuple[tuple[str, str], ...] = ()

    def _make_invite(self, invitation: Invitation) -> Request:
        context = self._context
        from_ = Address.parse(invitation.from_).with_params(tag=self.local_tag)
        fields = [
            ("Via", context.identity.via(invitation.flow, context.ids.branch())),
            MAX_FORWARDS,
            ("From", str(from_)),
            ("To", str(Address.parse(invitation.to))),
            ("Call-ID", context.ids.call_id()),
            ("CSeq", f"{context.ids.bits(16) + 1} INVITE"),
            ("Contact", context.identity.contact(invitation.flow)),
            ALLOW,
            SUPPORTED,
            CONTENT_TYPE,
            context.identity.user_agent,
            *invitation.headers,
        ]
        return make_request("INVITE", invitation.target_uri, headers=fields, body=invitation.body)

    def start(self, call: Call, now: float) -> None:
        """Send the INVITE."""
        self._call = call
        self._context.deadlines.set((call.id, "limit"), now + self._context.ring_limit_s)
        self._client = self._context.table.send_request(self._request, self.flow, now, self)

    def receive_response(self, response: Response, now: float) -> None:
        """A response to the INVITE that is news."""
        if response.status < 200:
            self._receive_provisional(response, now)
        elif response.status < 300:
            self._receive_success(response, now)
        elif self._call is not None:
            if not self._is_cancelled:
                self._context.tell(CallRefused(self._call.id, response.status, response.reason))
            self._leave_call()

    def _receive_provisional(self, response: Response, now: float) -> None:
        self._is_proceeding = True
        if self._is_cancelled:
            self._send_cancel(now)
            return
        if response.status == 100 or self._call is None:
            return
        tag = response.to.tag or ""
        if tag and tag not in self.early and len(self.early) < MAX_FORKS:
            dialog = Dialog.of_uac(self._request, response, self.flow)
            self.early[tag] = dialog
            self._context.dialogs[dialog.id] = self._call
        self._context.tell(CallRinging(self._call.id, response.status, offer_of(response), tag))

    def _receive_success(self, response: Response, now: float) -> None:
        """ACK to each 2xx, the same again to a repeated one (RFC 3261 §13.2.2.4)."""
        tag = response.to.tag or ""
        known = self._acks.get(tag)
        if known is not None:
            self._context.send(self.flow, known)
            return
        if len(self._acks) >= MAX_FORKS:
            return
        context = self._context
        dialog = Dialog.of_uac(self._request, response, self.flow)
        ack = dialog.make_request("ACK", context.ids.branch(), context.identity, cseq=self._request.cseq.number)
        self._acks[tag] = ack.to_bytes()
        context.send(self.flow, self._acks[tag])
        if len(self._acks) == 1 and not self._is_cancelled and self._call is not None:
            context.deadlines.clear((self._call.id, "limit"))
            self._call.established(dialog)
            context.tell(CallAnswered(self._call.id, response.body))
            return
        bye = dialog.make_request("BYE", context.ids.branch(), context.identity, headers=self._cancel_headers)
        context.table.send_request(bye, self.flow, now, ByeOwner())
        if self._is_cancelled:
            self._leave_call()

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        """There will be no final answer."""
        if self._call is not None and not self._is_cancelled:
            is_timeout = failure is RequestFailure.TIMEOUT
            cause = EndCause.TRANSACTION_TIMEOUT if is_timeout else EndCause.FLOW_FAILED
            self._context.tell(CallEnded(self._call.id, cause))
        self._leave_call()

    def cancel(self, headers: tuple[tuple[str, str], ...], now: float) -> None:
        """Take the INVITE back: at once when it is known to have arrived, else as soon as it is (RFC 3261 §9.1)."""
        self._is_cancelled = True
        self._cancel_headers = headers
        if self._call is not None:
            self._context.deadlines.clear((self._call.id, "limit"))
        if self._is_proceeding:
            self._send_cancel(now)

    def _send_cancel(self, now: float) -> None:
        if self._has_sent_cancel or self._call is None:
            return
        self._has_sent_cancel = True
        cancel = make_cancel(self._request, (self._context.identity.user_agent, *self._cancel_headers))
        self._context.table.send_request(cancel, self.flow, now, ByeOwner())
        self._context.deadlines.set((self._call.id, "cancel"), now + self._context.timers.give_up_s)

    def give_up(self) -> None:
        """64*T1 after the CANCEL and still no final answer: the INVITE counts as cancelled (RFC 3261 §9.1)."""
        if self._client is not None:
            self._client.terminate()
        self._leave_call()

    def _leave_call(self) -> None:
        if self._call is not None:
            self._call.close()
            self._call = None


def make_cancel(invite: Request, headers: tuple[tuple[str, str], ...]) -> Request:
    """CANCEL has the INVITE's Request-URI, Call-ID, From, To, Route, CSeq number and its very Via (RFC 3261 §9.1)."""
    fields = [
        ("Via", invite.headers.get("Via") or ""),
        MAX_FORWARDS,
        *(("Route", route) for route in invite.headers.get_all("Route")),
        ("From", invite.headers.get("From") or ""),
        ("To", invite.headers.get("To") or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq.number} CANCEL"),
        *headers,
    ]
    return make_request("CANCEL", invite.uri, headers=fields)
