"""The SIP user agent: bytes, time and commands in; bytes, events and the next deadline out.

The rule for whoever drives it: feed one thing, send all of ``take_outgoing``, hand over every ``next_event``, and
arm one timer for ``next_deadline``. ``now`` is monotonic seconds. Nothing a peer sends raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from gateway.base.clock import earliest
from gateway.base.errors import CapacityError, LocalProtocolError, RemoteProtocolError
from gateway.base.ids import IdSource
from gateway.sip.admission import ALLOW, Admission, Allow, Challenge, Refuse, Silence
from gateway.sip.capabilities import ALLOW_EVENTS, CALL_METHODS, EXTENSIONS, Capabilities, refuse, without
from gateway.sip.digest import Credentials
from gateway.sip.events import Event, FlowFailed, RequestRefused
from gateway.sip.flow import Flow, SocketAddress
from gateway.sip.grammar import SipParseError
from gateway.sip.identity import Identity, stateless_tag
from gateway.sip.invite.call import NO_DIALOG, Call
from gateway.sip.invite.commands import CallCommands
from gateway.sip.invite.context import CallContext
from gateway.sip.invite.invitation import Invitation
from gateway.sip.invite.refer import is_refer_event
from gateway.sip.invite.reliability import Reliability
from gateway.sip.invite.replacing import find_replaced
from gateway.sip.invite.session_timer import SMALLEST_MIN_SE_S, SessionTerms, check_interval
from gateway.sip.invite.uac import InviteUac
from gateway.sip.message import Request, Response, make_response, parse_message
from gateway.sip.registrar import Registrar
from gateway.sip.registrar.server import RegisterServer
from gateway.sip.request import ClientRequests
from gateway.sip.routing import refusal_flow, reply_flow, stamp_source
from gateway.sip.stats import UserAgentStats
from gateway.sip.transaction.invite_server import InviteServer
from gateway.sip.transaction.machine import TimerValues, TransactionContext
from gateway.sip.transaction.table import Server, TransactionTable
from gateway.sip.validation import Refusal, check_response, warning

HeaderList = Iterable[tuple[str, str]]

_STATUS_LINE = b"SIP/2.0 "
"""How a response begins."""

_READ_AT_ONCE = 4096
"""Octets of a message that count as one: longer ones take more of what a source may send in a second."""

MOST_ANSWERED = 3
"""Over UDP, where sources are forged, who has proved nothing draws no answer longer than so many times his request (as
RFC 9000 §8.1 has it for QUIC). Requests of real equipment are about as long as their answers."""

AMPLIFICATION = "amplification"
"""The rule by which a short request gets no long answer."""

_ANOTHERS_CALL = refuse(403, "anothers_call")
_NO_CONTACT = refuse(400, "no_contact", reason="Missing Contact header field")
_MERGED = refuse(482, "merged_request", reason="Merged Request")


@dataclass(frozen=True, slots=True)
class UserAgentConfig:
    """What a user agent needs to know. Times are seconds."""

    advertise: Callable[[Flow], SocketAddress]
    """Host and port that Via and Contact name on a flow."""
    admit: Callable[[Request, Flow, float], Admission]
    """Asked for each request outside a call, and inside one for what comes from another host than the call lives on:
    there it must be admitted as who the call is with. The float is now. A broken request may lack any header.
    """
    hears: Callable[[Flow, float], str | None] = lambda flow, now: None
    """Asked first, by address alone, before a byte is parsed: the rule by which this source gets silence, or None.
    The float is now; asked once for every 4 kB of a message, which is what it may cost to read, and once for each
    connection as it is accepted.

    Whoever we place calls to must be heard: the requests of a peer come in by the same door.
    """
    credentials: Callable[[Allow, Flow], Credentials | None] = lambda admission, flow: None
    """What answers a challenge to a request of ours inside a call that somebody placed to us: carriers ask on BYE, too.
    Asked with the flow it came on, and again when the call moves to another host: an answer is only for hosts of whom
    we belong to. Calls that we place bring theirs along.
    """
    registrar: Registrar | None = None
    """Where phones register; None, or one without accounts: REGISTER is not served."""
    user_agent: str = "inworld-sip-gateway"
    contact_user: str = "gateway"
    timers: TimerValues = field(default_factory=TimerValues)
    ring_limit_s: float = 180.0
    """How long an INVITE, in either direction, may go without a final answer."""
    hop_timeout_s: float = 2.0
    """How long a hop that is not the last may say nothing at all, not even 100 Trying, to an INVITE of ours.

    RFC 3263 §4.3 would have us wait for timer B, 32 s of silence to whoever dialled; RFC 3261 §17.2.1 has 100 sent
    within 200 ms.
    """
    session_expires_s: int = 1800
    """Session interval that we ask for and offer (RFC 4028)."""
    min_se_s: int = SMALLEST_MIN_SE_S
    """The shortest session interval that we bear, 90 by RFC 4028 §4; 0: no session timers."""
    reliable: Reliability = "supported"
    """Reliable provisional answers (RFC 3262).

    ``supported``: where they carry SDP and the peer can, or the peer insists. ``required``: wherever the peer can, and
    our own INVITEs insist. ``off``: never; a peer that insists gets 420.
    """
    max_calls: int = 5_000
    max_transactions: int = 50_000
    retry_after_s: int = 5
    """In the 503 of a full or draining user agent."""

    @property
    def capabilities(self) -> Capabilities:
        """Methods and extensions that follow from the rest."""
        left_out = ("100rel",) * (self.reliable == "off") + ("timer",) * (
            not (self.session_expires_s and self.min_se_s)
        )
        serves_phones = self.registrar is not None and self.registrar.has_accounts
        methods = (*CALL_METHODS, "REGISTER") if serves_phones else CALL_METHODS
        return Capabilities(methods, without(EXTENSIONS, *left_out))


class UserAgent(CallCommands):
    """Owns the transactions, dialogs and calls of one node."""

    def __init__(self, config: UserAgentConfig, ids: IdSource) -> None:
        wire = TransactionContext(config.timers)
        self.draining = False
        """True: new INVITEs and OPTIONS outside a dialog get 503, live calls go on."""
        self._config = config
        self._ids = ids
        self._tag_key = ids.token(32).encode()
        self._wire = wire
        self._table = TransactionTable(wire, limit=config.max_transactions)
        context = CallContext(
            wire=wire,
            table=self._table,
            identity=Identity(config.contact_user, config.user_agent, config.advertise),
            ids=ids,
            ring_limit_s=config.ring_limit_s,
            hop_timeout_s=config.hop_timeout_s,
            capabilities=config.capabilities,
            session=SessionTerms(config.session_expires_s if config.min_se_s else 0, config.min_se_s),
            reliable=config.reliable,
            credentials=config.credentials,
        )
        super().__init__(context)
        self._requests = ClientRequests(self._context)
        self._watched: frozenset[Flow] = frozenset()
        self._registrations = RegisterServer(self._context, config.registrar, self._tag_key)
        self.stats: UserAgentStats = self._context.stats

    def accounts_changed(self) -> None:
        """The registrar has got its first accounts, or lost its last: Allow says so from here on."""
        self._context.capabilities = self._config.capabilities

    # The five verbs

    def receive_message(self, data: bytes, flow: Flow, now: float) -> None:
        """One datagram, or one message of a stream, that came on ``flow``."""
        is_awaited = data.startswith(_STATUS_LINE) and self._table.awaits_response_from(flow)
        if not is_awaited and not all(self.hears(flow, now) for _ in range(0, len(data) + 1, _READ_AT_ONCE)):
            return
        try:
            message = parse_message(data)
        except SipParseError as error:
            self.receive_unreadable(error, flow, now)
            return
        if isinstance(message, Response):
            self._receive_response(message, flow, now)
            return
        self.stats.requests_received += 1
        try:
            self._receive_request(message, flow, now)
        except RemoteProtocolError as error:
            if self._admit(message, flow, now):
                # What tripped us may be said less well than the rule it breaks.
                refusal = self._context.capabilities.check(message) or refuse(
                    error.status, "malformed_message", warning(str(error))
                )
                self._refuse(message, flow, refusal)

    def hears(self, flow: Flow, now: float) -> bool:
        """Whether anything that comes on ``flow``, a connection being accepted included, is listened to at all."""
        rule = self._config.hears(flow, now)
        if rule is not None:
            self._silence("", flow, rule)
        return rule is None

    def connection_refused(self, flow: Flow, rule: str) -> None:
        """The edge has cut a connection off before anything was asked on it: too many of them, or no handshake."""
        self._silence("", flow, rule)

    def receive_unreadable(self, error: SipParseError, flow: Flow, now: float) -> None:
        """A message that could not be parsed. A request of which enough is left gets its fault told."""
        if error.request is None:
            self.stats.unreadable_messages += 1
            return
        self.stats.requests_received += 1
        if self._admit(error.request, flow, now):
            self._refuse(error.request, flow, Refusal.from_error(error))

    def flow_failed(self, flow: Flow, now: float) -> None:
        """The edge could not deliver what was sent on ``flow``: requests under way there have failed."""
        self.stats.flows_failed += 1
        for call in list(self._calls.values()):
            if call.dialog is not None and call.dialog.flow == flow:
                call.dialog.leave_flow()
        self._table.flow_failed(flow, now)
        self._registrations.flow_failed(flow)
        if flow in self._watched:
            self._context.tell(FlowFailed(flow))

    def send_failed(self, flow: Flow, data: bytes, now: float) -> None:
        """The edge could not deliver this message.

        A datagram that is too long, or has no route, says nothing of the others: only its own request has failed. A
        connection that takes no more takes nothing. A response is lost, no more: its request will be repeated, or not.
        """
        if data.startswith(_STATUS_LINE):
            return
        if flow.is_reliable:
            self.flow_failed(flow, now)
        else:
            self._table.request_failed(data, now)

    def handle_timeout(self, now: float) -> None:
        """Fire whatever is due."""
        self._table.handle_timeout(now)
        self._registrations.handle_timeout(now)
        for call_id, timer in self._context.deadlines.pop_due(now):
            call = self._calls.get(call_id)
            if call is not None:
                call.handle_timer(timer, now)

    def next_deadline(self) -> float | None:
        """When ``handle_timeout`` wants to be called; None when nothing is waited for."""
        return earliest(
            self._table.next_deadline(), self._context.deadlines.next_deadline(), self._registrations.next_deadline()
        )

    def take_outgoing(self) -> list[tuple[Flow, bytes]]:
        """Everything to send, in order."""
        outgoing, self._wire.outgoing = self._wire.outgoing, []
        return outgoing

    def next_event(self) -> Event | None:
        """The oldest event not yet handed over."""
        return self._context.events.popleft() if self._context.events else None

    # Live counts, for limits and leak checks

    @property
    def transactions(self) -> int:
        """Transactions of either side that still wait or linger."""
        return len(self._table)

    @property
    def unfinished_refusals(self) -> int:
        """Refused INVITEs whose ACK has not come: their refusals are still being repeated."""
        return self._table.unfinished_refusals

    @property
    def unfinished(self) -> int:
        """What is still being said: calls whose BYE, or the ACK it waits for, is under way, and unfinished refusals.

        Who stops before this is 0 leaves peers in calls that nobody serves.
        """
        return len(self._calls) + self.unfinished_refusals

    @property
    def dialogs(self) -> int:
        """Dialogs that requests can still find."""
        return len(self._context.dialogs)

    @property
    def calls(self) -> int:
        """Calls not yet gone from signalling: one that was hung up counts until its BYE is answered."""
        return len(self._calls)

    def live_flows(self) -> set[Flow]:
        """The flows that calls and registrations live on: their connections are not idle, however long it is silent."""
        of_calls = {call.flow for call in self._calls.values() if call.flow is not None}
        return of_calls.union(self._registrations.flows, self._watched)

    # Placing calls

    def invite(self, invitation: Invitation, now: float) -> str:
        """Place a call and return its id, which is its Call-ID.

        Raises CapacityError when the tables are full, LocalProtocolError when the invitation is no SIP.
        """
        if not self._has_room_for_call:
            raise CapacityError("too many calls", retry_after_s=self._config.retry_after_s)
        try:
            inviting = InviteUac(self._context, invitation)
        except SipParseError as error:
            raise LocalProtocolError(f"cannot invite: {error}") from error
        return Call.outbound(self._context, inviting, now).id

    def redirect(
        self,
        call: str,
        request_uri: str,
        hops: Sequence[Flow],
        now: float,
        *,
        contact: str | None = None,
        route: Sequence[str] | None = None,
    ) -> None:
        """Follow a ``CallRedirected``: a new INVITE for ``request_uri`` ("": as before) over ``hops``.

        ``contact`` says which of its contacts that is (None: the first), ``route`` the preloaded Route from here on
        (None: as before). Nothing happens when the call has ended meanwhile, as it may while names are resolved.
        """
        found = self._calls.get(call)
        if found is not None:
            try:
                found.redirect(request_uri, hops, now, contact=contact, route=route)
            except SipParseError as error:
                raise LocalProtocolError(f"cannot follow the redirect: {error}") from error

    def give_up(self, call: str) -> None:
        """Follow no contact of a ``CallRedirected``: what was answered last ends the call."""
        found = self._calls.get(call)
        if found is not None:
            found.give_up_redirect()

    # Requests outside dialogs

    def send_request(
        self,
        method: str,
        uri: str,
        flow: Flow,
        *,
        from_: str,
        to: str,
        now: float,
        headers: HeaderList = (),
        body: bytes = b"",
        call_id: str | None = None,
        cseq: int | None = None,
        from_tag: str | None = None,
        route: Sequence[str] = (),
    ) -> str:
        """Send a request that opens no dialog (REGISTER, OPTIONS) and return its id.

        ``RequestAnswered`` or ``RequestFailed`` with that id follows, one of them, once; challenges are handed over as
        any other answer. ``from_`` and ``to`` are addresses as their headers carry them, without tags. What is left out
        of call_id, cseq and from_tag is made up. ``route`` is the preloaded Route, nearest hop first. Raises
        CapacityError when too many requests wait, LocalProtocolError when the arguments are no SIP.
        """
        return self._requests.send(
            method,
            uri,
            flow,
            from_=from_,
            to=to,
            now=now,
            headers=headers,
            body=body,
            call_id=call_id,
            cseq=cseq,
            from_tag=from_tag,
            route=route,
        )

    def watch(self, flows: Iterable[Flow]) -> None:
        """From here on ``FlowFailed`` tells when one of these fails, and of no other."""
        self._watched = frozenset(flows)

    def contact(self, flow: Flow, user: str | None = None) -> str:
        """The Contact by which the far end of ``flow`` reaches us, in angle brackets."""
        return self._context.identity.contact(flow, user=user)

    @property
    def _has_room_for_call(self) -> bool:
        return len(self._calls) < self._config.max_calls and self._table.has_room

    # What comes from the network

    def _receive_response(self, response: Response, flow: Flow, now: float) -> None:
        self.stats.responses_received += 1
        if not check_response(response) or _has_nul(response):
            self.stats.malformed_responses += 1
            return
        try:
            if not self._table.receive_response(response, flow, now):
                self.stats.stray_responses += 1
        except RemoteProtocolError:
            self.stats.malformed_responses += 1

    def _receive_request(self, request: Request, flow: Flow, now: float) -> None:
        stamp_source(request, flow)
        flow = reply_flow(request, flow)
        server = self._table.find_server(request)
        if request.method == "ACK":
            self._receive_ack(request, server, flow, now)
        elif server is not None:
            self.stats.requests_repeated += 1
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
            self.stats.stray_acks += 1
        elif self._may_enter(call, ack, flow, now):
            call.receive_ack(ack, now)

    def _receive_cancel(self, cancel: Request, flow: Flow, now: float) -> None:
        """200 when its INVITE is known, whether or not it is too late for that (RFC 3261 §9.2)."""
        invite = self._table.find_cancelled(cancel, flow)
        if invite is None:
            if self._admit(cancel, flow, now):
                refusal = self._context.capabilities.check(cancel) or refuse(481, "nothing_to_cancel")
                self._refuse(cancel, flow, refusal)
            return
        owner = invite.owner
        response = make_response(cancel, 200, to_tag=owner.local_tag, headers=(self._context.identity.server,))
        self._context.respond(cancel, response, flow, now)
        owner.receive_cancel(invite.key, now)

    def _receive_new(self, request: Request, flow: Flow, now: float) -> None:
        call = self._find_call(request)
        if call is not None and not self._may_enter(call, request, flow, now):
            return
        admission = self._admit(request, flow, now) if call is None else ALLOW
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
            self._refuse(request, flow, refusal)

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
        if self.draining:
            return self._unavailable("draining")
        if request.method == "REGISTER":
            return self._registrations.receive(request, flow, now, admission.account or None)
        if request.method == "OPTIONS":
            # RFC 3261 §8.2.7: a ping keeps no state; repeated, it is answered anew with the same tag.
            tag = stateless_tag(request, self._tag_key)
            response = self._context.capabilities.options_response(request, tag, self._context.identity.server)
            self._wire.send(flow, response.to_bytes())
            return None
        return self._receive_invite(request, flow, now, admission)

    def _receive_invite(self, invite: Request, flow: Flow, now: float, admission: Allow) -> Refusal | None:
        if not self._has_room_for_call:
            return self._unavailable("call_limit")
        if "Contact" not in invite.headers and invite.via.has_unique_branch:  # RFC 2543 peers need none
            return _NO_CONTACT
        replaced = find_replaced(self._context, invite, admission)
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

    # Turning away

    def _may_enter(self, call: Call, request: Request, flow: Flow, now: float) -> bool:
        """The host a call lives on was let in with it. Another, though it knows the tags, is asked for by the door, and
        must be who the call is with: one trunk, or one account, has no business in the calls of another."""
        if call.flow is not None and call.flow.remote[0] == flow.remote[0]:
            return True
        admission = self._admit(request, flow, now)
        if admission is not None and call.admission is not None and admission != call.admission:
            self._refuse(request, flow, _ANOTHERS_CALL)
            return False
        if admission is not None and call.dialog is not None and self._config.credentials(admission, flow) is not None:
            call.dialog.may_answer(flow.remote[0])
        return admission is not None

    def _admit(self, request: Request, flow: Flow, now: float) -> Allow | None:
        """Ask the door. What it turns away is answered here, if at all."""
        admission = self._config.admit(request, flow, now)
        match admission:
            case Silence(rule=rule):
                self._silence(request.method, flow, rule)
            case Refuse(status=status, reason=reason, rule=rule, headers=headers):
                self._turn_away(request, flow, Refusal(status, reason, rule, headers))
            case Challenge(headers=headers):
                self._turn_away(request, flow, Refusal(401, "Unauthorized", "challenged", headers))
            case Allow():
                return admission
        return None

    def _silence(self, method: str, flow: Flow, rule: str) -> None:
        self.stats.requests_silenced += 1
        self._context.tell(RequestRefused(method, flow, None, rule))

    def _refuse(self, request: Request, flow: Flow, refusal: Refusal) -> None:
        if self._answer(request, flow, refusal):
            self._context.note_refusal(request, flow, refusal)

    def _turn_away(self, request: Request, flow: Flow, refusal: Refusal) -> None:
        """Answer what the door has not let in, unless its source could be forged to have a victim flooded."""
        most = None if flow.is_reliable or not request.octets else MOST_ANSWERED * request.octets
        if not self._answer(request, flow, refusal, most):
            return
        if refusal.status == 401:
            self.stats.requests_challenged += 1
        else:
            self._context.note_refusal(request, flow, refusal)

    def _answer(self, request: Request, flow: Flow, refusal: Refusal, most: int | None = None) -> bool:
        """Answer without keeping state (RFC 3261 §8.2.7): a repeated request is refused anew, with the same tag.

        ``most``: octets that the answer may have.
        """
        if request.method == "ACK":
            return False
        try:
            flow = refusal_flow(request, flow)
            response = make_response(
                request,
                refusal.status,
                refusal.reason,
                to_tag=stateless_tag(request, self._tag_key),
                headers=(*refusal.headers, self._context.identity.server),
            )
        except RemoteProtocolError:
            self.stats.unreadable_messages += 1
            return False
        data = response.to_bytes()
        if most is not None and len(data) > most:
            self._silence(request.method, flow, AMPLIFICATION)
            return False
        self._wire.send(flow, data)
        return True


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
