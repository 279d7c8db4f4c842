"""The SIP user agent: bytes, time and commands in; bytes, events and the next deadline out.

The rule for whoever drives it: feed one thing, send all of ``take_outgoing``, hand over every ``next_event``, and
arm one timer for ``next_deadline``. ``now`` is monotonic seconds. Nothing a peer sends raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.base.clock import earliest
from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.base.ids import IdSource
from gateway.sip.client_requests import ClientRequest, ClientRequests
from gateway.sip.config import UserAgentConfig
from gateway.sip.events import Event, FlowFailed
from gateway.sip.flow import Flow
from gateway.sip.gate import Gate
from gateway.sip.grammar import SipParseError
from gateway.sip.identity import Identity
from gateway.sip.incoming import Incoming
from gateway.sip.invite.call import Call
from gateway.sip.invite.commands import CallCommands
from gateway.sip.invite.context import CallContext
from gateway.sip.invite.invitation import Invitation
from gateway.sip.invite.session_timer import SessionTerms
from gateway.sip.invite.uac import InviteUac
from gateway.sip.message import Response, parse_message
from gateway.sip.registrar.server import RegisterServer
from gateway.sip.stats import UserAgentStats
from gateway.sip.transaction.machine import TransactionContext
from gateway.sip.transaction.table import TransactionTable

__all__ = ["UserAgent", "UserAgentConfig"]

_STATUS_LINE = b"SIP/2.0 "
"""How a response begins."""

_READ_AT_ONCE = 4096
"""Octets of a message that count as one: longer ones take more of what a source may send in a second."""


class UserAgent(CallCommands):
    """Owns the transactions, dialogs and calls of one node."""

    def __init__(self, config: UserAgentConfig, ids: IdSource) -> None:
        wire = TransactionContext(config.timers)
        self._config = config
        tag_key = ids.token(32).encode()
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
        self._registrations = RegisterServer(self._context, config.registrar, tag_key)
        self._gate = Gate(config, context, tag_key)
        self._incoming = Incoming(config, context, self._gate, self._registrations, tag_key)
        self.stats: UserAgentStats = self._context.stats

    def accounts_changed(self) -> None:
        """The registrar has got its first accounts, or lost its last: Allow says so from here on."""
        self._context.capabilities = self._config.capabilities

    @property
    def draining(self) -> bool:
        """True: new INVITEs and OPTIONS outside a dialog get 503, live calls go on."""
        return self._incoming.is_draining

    @draining.setter
    def draining(self, is_draining: bool) -> None:
        self._incoming.is_draining = is_draining

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
            self._incoming.receive_response(message, flow, now)
        else:
            self._incoming.receive_request(message, flow, now)

    def hears(self, flow: Flow, now: float) -> bool:
        """Whether anything that comes on ``flow``, a connection being accepted included, is listened to at all."""
        return self._gate.hears(flow, now)

    def knows(self, flow: Flow, now: float) -> bool:
        """Whether who connects on ``flow`` is no stranger."""
        return self._config.knows(flow, now)

    def connection_refused(self, flow: Flow, rule: str) -> None:
        """The edge has cut a connection off before anything was asked on it: too many of them, or no handshake."""
        self._gate.silence("", flow, rule)

    def receive_unreadable(self, error: SipParseError, flow: Flow, now: float) -> None:
        """A message that could not be parsed. A request of which enough is left gets its fault told."""
        self._incoming.receive_unreadable(error, flow, now)

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
        if not self._incoming.has_room_for_call:
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

    def send_request(self, request: ClientRequest, now: float) -> str:
        """Send a request that opens no dialog (REGISTER, OPTIONS) and return its id.

        ``RequestAnswered`` or ``RequestFailed`` with that id follows, one of them, once; challenges are handed over as
        any other answer. Raises CapacityError when too many requests wait, LocalProtocolError when it is no SIP.
        """
        return self._requests.send(request, now)

    def watch(self, flows: Iterable[Flow]) -> None:
        """From here on ``FlowFailed`` tells when one of these fails, and of no other."""
        self._watched = frozenset(flows)

    def contact(self, flow: Flow, user: str | None = None) -> str:
        """The Contact by which the far end of ``flow`` reaches us, in angle brackets."""
        return self._context.identity.contact(flow, user=user)
