"""What a user agent is told when it is made: whom it asks, what it can do, how long it waits, how much it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.sip.admission import Admission, Allow
from gateway.sip.capabilities import CALL_METHODS, EXTENSIONS, Capabilities
from gateway.sip.digest import Credentials
from gateway.sip.flow import Flow, SocketAddress
from gateway.sip.invite.reliability import Reliability
from gateway.sip.invite.session_timer import SMALLEST_MIN_SE_S
from gateway.sip.message import Request
from gateway.sip.registrar import Registrar
from gateway.sip.transaction.machine import TimerValues


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
    knows: Callable[[Flow, float], bool] = lambda flow, now: False
    """Whether who connects is no stranger: asked by the sockets, which leave room for those who are none."""
    registrar: Registrar | None = None
    """Where phones register; None, or one without accounts: REGISTER is not served."""
    user_agent: str = "inworld-sip-gateway"
    """In User-Agent and Server."""
    contact_user: str = "gateway"
    """User part of our Contact, unless a call has one of its own."""
    timers: TimerValues = field(default_factory=TimerValues)
    ring_limit_s: float = 180.0
    """How long an INVITE, in either direction, may go without a final answer."""
    hop_timeout_s: float = 2.0
    """How long a hop that is not the last may say nothing at all, not even 100 Trying, to an INVITE of ours.

    RFC 3263 §4.3 would have us wait for timer B, 32 s of silence to whoever dialled; RFC 3261 §17.2.1 has 100 sent
    within 200 ms.
    """
    session_expires_s: int = 1800
    """Session interval that we ask for and offer (RFC 4028 §4); 0: no session timers."""
    min_se_s: int = SMALLEST_MIN_SE_S
    """The shortest session interval that we bear, 90 by RFC 4028 §5; 0: no session timers."""
    reliable: Reliability = "supported"
    """Reliable provisional answers (RFC 3262).

    ``supported``: where they carry SDP and the peer can, or the peer insists. ``required``: wherever the peer can, and
    our own INVITEs insist. ``off``: never; a peer that insists gets 420.
    """
    max_calls: int = 5_000
    """Calls at a time, those that are being torn down included; the next INVITE gets 503."""
    max_transactions: int = 50_000
    """Transactions at a time, of either side; beyond, nothing is taken on that would need another."""
    retry_after_s: int = 5
    """In the 503 of a full or draining user agent."""

    @property
    def capabilities(self) -> Capabilities:
        """Methods and extensions that follow from the rest."""
        unused = {"100rel": self.reliable == "off", "timer": not (self.session_expires_s and self.min_se_s)}
        serves_phones = self.registrar is not None and self.registrar.has_accounts
        methods = (*CALL_METHODS, "REGISTER") if serves_phones else CALL_METHODS
        return Capabilities(methods, tuple(tag for tag in EXTENSIONS if not unused.get(tag)))
