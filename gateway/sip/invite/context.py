"""What every call of a user agent shares: the tables, the way out, the identity."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.base.clock import Deadlines
from gateway.base.ids import IdSource
from gateway.sip.admission import Allow
from gateway.sip.capabilities import Capabilities
from gateway.sip.dialog import DialogId
from gateway.sip.digest import Credentials
from gateway.sip.events import Event, RequestRefused
from gateway.sip.flow import Flow
from gateway.sip.identity import Identity
from gateway.sip.invite.lingering import Lingering
from gateway.sip.invite.reliability import Reliability
from gateway.sip.invite.session_timer import SessionTerms
from gateway.sip.message import Request, Response, make_response
from gateway.sip.stats import UserAgentStats
from gateway.sip.transaction.machine import TimerValues, TransactionContext
from gateway.sip.transaction.table import TransactionTable
from gateway.sip.validation import Refusal

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call


@dataclass(slots=True)
class CallContext:
    """The user agent's tables. Call deadlines are keyed by (call, timer name); calls have no RFC letters."""

    wire: TransactionContext
    table: TransactionTable
    identity: Identity
    ids: IdSource
    ring_limit_s: float
    hop_timeout_s: float
    capabilities: Capabilities = field(default_factory=Capabilities)
    session: SessionTerms = field(default_factory=SessionTerms)
    reliable: Reliability = "supported"
    credentials: Callable[[Allow, Flow], Credentials | None] = lambda admission, flow: None
    stats: UserAgentStats = field(default_factory=UserAgentStats)
    deadlines: Deadlines[tuple[str, str]] = field(default_factory=Deadlines)
    events: deque[Event] = field(default_factory=deque)
    calls: dict[str, Call] = field(default_factory=dict)
    dialogs: dict[DialogId, Call] = field(default_factory=dict)
    lingering: Lingering = field(default_factory=Lingering)

    @property
    def timers(self) -> TimerValues:
        """T1, T2, T4."""
        return self.wire.timers

    def send(self, flow: Flow, data: bytes) -> None:
        """Queue bytes that belong to no transaction: the ACK to a 2xx."""
        self.wire.send(flow, data)

    def respond(self, request: Request, response: Response, flow: Flow, now: float) -> None:
        """Answer a request other than INVITE; its transaction repeats the answer while there is room for one."""
        if self.table.has_room and request.method != "INVITE":
            self.table.open_server(request, flow).send_response(response, now)
        else:
            self.send(flow, response.to_bytes())

    def refuse(self, request: Request, refusal: Refusal, flow: Flow, now: float, owner: Call) -> None:
        """Refuse a request of a dialog in a transaction of its own, and tell of it.

        Our state may have changed when the network brings it again: its transaction repeats what was said.
        """
        headers = (*refusal.headers, self.identity.server)
        response = make_response(request, refusal.status, refusal.reason, headers=headers)
        if request.method == "INVITE" and self.table.has_room:
            self.table.refuse_invite(request, response, flow, now, owner)
        else:
            self.respond(request, response, flow, now)
        self.note_refusal(request, flow, refusal)

    def note_refusal(self, request: Request, flow: Flow, refusal: Refusal) -> None:
        """Count a refusal that was sent, and tell of it."""
        self.stats.requests_refused += 1
        self.stats.malformed_requests += refusal.status in (400, 513)
        self.tell(RequestRefused(request.method, flow, refusal.status, refusal.rule))

    def tell(self, event: Event) -> None:
        """Queue an event for the call layer."""
        self.events.append(event)

    def retry_after(self, largest_s: int) -> tuple[str, str]:
        """A Retry-After of 0 to ``largest_s`` seconds at random, so that the refused do not return all at once."""
        return ("Retry-After", str(self.ids.bits(16) % (largest_s + 1)))
