"""What comes from the network: to which transaction, dialog or call a message belongs, and what opens a new one."""

from __future__ import annotations

from gateway.base.errors import RemoteProtocolError
from gateway.sip.admission import ALLOW, Allow
from gateway.sip.capabilities import ALLOW_EVENTS, refuse
from gateway.sip.config import UserAgentConfig
from gateway.sip.flow import Flow
from gateway.sip.gate import Gate
from gateway.sip.grammar import SipParseError
from gateway.sip.identity import stateless_tag
from gateway.sip.invite.call import NO_DIALOG, Call
from gateway.sip.invite.context import CallContext
from gateway.sip.invite.refer import is_refer_event
from gateway.sip.invite.replacing import find_replaced
from gateway.sip.invite.session_timer import check_interval
from gateway.sip.message import Request, Response, make_response
from gateway.sip.registrar.server import RegisterServer
from gateway.sip.routing import reply_flow, stamp_source
from gateway.sip.transaction.invite_server import InviteServer
from gateway.sip.transaction.table import Server
from gateway.sip.validation import Refusal, check_response, warning

_NO_CONTACT = refuse(400, "no_contact", reason="Missing Contact header field")
_MERGED = refuse(482, "merged_request", reason="Merged Request")


class Incoming:
    """Requests and responses that were parsed, and requests that could not be. Nothing that a peer sends raises."""

    def __init__(
        self, config: UserAgentConfig, context: CallContext, gate: Gate, registrations: RegisterServer, tag_key: bytes
    ) -> None:
        self.is_draining = False
        """New INVITEs and OPTIONS outside a dialog get 503."""
        self._config = config
        self._context = context
        self._table = context.table
        self._stats = context.stats
        self._gate = gate
        self._registrations = registrations
        self._tag_key = tag_key

    @property
    def has_room_for_call(self) -> bool:
        """One more call fits into the tables."""
        return len(self._context.calls) < self._config.max_calls and self._table.has_room

    def receive_request(self, request: Request, flow: Flow, now: float) -> None:
        """A request, whatever is wrong with it."""
        self._stats.requests_received += 1
        try:
            self._sort(request, flow, now)
        except RemoteProtocolError as error:
            if self._gate.admit(request, flow, now):
                # What tripped us may be said less well than the rule it breaks.
                refusal = self._context.capabilities.check(request) or refuse(
                    error.status, "malformed_message", warning(str(error))
                )
                self._gate.refuse(request, flow, refusal)

    def receive_unreadable(self, error: SipParseError, flow: Flow, now: float) -> None:
        """A message that could not be parsed. A request of which enough is left gets its fault told."""
        if error.request is None:
            self._stats.unreadable_messages += 1
            return
        self._stats.requests_received += 1
        if self._gate.admit(error.request, flow, now):
            self._gate.refuse(error.request, flow, Refusal.from_error(error))

    def receive_response(self, response: Response, flow: Flow, now: float) -> None:
        """A response: to a request of ours, or to be dropped."""
        self._stats.responses_received += 1
        if not check_response(response) or _has_nul(response):
            self._stats.malformed_responses += 1
            return
        try:
            if not self._table.receive_response(response, flow, now):
                self._stats.stray_responses += 1
        except RemoteProtocolError:
            self._stats.malformed_responses += 1

    def _sort(self, request: Request, flow: Flow, now: float) -> None:
        stamp_source(request, flow)
        flow = reply_flow(request, flow)
        server = self._table.find_server(request)
        if request.method == "ACK":
            self._receive_ack(request, server, flow, now)
        elif server is not None:
            self._stats.requests_repeated += 1
            server.receive_request()
        elif request.method == "CANCEL":
            self._receive_cancel(request, flow, now)
        else:
            self._receive_new(request, flow, now)

    def _receive_ack(self, ack: Request, server: Server | None, flow: Flow, now: float) -> None:
        """An ACK for a refusal ends its transaction; one for a 2xx belongs to the call (RFC 3261 §17.1.1.3).

        Some peers send the latter with the branch of the INVITE: even so, it is the tags that name its call.
        """
        if isinstance(server, InviteServer) and not server.receive_ack(now):
            return
        call = self._find_call(ack)
        if call is None:
            self._stats.stray_acks += 1
        elif self._gate.may_enter(call, ack, flow, now):
            call.receive_ack(ack, now)

    def _receive_cancel(self, cancel: Request, flow: Flow, now: float) -> None:
        """200 when its INVITE is known, whether or not it is too late for that (RFC 3261 §9.2)."""
        invite = self._table.find_cancelled(cancel, flow)
        if invite is None:
            if self._gate.admit(cancel, flow, now):
                refusal = self._context.capabilities.check(cancel) or refuse(481, "nothing_to_cancel")
                self._gate.refuse(cancel, flow, refusal)
            return
        response = make_response(cancel, 200, to_tag=invite.local_tag, headers=(self._context.identity.server,))
        self._context.respond(cancel, response, flow, now)
        invite.cancel(now)

    def _receive_new(self, request: Request, flow: Flow, now: float) -> None:
        call = self._find_call(request)
        if call is not None and not self._gate.may_enter(call, request, flow, now):
            return
        admission = self._gate.admit(request, flow, now) if call is None else ALLOW
        if admission is None:
            return
        if call is not None:
            refusal = self._context.capabilities.check(request) or call.receive_request(request, flow, now)
        elif request.to.tag:
            refusal = self._receive_astray(request, flow, now)
        else:
            is_registration = self._registrations.serves(request.method)
            serves = self._registrations.check if is_registration else self._context.capabilities.check
            refusal = serves(request) or self._receive_initial(request, flow, now, admission)
        if refusal is not None:
            self._gate.refuse(request, flow, refusal)

    def _receive_astray(self, request: Request, flow: Flow, now: float) -> Refusal | None:
        """A request in a dialog that is none of ours. The dialog is looked for before the method (RFC 3261 §12.2.2).

        A NOTIFY may come late for a call that was transferred and is over: its sender has done what we asked for.
        """
        refusal = self._context.capabilities.check(request)
        if refusal is not None and refusal.status not in (405, 489):
            return refusal
        dialog = (request.call_id, request.to.tag or "", request.from_.tag or "")
        if request.method != "NOTIFY" or not self._context.lingering.knows(dialog, now):
            return NO_DIALOG
        response = make_response(request, 200, headers=(self._context.identity.server,))
        self._context.respond(request, response, flow, now)
        return None

    def _receive_initial(self, request: Request, flow: Flow, now: float, admission: Allow) -> Refusal | None:
        """A request outside any dialog whose method and content we take."""
        if self._table.is_merged(request):
            return _MERGED
        if request.method not in ("INVITE", "OPTIONS", "REGISTER"):
            return _refuse_outside_dialog(request)
        if self.is_draining:
            return self._unavailable("draining")
        if request.method == "REGISTER":
            return self._registrations.receive(request, flow, now, admission.account or None)
        if request.method == "OPTIONS":
            # RFC 3261 §8.2.7: a ping keeps no state; repeated, it is answered anew with the same tag.
            tag = stateless_tag(request, self._tag_key)
            response = self._context.capabilities.options_response(request, tag, self._context.identity.server)
            self._context.send(flow, response.to_bytes())
            return None
        return self._receive_invite(request, flow, now, admission)

    def _receive_invite(self, invite: Request, flow: Flow, now: float, admission: Allow) -> Refusal | None:
        if not self.has_room_for_call:
            return self._unavailable("call_limit")
        if "Contact" not in invite.headers and invite.via.has_unique_branch:  # RFC 2543 peers need none
            return _NO_CONTACT
        replaced = find_replaced(self._context, invite, admission, flow)
        if isinstance(replaced, Refusal):
            return replaced
        refusal = check_interval(invite, self._context.session)
        if refusal is None:
            replaces = replaced.id if replaced is not None else None
            Call.inbound(self._context, invite, flow, now, admission, replaces=replaces)
        return refusal

    def _unavailable(self, rule: str) -> Refusal:
        return refuse(503, rule, ("Retry-After", str(self._config.retry_after_s)))

    def _find_call(self, request: Request) -> Call | None:
        local_tag = request.to.tag
        if not local_tag:
            return None
        return self._context.dialogs.get((request.call_id, local_tag, request.from_.tag or ""))


def _refuse_outside_dialog(request: Request) -> Refusal:
    """Methods that we serve inside calls only. A NOTIFY that nobody subscribed to is no fault of a dialog's."""
    if request.method == "REFER":
        return refuse(403, "refer_outside_dialog")
    if request.method == "NOTIFY" and not is_refer_event(request):
        return refuse(489, "event_package", ALLOW_EVENTS)
    return NO_DIALOG


_SENT_BACK = (
    "To",
    "Record-Route",
    "Contact",
    "Call-ID",
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Authentication-Info",
    "Proxy-Authentication-Info",
    "Service-Route",
)
"""Headers of responses whose words go into requests of ours."""


def _has_nul(response: Response) -> bool:
    """NUL in what we would have to send back in a request."""
    return any("\0" in value for name in _SENT_BACK for value in response.headers.get_all(name))
