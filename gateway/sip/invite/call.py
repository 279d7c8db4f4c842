"""One phone call as SIP sees it: its dialog, the INVITE that is open in it, and its end (RFC 3261 §12-§15)."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from gateway.base.errors import LocalProtocolError
from gateway.sip.admission import ALLOW, Allow
from gateway.sip.capabilities import offer_of, refuse
from gateway.sip.dialog import Dialog
from gateway.sip.digest import DigestClient
from gateway.sip.events import (
    CallCancelled,
    CallConfirmed,
    CallEnded,
    CallOffered,
    EndCause,
    ReofferCancelled,
)
from gateway.sip.flow import Flow
from gateway.sip.headers import HeaderList
from gateway.sip.invite.bye import send_bye
from gateway.sip.invite.changes import Changes
from gateway.sip.invite.context import CallContext
from gateway.sip.invite.in_dialog import InDialogRequest
from gateway.sip.invite.info import receive_info
from gateway.sip.invite.peer import Peer
from gateway.sip.invite.refer import Transfers
from gateway.sip.invite.referred import ReceivedTransfers
from gateway.sip.invite.reliable import ReliableProvisionals, receive_prack
from gateway.sip.invite.session_timer import SessionTimer
from gateway.sip.invite.uac import InviteUac
from gateway.sip.invite.uas import InviteUas, UasState
from gateway.sip.message import Request, Response, make_response
from gateway.sip.transaction.machine import TransactionKey
from gateway.sip.validation import Refusal

NO_DIALOG = refuse(481, "no_such_dialog")
_OUT_OF_ORDER = refuse(500, "cseq_out_of_order", reason="CSeq out of order")


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
    """A call and everything that can happen to it. Made by ``inbound`` or ``outbound``; gone after ``close``.

    What is a subject of its own lives in a part of its own: ``changes`` of the session, the ``session_timer``, our
    ``transfers`` and those of the peer, ``received_transfers``.
    """

    def __init__(self, context: CallContext, call_id: str, state: CallState, local_tag: str) -> None:
        self.id = call_id
        self.state = state
        self.local_tag = local_tag
        self.context = context
        self.dialog: Dialog | None = None
        self.admission: Allow | None = None
        """Who the call is with: as the door said, or as our invitation says; None: not asked."""
        self.serving: InviteUas | None = None
        """The last INVITE the peer sent in this call."""
        self.inviting: InviteUac | None = None
        """The INVITE by which we placed this call."""
        self.replaces: str | None = None
        """The call that ends when this one is answered."""
        self.peer = Peer()
        self.changes = Changes(context, self)
        self.session_timer = SessionTimer(context, self)
        self.transfers = Transfers(self)
        self.received_transfers = ReceivedTransfers(self)
        self._is_confirmed = False
        self._bye_headers: tuple[tuple[str, str], ...] = ()
        context.calls[call_id] = self

    @classmethod
    def inbound(
        cls,
        context: CallContext,
        invite: Request,
        flow: Flow,
        now: float,
        admission: Allow = ALLOW,
        *,
        replaces: str | None = None,
    ) -> Call:
        """An INVITE that opens a call. Raises SipParseError before anything is kept."""
        local_tag = context.ids.tag()
        dialog = Dialog.of_uas(invite, local_tag, flow, local_cseq=context.ids.bits(16))
        call = cls(context, context.ids.token(), CallState.OFFERED, local_tag)
        call.dialog = dialog
        call.admission = admission
        credentials = context.credentials(admission, flow)
        if credentials is not None:
            dialog.digest = DigestClient(credentials, context.ids)
            dialog.digest_hosts = {flow.remote[0]}
        call.replaces = replaces
        call.peer.note(invite)
        context.dialogs[dialog.id] = call
        server = context.table.open_invite_server(invite, flow, now, call)
        call.serving = InviteUas(context, call, server, dialog, now)
        context.stats.calls_offered += 1
        context.tell(CallOffered(call.id, invite, flow, call.serving.offer, admission, replaces))
        return call

    @classmethod
    def outbound(cls, context: CallContext, inviting: InviteUac, now: float) -> Call:
        """A call of ours, named after its Call-ID; its INVITE leaves at once."""
        call = cls(context, inviting.call_id, CallState.INVITING, inviting.local_tag)
        call.inviting = inviting
        call.admission = inviting.admission
        context.stats.calls_placed += 1
        inviting.start(call, now)
        return call

    # Where it stands

    @property
    def flow(self) -> Flow | None:
        """The flow this call lives on."""
        if self.dialog is not None:
            return self.dialog.flow
        return self.inviting.flow if self.inviting is not None else None

    @property
    def is_open(self) -> bool:
        """The call layer has not been told of its end."""
        return self.state not in (CallState.ENDING, CallState.ENDED)

    @property
    def is_talking(self) -> bool:
        """A 2xx was exchanged and nobody has hung up."""
        return self.state is CallState.TALKING

    @property
    def is_serving(self) -> bool:
        """The peer's last INVITE is not over: unanswered, or its ACK has not come."""
        return self.serving is not None and self.serving.state is not UasState.DONE

    # Commands of the call layer

    def ring(self, status: int, headers: HeaderList, now: float, *, body: bytes, is_reliable: bool | None) -> None:
        """Tell the caller that somebody is being found."""
        self._offered("ring").ring(status, headers, now, body=body, is_reliable=is_reliable)

    def answer(self, body: bytes, headers: HeaderList, now: float) -> None:
        """Take the call."""
        if self._offered("answer").answer(body, headers, now):
            self._answered(now)

    def _answered(self, now: float) -> None:
        self.state = CallState.TALKING
        replaced = self.context.calls.get(self.replaces or "")
        if replaced is not None:
            replaced.hang_up((), now, EndCause.REPLACED)

    def reject(self, status: int, reason: str | None, headers: HeaderList, now: float) -> None:
        """Refuse the call."""
        self._offered("reject").reject(status, reason, headers, now)
        self.end(EndCause.REJECTED)

    def _offered(self, command: str) -> InviteUas:
        if self.state is not CallState.OFFERED or self.serving is None:
            raise LocalProtocolError(f"cannot {command}: the call is {self.state.value}, not offered")
        return self.serving

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

    def request(self, method: str, body: bytes, content_type: str, now: float, *, is_vital: bool = False) -> None:
        """INFO, or OPTIONS to see whether the peer still knows the call."""
        if self.dialog is None or not self.is_open:
            raise LocalProtocolError(f"cannot send {method}: the call is {self.state.value}")
        InDialogRequest(self, self.dialog, method, body=body, content_type=content_type, is_vital=is_vital).send(now)

    def hang_up(self, headers: HeaderList, now: float, cause: EndCause = EndCause.HUNG_UP) -> None:
        """End the call in the way its state asks for; nothing happens when it has ended."""
        if self.state is CallState.OFFERED and self.serving is not None:
            self._drop_parts(now)
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
        if dialog is None or (not self.is_open and request.method not in ("BYE", "NOTIFY")):
            return NO_DIALOG
        if dialog.is_out_of_order(request):
            return _OUT_OF_ORDER
        dialog.take_cseq(request)  # whatever it gets now: repeated later, it is never taken for a new one
        self.peer.note(request)
        refusal = self._serve(request, dialog, flow, now)
        if refusal is not None:
            self.context.refuse(request, refusal, flow, now, self)
        return None

    def _serve(self, request: Request, dialog: Dialog, flow: Flow, now: float) -> Refusal | None:
        """By method. The refusal it deserves, None when it is answered or waits for the call layer."""
        match request.method:
            case "INVITE":
                return self.changes.receive_invite(request, dialog, flow, now)
            case "UPDATE":
                return self.session_timer.check(request) or self.changes.receive_update(request, dialog, flow, now)
            case "PRACK":
                return receive_prack(self, request, dialog, flow, now)
            case "BYE":
                self._receive_bye(request, flow, now)
                return None
            case "REFER":
                return self.received_transfers.receive_refer(request, dialog, flow, now)
            case "NOTIFY":
                return self.transfers.receive_notify(request, flow, now)
            case "INFO":
                return receive_info(self, request, flow, now)
            case "OPTIONS":
                context = self.context
                response = context.capabilities.options_response(request, self.local_tag, context.identity.server)
                context.respond(request, response, flow, now)
                return None
        return refuse(405, "method_in_dialog", self.context.capabilities.allow)

    def _dialog_of(self, request: Request) -> Dialog | None:
        if self.dialog is not None:
            return self.dialog
        return self.inviting.early.get(request.from_.tag or "") if self.inviting else None

    def _receive_bye(self, request: Request, flow: Flow, now: float) -> None:
        """200, and 487 to an INVITE that is still unanswered (RFC 3261 §15.1.2)."""
        response = make_response(request, 200, headers=(self.context.identity.server,))
        self.context.respond(request, response, flow, now)
        self._drop_parts(now)
        self._drop_serving(now)
        if self.state is CallState.INVITING and self.inviting is not None:
            # A called side may not do this to an early dialog (§15): it will not answer, so we ask no longer.
            self._end_later(EndCause.BYE, request)
            self.inviting.cancel((), now)
        elif self.state is not CallState.ENDING:
            self.end(EndCause.BYE, request)
        elif self.dialog is not None:
            self.close()

    def provisional_acknowledged(self, now: float) -> None:
        """A PRACK has had its answer: what waited behind the provisional answer may leave."""
        if self.state is CallState.OFFERED and self.serving is not None and self.serving.resume(now):
            self._answered(now)

    def receive_ack(self, ack: Request, now: float) -> None:
        """The ACK to a 2xx of ours, which travels end to end."""
        if self.serving is None or not self.serving.receive_ack(ack):
            self.context.stats.stray_acks += 1
            return
        self.acknowledged(offer_of(ack), now)

    def acknowledged(self, body: bytes | None, now: float) -> None:
        """A 2xx of ours has arrived; ``body`` is the answer to the offer it made."""
        is_reoffer = self._is_confirmed
        self._is_confirmed = True
        if self.dialog is not None and body is not None:
            self.dialog.is_negotiated = True
            self.dialog.remote_session = body
        if self.serving is not None:
            self.serving.close()
        if self.state is CallState.ENDING:
            self._send_bye(now)
        else:
            self.context.tell(CallConfirmed(self.id, body, is_reoffer))

    def receive_cancel(self, key: TransactionKey, now: float) -> None:
        """487 for the INVITE, unless it has its final answer already (RFC 3261 §9.2)."""
        serving = self.serving
        if serving is None or serving.key != key or serving.state is not UasState.PROCEEDING:
            return
        serving.reject(487, None, (), now)
        if self.state is CallState.OFFERED:
            self._drop_parts(now)
            self.context.tell(CallCancelled(self.id))
            self.close()
        else:
            self.context.tell(ReofferCancelled(self.id))

    # What our own requests bring

    def established(self, dialog: Dialog, response: Response, now: float) -> None:
        """The first 2xx to our INVITE."""
        self.state = CallState.TALKING
        self._is_confirmed = True
        self.forget_dialogs()
        self.changes.settle_on(dialog, now)
        self.dialog = dialog
        dialog.is_negotiated = self.inviting is None or not self.inviting.awaits_answer
        dialog.remote_session = offer_of(response) or dialog.remote_session
        self.peer.note(response)
        self.session_timer.accepted(response, now)
        self.context.dialogs[dialog.id] = self

    def dialog_gone(self, now: float) -> None:
        """The peer knows our dialog no more (RFC 3261 §12.2.1.2)."""
        if self.state is CallState.TALKING:
            self.hang_up((), now, EndCause.DIALOG_GONE)

    # Time

    def handle_timer(self, timer: str, now: float) -> None:
        """A deadline of this call."""
        if timer in ("ring", "repeat", "reliable") and self.serving is not None:
            self.serving.handle_timer(timer, now)
        elif timer == "ack":
            self._give_up_ack(now)
        elif timer == "prack" and self.serving is not None:
            self._drop_parts(now)
            self.serving.reject(504, None, (), now)
            self.end(EndCause.PRACK_TIMEOUT)
        elif timer == "limit":
            self._give_up_ringing(now)
        elif timer == "hop" and self.inviting is not None:
            self.inviting.handle_timer(timer, now)
        elif timer in SessionTimer.TIMERS:
            self.session_timer.handle_timer(timer, now)
        elif timer in Transfers.TIMERS:
            self.transfers.handle_timer()
        elif timer in ReceivedTransfers.TIMERS:
            self.received_transfers.handle_timer(timer, now)
        elif timer in Changes.TIMERS:
            self.changes.handle_timer(timer, now)

    def _give_up_ack(self, now: float) -> None:
        self.context.stats.acks_missing += 1
        if self.state is CallState.TALKING:
            self._end_later(EndCause.ACK_TIMEOUT)
        self._send_bye(now)

    def _give_up_ringing(self, now: float) -> None:
        if self.state is CallState.TALKING and self.serving is not None:
            self.serving.reject(488, None, (), now)
            self.context.tell(ReofferCancelled(self.id))
        elif self.state is CallState.OFFERED and self.serving is not None:
            self._drop_parts(now)
            # RFC 3261 §13.3.1: an INVITE that expires by its own word gets 487.
            self.serving.reject(487 if self.serving.has_own_limit else 480, None, (), now)
            self.end(EndCause.RING_LIMIT)
        elif self.inviting is not None:
            self.hang_up((), now, self.inviting.limit_cause)

    # The end

    def _end_later(self, cause: EndCause, request: Request | None = None) -> None:
        self.state = CallState.ENDING
        self.session_timer.stop()
        self.changes.stop_retrying()
        self.context.tell(CallEnded(self.id, cause, request.headers if request else None))

    def end(self, cause: EndCause, request: Request | None = None) -> None:
        """Tell the call layer, and forget the call."""
        self._end_later(cause, request)
        self.close()

    def _send_bye(self, now: float) -> None:
        self._drop_parts(now)
        self._drop_serving(now)
        if self.dialog is None:
            self.close()
            return
        if self.inviting is not None:
            self.inviting.acknowledge_offer(self.dialog, b"")
        send_bye(self.context, self.dialog, self._bye_headers, now, self)

    def _drop_serving(self, now: float) -> None:
        if self.serving is None:
            return
        if self.serving.state is UasState.PROCEEDING:
            self.serving.reject(487, None, (), now)
        self.serving.close()

    def _drop_parts(self, now: float) -> None:
        """Refuse what still waits for our decision."""
        self.changes.refuse_open(now)
        self.received_transfers.close(now)

    def forget_dialogs(self) -> None:
        """Take the call's dialogs, early ones included, out of the table."""
        early = self.inviting.early if self.inviting else {}
        for dialog in (*early.values(), self.dialog):
            if dialog is not None:
                self.context.dialogs.pop(dialog.id, None)
        early.clear()

    def close(self) -> None:
        """Leave every table. What its transactions still have to do, they do without the call."""
        self.state = CallState.ENDED
        if self.serving is not None:
            self.serving.close()
        self.changes.close()
        self.received_transfers.close(None)
        self.transfers.close()
        self.session_timer.stop()
        for timer in (*InviteUac.TIMERS, *Transfers.TIMERS, *ReliableProvisionals.TIMERS):
            self.context.deadlines.clear((self.id, timer))
        self.forget_dialogs()
        self.serving = self.inviting = None
        self.context.calls.pop(self.id, None)
