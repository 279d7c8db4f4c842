"""One phone call as SIP sees it: its dialog, the INVITE that is open in it, and its end (RFC 3261 §12-§15)."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from gateway.base.errors import LocalProtocolError
from gateway.sip.admission import ALLOW, Allow
from gateway.sip.capabilities import offer_of, options_response, refuse
from gateway.sip.dialog import Dialog, contact_uri
from gateway.sip.events import (
    CallCancelled,
    CallConfirmed,
    CallEnded,
    CallOffered,
    CallReoffered,
    EndCause,
    ReofferCancelled,
)
from gateway.sip.flow import Flow
from gateway.sip.invite.bye import ByeOwner
from gateway.sip.invite.context import CallContext
from gateway.sip.invite.reinvite import Reinvite
from gateway.sip.invite.uac import InviteUac
from gateway.sip.invite.uas import HeaderList, InviteUas, UasState
from gateway.sip.message import Request, make_response
from gateway.sip.transaction.machine import TransactionKey
from gateway.sip.validation import Refusal

NO_DIALOG = refuse(481, "no_such_dialog")
_OUT_OF_ORDER = refuse(500, "cseq_out_of_order", reason="CSeq out of order")
_REQUEST_PENDING = refuse(491, "request_pending")


class CallState(enum.Enum):
    """Where a call stands."""

    OFFERED = "offered"
    """Inbound, no final answer yet."""
    INVITING = "inviting"
    """Outbound, no final answer yet."""
    TALKING = "talking"
    """A 2xx was sent or received."""
    ENDING = "ending"
    """Told as ended; our BYE or CANCEL, or the ACK it must wait for, is under way."""
    ENDED = "ended"


class Call:
    """A call and everything that can happen to it. Made by ``inbound`` or ``outbound``; gone after ``close``."""

    def __init__(self, context: CallContext, call_id: str, state: CallState, local_tag: str) -> None:
        self.id = call_id
        self.state = state
        self.local_tag = local_tag
        self.dialog: Dialog | None = None
        self.admission: Allow | None = None
        """Who the call is with, as the door said; None for a call of ours."""
        self.serving: InviteUas | None = None
        """The last INVITE the peer sent in this call."""
        self.inviting: InviteUac | None = None
        """The INVITE by which we placed this call."""
        self.reinvite: Reinvite | None = None
        """A re-INVITE of ours that has no final answer, or waits to be tried again."""
        self._context = context
        self._is_confirmed = False
        self._bye_headers: tuple[tuple[str, str], ...] = ()
        context.calls[call_id] = self

    @classmethod
    def inbound(cls, context: CallContext, invite: Request, flow: Flow, now: float, admission: Allow = ALLOW) -> Call:
        """An INVITE that opens a call. Raises SipParseError before anything is kept."""
        local_tag = context.ids.tag()
        dialog = Dialog.of_uas(invite, local_tag, flow, local_cseq=context.ids.bits(16))
        call = cls(context, context.ids.token(), CallState.OFFERED, local_tag)
        call.dialog = dialog
        call.admission = admission
        context.dialogs[dialog.id] = call
        server = context.table.open_invite_server(invite, flow, now, call)
        call.serving = InviteUas(context, call.id, server, local_tag, now)
        context.stats.calls_offered += 1
        context.tell(CallOffered(call.id, invite, flow, call.serving.offer, admission))
        return call

    @classmethod
    def outbound(cls, context: CallContext, inviting: InviteUac, now: float) -> Call:
        """A call of ours; its INVITE leaves at once."""
        call = cls(context, context.ids.token(), CallState.INVITING, inviting.local_tag)
        call.inviting = inviting
        context.stats.calls_placed += 1
        inviting.start(call, now)
        return call

    # Commands of the call layer

    def ring(self, status: int, headers: HeaderList, now: float) -> None:
        """Tell the caller that somebody is being found."""
        self._offered("ring").ring(status, headers, now)

    def answer(self, body: bytes, headers: HeaderList, now: float) -> None:
        """Take the call."""
        serving = self._offered("answer")
        serving.answer(body, headers, now)
        self.state = CallState.TALKING

    def reject(self, status: int, reason: str | None, headers: HeaderList, now: float) -> None:
        """Refuse the call."""
        self._offered("reject").reject(status, reason, headers, now)
        self.end(EndCause.REJECTED)

    def _offered(self, command: str) -> InviteUas:
        if self.state is not CallState.OFFERED or self.serving is None:
            raise LocalProtocolError(f"cannot {command}: the call is {self.state.value}, not offered")
        return self.serving

    def answer_offer(self, body: bytes, now: float) -> None:
        """Accept a re-INVITE. Its Contact and its flow become the dialog's (RFC 6141 §4.4)."""
        serving, dialog = self._reoffered("answer_offer")
        serving.answer(body, (), now)
        dialog.refresh_target(serving.request)
        dialog.flow = serving.flow

    def refuse_offer(self, status: int, now: float) -> None:
        """Refuse a re-INVITE; the call goes on as it was."""
        self._reoffered("refuse_offer")[0].reject(status, None, (), now)

    def _reoffered(self, command: str) -> tuple[InviteUas, Dialog]:
        serving = self.serving
        is_open = serving is not None and serving.state is UasState.PROCEEDING
        if self.state is not CallState.TALKING or serving is None or self.dialog is None or not is_open:
            raise LocalProtocolError("no offer is open in this call: nothing to " + command)
        return serving, self.dialog

    def redirect(
        self, uri: str, hops: Sequence[Flow], now: float, *, contact: str | None, route: Sequence[str] | None
    ) -> None:
        """Follow a ``CallRedirected``."""
        if self.state is CallState.INVITING and self.inviting is not None:
            self.inviting.redirect(uri, hops, now, contact=contact, route=route)

    def give_up_redirect(self) -> None:
        """Follow no contact of a ``CallRedirected``."""
        if self.state is CallState.INVITING and self.inviting is not None:
            self.inviting.give_up_redirect()

    def reoffer(self, body: bytes, now: float) -> None:
        """Send a re-INVITE with our new offer. One INVITE at a time in a dialog (RFC 3261 §14.1)."""
        if self.state is not CallState.TALKING or self.dialog is None:
            raise LocalProtocolError(f"cannot reoffer: the call is {self.state.value}")
        if self.reinvite is not None or self.is_serving:
            raise LocalProtocolError("cannot reoffer: another INVITE is open in this call; wait for its end")
        self.reinvite = Reinvite(self._context, self, self.dialog, body)
        self.reinvite.start(now)

    @property
    def flow(self) -> Flow | None:
        """The flow this call lives on."""
        if self.dialog is not None:
            return self.dialog.flow
        return self.inviting.flow if self.inviting is not None else None

    @property
    def is_talking(self) -> bool:
        """Answered and not ended."""
        return self.state is CallState.TALKING

    @property
    def is_serving(self) -> bool:
        """The peer's last INVITE is not over: unanswered, or its ACK has not come."""
        return self.serving is not None and self.serving.state is not UasState.DONE

    def hang_up(self, headers: HeaderList, now: float, cause: EndCause = EndCause.HUNG_UP) -> None:
        """End the call in the way its state asks for; nothing happens when it has ended."""
        if self.state is CallState.OFFERED and self.serving is not None:
            self.serving.reject(480, None, headers, now)
            self.end(cause)
        elif self.state is CallState.INVITING and self.inviting is not None:
            self._end_later(cause)
            self.inviting.cancel(tuple(headers), now)
        elif self.state is CallState.TALKING:
            self._end_later(cause)
            self._bye_headers = tuple(headers)
            # RFC 3261 §15: the called side sends no BYE before its 2xx is acknowledged or given up.
            if self._is_confirmed:
                self._send_bye(now)

    # What the peer sends

    def receive_request(self, request: Request, flow: Flow, now: float) -> Refusal | None:
        """A request in this call's dialog other than ACK and CANCEL. Raises SipParseError."""
        dialog = self._dialog_of(request)
        if dialog is None or (self.state is CallState.ENDING and request.method != "BYE"):
            return NO_DIALOG
        if dialog.is_out_of_order(request):
            return _OUT_OF_ORDER
        if request.method == "INVITE":
            return self._receive_reinvite(request, dialog, flow, now)
        dialog.take_cseq(request)
        if request.method == "BYE":
            self._receive_bye(request, flow, now)
        else:
            response = options_response(request, self.local_tag, self._context.identity.server)
            self._context.respond(request, response, flow, now)
        return None

    def _dialog_of(self, request: Request) -> Dialog | None:
        if self.dialog is not None:
            return self.dialog
        return self.inviting.early.get(request.from_.tag or "") if self.inviting else None

    def _receive_bye(self, request: Request, flow: Flow, now: float) -> None:
        """200, and 487 to an INVITE that is still unanswered (RFC 3261 §15.1.2)."""
        response = make_response(request, 200, headers=(self._context.identity.server,))
        self._context.respond(request, response, flow, now)
        self._drop_serving(now)
        if self.state is CallState.INVITING and self.inviting is not None:
            # A called side may not do this to an early dialog (§15): it will not answer, so we ask no longer.
            self._end_later(EndCause.BYE, request)
            self.inviting.cancel((), now)
            return
        if self.state is not CallState.ENDING:
            self.end(EndCause.BYE, request)
        elif self.dialog is not None:
            self.close()

    def _receive_reinvite(self, request: Request, dialog: Dialog, flow: Flow, now: float) -> Refusal | None:
        contact_uri(request)
        context = self._context
        dialog.take_cseq(request)  # whatever it gets now: repeated later, it is never taken for a new one
        if not context.table.has_room:
            return refuse(503, "transaction_limit", context.retry_after(10))
        refusal = self._why_not_now()
        if refusal is not None:
            # Our state may have changed when the network brings it again: its transaction repeats what was said.
            headers = (*refusal.headers, context.identity.server)
            response = make_response(request, refusal.status, refusal.reason, headers=headers)
            context.table.refuse_invite(request, response, flow, now, self)
            context.note_refusal(request, flow, refusal)
            return None
        if self.serving is not None and self.serving.state is UasState.ANSWERED:
            # Nobody re-INVITEs before having the 2xx: its ACK was overtaken or lost (RFC 5407 §3.1).
            self._acknowledged(None, now)
        server = context.table.open_invite_server(request, flow, now, self)
        self.serving = InviteUas(context, self.id, server, self.local_tag, now)
        context.tell(CallReoffered(self.id, self.serving.offer))
        return None

    def _why_not_now(self) -> Refusal | None:
        """What stands in the way of a re-INVITE: one INVITE at a time (RFC 3261 §14.2)."""
        if self.state is CallState.INVITING or (self.reinvite is not None and self.reinvite.is_in_progress):
            return _REQUEST_PENDING
        if self.serving is None:
            return None
        if self.serving.state is UasState.PROCEEDING:
            return refuse(500, "invite_pending", self._context.retry_after(10))
        if self.serving.state is UasState.ANSWERED and self.serving.offer is None:
            return _REQUEST_PENDING  # the answer to our offer is in the ACK we wait for
        return None

    def receive_ack(self, ack: Request, now: float) -> None:
        """The ACK to a 2xx of ours, which travels end to end."""
        if self.serving is None or not self.serving.receive_ack(ack):
            self._context.stats.stray_acks += 1
            return
        self._acknowledged(offer_of(ack), now)

    def _acknowledged(self, body: bytes | None, now: float) -> None:
        is_reoffer = self._is_confirmed
        self._is_confirmed = True
        if self.serving is not None:
            self.serving.close()
        if self.state is CallState.ENDING:
            self._send_bye(now)
        else:
            self._context.tell(CallConfirmed(self.id, body, is_reoffer))

    def receive_cancel(self, key: TransactionKey, now: float) -> None:
        """487 for the INVITE, unless it has its final answer already (RFC 3261 §9.2)."""
        serving = self.serving
        if serving is None or serving.key != key or serving.state is not UasState.PROCEEDING:
            return
        serving.reject(487, None, (), now)
        if self.state is CallState.OFFERED:
            self._context.tell(CallCancelled(self.id))
            self.close()
        else:
            self._context.tell(ReofferCancelled(self.id))

    # What our own requests bring

    def established(self, dialog: Dialog) -> None:
        """The first 2xx to our INVITE."""
        self.state = CallState.TALKING
        self._is_confirmed = True
        self.forget_dialogs()
        self.dialog = dialog
        self._context.dialogs[dialog.id] = self

    def dialog_gone(self, now: float) -> None:
        """The peer knows our dialog no more (RFC 3261 §12.2.1.2)."""
        if self.state is CallState.TALKING:
            self.hang_up((), now, EndCause.DIALOG_GONE)

    def handle_timer(self, timer: str, now: float) -> None:
        """A deadline of this call."""
        if timer in ("ring", "repeat") and self.serving is not None:
            self.serving.handle_timer(timer, now)
        elif timer == "ack":
            self._give_up_ack(now)
        elif timer == "limit":
            self._give_up_ringing(now)
        elif timer == "hop" and self.inviting is not None:
            self.inviting.handle_timer(timer, now)
        elif timer in Reinvite.TIMERS and self.reinvite is not None:
            self.reinvite.handle_timer(timer, now)

    def _give_up_ack(self, now: float) -> None:
        self._context.stats.acks_missing += 1
        if self.state is CallState.TALKING:
            self._end_later(EndCause.ACK_TIMEOUT)
        self._send_bye(now)

    def _give_up_ringing(self, now: float) -> None:
        if self.state is CallState.TALKING and self.serving is not None:
            self.serving.reject(488, None, (), now)
            self._context.tell(ReofferCancelled(self.id))
        elif self.state is CallState.OFFERED and self.serving is not None:
            # RFC 3261 §13.3.1: an INVITE that expires by its own word gets 487.
            self.serving.reject(487 if self.serving.has_own_limit else 480, None, (), now)
            self.end(EndCause.RING_LIMIT)
        elif self.inviting is not None:
            self.hang_up((), now, self.inviting.limit_cause)

    # The end

    def _end_later(self, cause: EndCause, request: Request | None = None) -> None:
        self.state = CallState.ENDING
        self._context.tell(CallEnded(self.id, cause, request.headers if request else None))

    def end(self, cause: EndCause, request: Request | None = None) -> None:
        """Tell the call layer, and forget the call."""
        self._end_later(cause, request)
        self.close()

    def _send_bye(self, now: float) -> None:
        self._drop_serving(now)
        if self.dialog is None:
            self.close()
            return
        context = self._context
        bye = self.dialog.make_request("BYE", context.ids.branch(), context.identity, headers=self._bye_headers)
        context.table.send_request(bye, self.dialog.flow, now, ByeOwner(self))

    def _drop_serving(self, now: float) -> None:
        if self.serving is None:
            return
        if self.serving.state is UasState.PROCEEDING:
            self.serving.reject(487, None, (), now)
        self.serving.close()

    def forget_dialogs(self) -> None:
        """Take the call's dialogs, early ones included, out of the table."""
        early = self.inviting.early if self.inviting else {}
        for dialog in (*early.values(), self.dialog):
            if dialog is not None:
                self._context.dialogs.pop(dialog.id, None)
        early.clear()

    def close(self) -> None:
        """Leave every table. What its transactions still have to do, they do without the call."""
        self.state = CallState.ENDED
        if self.serving is not None:
            self.serving.close()
        if self.reinvite is not None:
            self.reinvite.abandon()
        for timer in (*InviteUac.TIMERS, *Reinvite.TIMERS):
            self._context.deadlines.clear((self.id, timer))
        self.forget_dialogs()
        self._context.calls.pop(self.id, None)
