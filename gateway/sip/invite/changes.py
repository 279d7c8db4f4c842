"""Changes of the session in a call, the peer's and ours: re-INVITE (RFC 3261 §14), UPDATE (RFC 3311), refreshes.

One exchange of offer and answer at a time (RFC 3264 §4): whatever would be a second one is refused, with 491 while the
open offer is ours and 500 with Retry-After while it is the peer's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.base.errors import LocalProtocolError
from gateway.sip.capabilities import CONTENT_TYPE, offer_of, refuse
from gateway.sip.dialog import Dialog, contact_uri
from gateway.sip.events import CallReoffered, ReofferCancelled
from gateway.sip.flow import Flow
from gateway.sip.headers import Header
from gateway.sip.invite.glare import Renew
from gateway.sip.invite.part import CallPart
from gateway.sip.invite.reinvite import Reinvite
from gateway.sip.invite.uas import InviteUas, UasState
from gateway.sip.invite.update import Update
from gateway.sip.message import Request, make_response
from gateway.sip.transaction.non_invite_server import NonInviteServer
from gateway.sip.validation import Refusal

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call
    from gateway.sip.invite.context import CallContext

REQUEST_PENDING = refuse(491, "request_pending")

_ANSWER_WITHIN_S = 15.0
"""An offer in an UPDATE or PRACK that nobody answers is refused: its sender gives up after 32 s."""


class ServedOffer:
    """An UPDATE, or a PRACK, whose offer waits for our answer."""

    def __init__(self, request: Request, dialog: Dialog, server: NonInviteServer) -> None:
        self.request = request
        self.dialog = dialog
        self.server = server

    def respond(self, status: int, headers: tuple[Header, ...], body: bytes, now: float) -> None:
        """The final answer."""
        self.server.send_response(make_response(self.request, status, headers=headers, body=body), now)


class Changes(CallPart):
    """The exchange that is open in one call, if any. Its timer ``offer`` bounds the wait for our answer."""

    TIMERS = ("offer", *Reinvite.TIMERS)

    def __init__(self, context: CallContext, call: Call) -> None:
        super().__init__(call)
        self.ours: Reinvite | Update | None = None
        """A change we asked for that has no final answer, or waits to be tried again."""
        self.served: ServedOffer | None = None
        self._context = context

    @property
    def is_serving(self) -> bool:
        """An exchange of the peer's is not over. The INVITE that still rings is none, once it was settled early."""
        return self.served is not None or (self._call.is_serving and self._call.is_talking)

    # The peer changes the session

    def receive_invite(self, request: Request, dialog: Dialog, flow: Flow, now: float) -> Refusal | None:
        """A re-INVITE. Raises SipParseError."""
        contact_uri(request)
        call, context = self._call, self._context
        if not context.table.has_room:
            return refuse(503, "transaction_limit", context.retry_after(10))
        refusal = self._why_no_invite(request)
        if refusal is not None:
            return refusal
        if call.serving is not None and call.serving.state is UasState.ANSWERED:
            # Nobody re-INVITEs before having the 2xx: its ACK was overtaken or lost (RFC 5407 §3.1).
            call.acknowledged(None, now)
        server = context.table.open_invite_server(request, flow, now, call)
        call.serving = InviteUas(context, call, server, dialog, now)
        context.tell(CallReoffered(call.id, call.serving.offer))
        return None

    def _why_no_invite(self, request: Request) -> Refusal | None:
        """What stands in the way of a re-INVITE: one INVITE at a time (RFC 3261 §14.2), one offer at a time."""
        call, serving = self._call, self._call.serving
        if not call.is_talking and call.inviting is not None:
            return REQUEST_PENDING
        if self._is_ours_in_the_way or (isinstance(self.ours, Reinvite) and self.ours.is_in_progress):
            return REQUEST_PENDING
        if self.served is not None or (serving is not None and serving.state is UasState.PROCEEDING):
            return refuse(500, "invite_pending", self._context.retry_after(10))
        return call.session_timer.check(request)

    @property
    def _is_ours_in_the_way(self) -> bool:
        """We made an offer that has no answer yet, or an ACK of ours has still to answer the peer's."""
        serving, inviting = self._call.serving, self._call.inviting
        if inviting is not None and inviting.awaits_answer:
            return True
        if serving is not None and serving.state is UasState.ANSWERED and serving.offer is None:
            return True  # the answer to our offer is in the ACK we wait for
        return self.ours is not None and (self.ours.is_open_offer or self.ours.awaits_ack)

    def receive_update(self, request: Request, dialog: Dialog, flow: Flow, now: float) -> Refusal | None:
        """An UPDATE, before or after the answer to the INVITE (RFC 3311 §5.2). Raises SipParseError."""
        contact_uri(request)
        offer = offer_of(request)
        refusal = self._why_no_update(dialog, has_offer=offer is not None)
        if refusal is not None:
            return refusal
        if offer is None:
            headers = self._accept_update(request, dialog, flow, now)
            response = make_response(request, 200, headers=headers)
            self._context.respond(request, response, flow, now)
            return None
        return self.serve_offer(request, dialog, flow, offer, now)

    def _why_no_update(self, dialog: Dialog, *, has_offer: bool) -> Refusal | None:
        if self.served is not None:
            return refuse(500, "update_pending", self._context.retry_after(10))
        if has_offer:
            call = self._call
            if self._is_ours_in_the_way or (call.inviting is not None and not dialog.is_negotiated):
                return REQUEST_PENDING
            serving = call.serving
            is_open = serving is not None and serving.state is UasState.PROCEEDING
            if is_open and (call.is_talking or not dialog.is_negotiated):
                return refuse(500, "offer_pending", self._context.retry_after(10))
        return None

    def serve_offer(self, request: Request, dialog: Dialog, flow: Flow, offer: bytes, now: float) -> Refusal | None:
        """An UPDATE or PRACK with an offer: answered by command."""
        context = self._context
        if not context.table.has_room:
            return refuse(503, "transaction_limit", context.retry_after(10))
        self.served = ServedOffer(request, dialog, context.table.open_slow_server(request, flow, now))
        context.deadlines.set((self._call.id, "offer"), now + _ANSWER_WITHIN_S)
        early = dialog.remote_tag if self._call.inviting is not None and not self._call.is_talking else ""
        context.tell(CallReoffered(self._call.id, offer, early))
        return None

    def _accept_update(self, request: Request, dialog: Dialog, flow: Flow, now: float) -> tuple[Header, ...]:
        """Its Contact and its flow become the dialog's; returns the headers of the 200 (RFC 3311 §5.2)."""
        context = self._context
        dialog.refresh_target(request)
        dialog.flow = flow
        # Sessions begin with the 2xx to the INVITE: while it rings there is none to keep alive (RFC 4028 §9).
        session = self._call.session_timer.answer(request, now) if self._call.is_talking else ()
        ours = (
            ("Contact", dialog.contact(context.identity)),
            context.capabilities.allow,
            context.capabilities.supported,
        )
        return (*ours, *session, context.identity.server)

    # Commands

    def answer_offer(self, body: bytes, now: float) -> None:
        """Accept what the peer offers: in a 2xx, or in the ACK where its own 2xx made the offer."""
        call, serving = self._call, self._call.serving
        if call.is_talking and serving is not None and serving.state is UasState.PROCEEDING:
            serving.answer(body, (), now)
            serving.dialog.refresh_target(serving.request)
            serving.dialog.flow = serving.flow
        elif self.served is not None:
            self._answer_served(self.served, body, now)
        elif isinstance(self.ours, Reinvite) and self.ours.awaits_ack:
            self.ours.acknowledge(body)
        elif call.inviting is not None and call.inviting.awaits_answer and call.dialog is not None:
            call.dialog.local_session = body
            call.dialog.is_negotiated = True
            call.inviting.acknowledge_offer(call.dialog, body)
        else:
            raise LocalProtocolError("no offer is open in this call: nothing to answer")

    def _answer_served(self, served: ServedOffer, body: bytes, now: float) -> None:
        self._drop_served()
        headers: tuple[Header, ...] = (self._context.identity.server,)
        if served.request.method == "UPDATE":
            headers = self._accept_update(served.request, served.dialog, served.server.flow, now)
        served.dialog.local_session = body
        served.dialog.remote_session = offer_of(served.request) or b""
        served.respond(200, (*headers, CONTENT_TYPE), body, now)
        self._call.provisional_acknowledged(now)

    def refuse_offer(self, status: int, headers: tuple[Header, ...], now: float) -> None:
        """The session stays as it was."""
        serving = self._call.serving
        if self._call.is_talking and serving is not None and serving.state is UasState.PROCEEDING:
            serving.reject(status, None, headers, now)
        elif self.served is not None:
            self._refuse_served(self.served, status, headers, now)
        else:
            raise LocalProtocolError("no offer is open in this call: nothing to refuse")

    def _refuse_served(self, served: ServedOffer, status: int, headers: tuple[Header, ...], now: float) -> None:
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"{status} is not a refusal; use 300 to 699")
        self._drop_served()
        served.respond(status, (*headers, self._context.identity.server), b"", now)
        self._call.provisional_acknowledged(now)

    def _drop_served(self) -> None:
        self.served = None
        self._context.deadlines.clear((self._call.id, "offer"))

    def reoffer(self, body: bytes, now: float, *, prefer_update: bool, renew: Renew | None = None) -> None:
        """Send our new offer. Before the answer only an UPDATE can carry it, and only behind a settled exchange."""
        call, dialog = self._call, self._require_dialog("reoffer")
        can_update = bool(body) and dialog.is_negotiated and call.peer.allows("UPDATE")
        if not call.is_talking and not can_update:
            raise LocalProtocolError(f"cannot reoffer: the call is {call.state.value}")
        use_update = can_update and (prefer_update or not call.is_talking)
        change = Update if use_update else Reinvite
        self._begin(change(call, dialog, body, renew=renew), now)

    def update(self, now: float) -> None:
        """Refresh the session and our Contact without touching the media: UPDATE, or the same offer again."""
        self._require_dialog("update")
        if not self.refresh(now):
            raise LocalProtocolError("cannot update: another exchange is open in this call, or nothing was agreed")

    def refresh(self, now: float) -> bool:
        """Send a refresh; False when this is not the moment."""
        call, dialog = self._call, self._call.dialog
        if dialog is None or not call.is_talking or self.ours is not None or self.is_serving:
            return False
        if not dialog.is_negotiated:
            return False
        if call.peer.allows("UPDATE"):
            self._begin(Update(call, dialog, b""), now)
        elif dialog.local_session:
            self._begin(Reinvite(call, dialog, dialog.local_session, is_refresh=True), now)
        else:
            return False
        return True

    def resort_to_reinvite(self, body: bytes, renew: Renew | None, now: float) -> None:
        """The peer takes no UPDATE after all."""
        dialog = self._require_dialog("reoffer")
        self.ours = None
        is_refresh = not body
        body = body or dialog.local_session
        if body and not self.is_serving:
            self._begin(Reinvite(self._call, dialog, body, is_refresh=is_refresh, renew=renew), now)
        else:
            self._call.session_timer.refresh_failed(now)

    def _require_dialog(self, command: str) -> Dialog:
        dialog = self._call.dialog
        if dialog is None or not self._call.is_open:
            raise LocalProtocolError(f"cannot {command}: the call is {self._call.state.value}")
        return dialog

    def _begin(self, change: Reinvite | Update, now: float) -> None:
        inviting = self._call.inviting
        if self.ours is not None or self.is_serving or (inviting is not None and inviting.awaits_answer):
            raise LocalProtocolError("cannot reoffer: another exchange is open in this call; wait for its end")
        self.ours = change
        change.start(now)

    def finish(self, change: Reinvite | Update) -> None:
        """A change of ours has its final answer."""
        if self.ours is change:
            self.ours = None
            for timer in Reinvite.TIMERS:
                self._context.deadlines.clear((self._call.id, timer))

    # Time and the end

    def settle_on(self, dialog: Dialog, now: float) -> None:
        """The call is answered in ``dialog``: what another fork wanted changed concerns nobody any more."""
        if self.served is not None and self.served.dialog is not dialog:
            self.refuse_open(now)

    def handle_timer(self, timer: str, now: float) -> None:
        """``offer``: nobody answered in time. The others belong to our own change."""
        if timer == "offer" and self.served is not None:
            self._refuse_served(self.served, 488, (), now)
            self._context.tell(ReofferCancelled(self._call.id))
        elif self.ours is not None:
            self.ours.handle_timer(timer, now)

    def stop_retrying(self) -> None:
        """The call ends: what waits to be asked again is asked no more, for nothing may follow a BYE."""
        if self.ours is not None and not self.ours.is_in_progress:
            self._context.deadlines.clear((self._call.id, "glare"))

    def refuse_open(self, now: float) -> None:
        """The call ends: a request that still waits for our answer gets 487, and ours are asked no longer."""
        if self.served is not None:
            self.served.respond(487, (self._context.identity.server,), b"", now)
            self._drop_served()
        if isinstance(self.ours, Reinvite):
            self.ours.release(now)

    def close(self) -> None:
        """The call is gone."""
        self.served = None
        if self.ours is not None:
            self.ours.abandon()
            self.ours = None
        for timer in self.TIMERS:
            self._context.deadlines.clear((self._call.id, timer))
