"""What the user agent tells the call layer. Events are past facts.

Every call named in a :class:`CallOffered`, or returned by ``invite``, ends in exactly one of :class:`CallCancelled`,
:class:`CallRefused` or :class:`CallEnded`, whoever ended it; after that its id means nothing any more.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from gateway.sip.admission import ALLOW, Allow
from gateway.sip.flow import Flow
from gateway.sip.headers import Headers
from gateway.sip.message import Request, Response
from gateway.sip.transaction.table import RequestFailure


class EndCause(enum.Enum):
    """Why a call is over, as signalling saw it."""

    BYE = "bye"
    """The peer hung up."""
    HUNG_UP = "hung_up"
    """We hung up: our BYE or CANCEL is on its way."""
    REJECTED = "rejected"
    """We refused the offered call with a final status."""
    ACK_TIMEOUT = "ack_timeout"
    """Our 2xx was repeated for 64*T1 and no ACK came (RFC 3261 §13.3.1.4)."""
    TRANSACTION_TIMEOUT = "transaction_timeout"
    """Our INVITE got no answer for 64*T1 (timer B)."""
    FLOW_FAILED = "flow_failed"
    """The transport could not deliver our request (RFC 3261 §8.1.3.1)."""
    DIALOG_GONE = "dialog_gone"
    """The peer answered 481 or 408 to our re-INVITE: it knows the dialog no more (RFC 3261 §12.2.1.2)."""
    RING_LIMIT = "ring_limit"
    """Nobody gave a final answer within the configured ringing time."""
    NO_ANSWER = "no_answer"
    """Nobody answered within the ringing time that this call was given: as 408 or 480 would say."""
    SESSION_EXPIRED = "session_expired"
    """The session timer ran out: nobody refreshed the session, or no refresh got through (RFC 4028 §10)."""
    PRACK_TIMEOUT = "prack_timeout"
    """Our reliable provisional answer was repeated for 64*T1 and no PRACK came; the INVITE got 504 (RFC 3262 §3)."""
    REPLACED = "replaced"
    """A call that was answered took this one's place (RFC 3891 §3)."""


class HopFault(enum.Enum):
    """Why a hop of a call that we place did not serve (RFC 3263 §4.3)."""

    UNAVAILABLE = "unavailable"
    """It answered 503."""
    SILENT = "silent"
    """It answered nothing at all in time."""
    UNREACHABLE = "unreachable"
    """The transport could not deliver the INVITE, or lost it."""


@dataclass(frozen=True, slots=True)
class CallOffered:
    """An INVITE opened a call. ``offer`` is its SDP; None means the offer is ours to make in the 2xx.

    ``admission`` says whose call it is.
    """

    call: str
    request: Request
    flow: Flow
    offer: bytes | None
    admission: Allow = ALLOW
    replaces: str | None = None
    """The call of ours that this one shall take the place of (RFC 3891). It ends when this one is answered."""


@dataclass(frozen=True, slots=True)
class CallCancelled:
    """The caller took the INVITE back before our final answer; it got 487. The call is over."""

    call: str


@dataclass(frozen=True, slots=True)
class CallConfirmed:
    """The ACK for a 2xx of ours arrived. ``body`` is the SDP answer when the offer was ours.

    ``is_reoffer`` tells the ACK that ends a re-INVITE from the one that establishes the call.
    """

    call: str
    body: bytes | None
    is_reoffer: bool = False


@dataclass(frozen=True, slots=True)
class CallReoffered:
    """The peer wants to change the session: ``answer_offer`` or ``refuse_offer`` is waited for.

    It came in a re-INVITE, an UPDATE (before the answer of the call, too) or a PRACK. ``offer`` None: our 2xx to the
    re-INVITE makes the offer. In an UPDATE or PRACK the answer is due within 15 s.
    """

    call: str
    offer: bytes | None
    early: str = field(default="", compare=False)
    """The remote tag of the early dialog it came in, "" in an established one and in a call that came in."""


@dataclass(frozen=True, slots=True)
class ReofferCancelled:
    """The peer took its offer back, or nobody answered it in time. The call goes on as it was (RFC 3261 §14.2)."""

    call: str


@dataclass(frozen=True, slots=True)
class ReofferAnswered:
    """The peer accepted our change; ``body`` is its SDP answer.

    After a ``reoffer`` without a body it is the peer's offer, and ``answer_offer`` sends ours in the ACK. It comes
    unasked as well: when a refresh of the session brought another description than the peer's last one.
    """

    call: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ReofferRefused:
    """The peer refused our re-INVITE for good; the call goes on as it was."""

    call: str
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class CallRinging:
    """A provisional answer (101-199) to our INVITE.

    ``early`` is the remote tag of the early dialog it belongs to, "" when it opened none; forked calls have several.
    """

    call: str
    status: int
    body: bytes | None
    early: str
    reason: str = field(default="", compare=False)
    headers: Headers = field(default_factory=Headers, compare=False)


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """The first 2xx to our INVITE; its ACK is on its way. ``headers`` are those of the 2xx.

    ``body`` is the SDP answer, b"" where the 2xx says nothing of the session: then a provisional answer has said it.
    ``flow`` is the one the call lives on: requests of the far end come from there.
    """

    call: str
    body: bytes
    headers: Headers = field(default_factory=Headers, compare=False)
    flow: Flow | None = field(default=None, compare=False)
    tag: str = field(default="", compare=False)
    """The remote tag: which early dialog, if any, it was that answered."""


@dataclass(frozen=True, slots=True)
class CallRefused:
    """Our INVITE got a final answer of 300 or above, and nothing is left to try. The call is over."""

    call: str
    status: int
    reason: str
    headers: Headers = field(default_factory=Headers, compare=False)


@dataclass(frozen=True, slots=True)
class CallRedirected:
    """Our INVITE was answered 300, 301, 302 or 305: ``redirect`` or ``give_up`` decides, ringing time goes on.

    ``contacts`` are URIs that were not tried yet, best first. It comes again when one that was followed failed and
    others are left. With 305 they are proxies: the Request-URI stays, only the hops and the route change.
    """

    call: str
    contacts: tuple[str, ...]
    status: int
    reason: str
    headers: Headers = field(default_factory=Headers, compare=False)


@dataclass(frozen=True, slots=True)
class HopFailed:
    """A hop of a call that we place did not serve. The next one is being asked, or the end of the call follows.

    ``retry_after_s`` is how long a 503 asked to be spared, at most an hour.
    """

    call: str
    flow: Flow
    fault: HopFault
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class ProvisionalAcknowledged:
    """A PRACK came for a provisional answer of ours (RFC 3262): the caller is where its INVITE said it was."""

    call: str


@dataclass(frozen=True, slots=True)
class EarlyAnswered:
    """The PRACK brought the peer's answer to the offer that our reliable provisional answer made (RFC 3262 §5)."""

    call: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """How the transfer goes that we asked for: the peer's 2xx to our REFER, then what its NOTIFYs say (RFC 3515).

    The first ``is_final`` decides: 200-299 means that the target answered. A final status below 200 says that the
    peer tells no more and the outcome is unknown. A final 408 may be our own time limit; should the peer report the
    outcome after it, that is told too.
    """

    call: str
    status: int
    reason: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class ReferRefused:
    """The peer does not transfer. ``headers`` None: no answer came (408, 503)."""

    call: str
    status: int
    reason: str
    headers: Headers | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class CallReferred:
    """The peer asks us to call ``target``: ``accept_refer`` or ``refuse_refer`` within 15 s, else it is declined.

    ``replaces`` is the value of the Replaces header that the new INVITE shall carry, ``referred_by`` the URI of who
    asks for it, as the peer says.
    """

    call: str
    refer_id: str
    target: str
    replaces: str | None
    referred_by: str | None
    headers: Headers = field(compare=False)


@dataclass(frozen=True, slots=True)
class InfoReceived:
    """An INFO in the call, answered 200: a key (``application/dtmf-relay``), a request for a picture (RFC 5168)."""

    call: str
    content_type: str
    body: bytes
    headers: Headers = field(compare=False)


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over. ``headers`` are those of the peer's BYE (Reason, User-to-User), else None."""

    call: str
    cause: EndCause
    headers: Headers | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """The final response to a request that ``send_request`` returned the id of, 401 and 407 included."""

    request: str
    response: Response


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """There will be no final response to a request that ``send_request`` returned the id of."""

    request: str
    failure: RequestFailure


@dataclass(frozen=True, slots=True)
class FlowFailed:
    """The edge could not deliver on a flow that is watched, or lost its connection: what was registered over it is
    out of reach."""

    flow: Flow


class UnregisterCause(enum.Enum):
    """Why a phone cannot be reached at a contact any more."""

    REMOVED = "removed"
    """It said so."""
    EXPIRED = "expired"
    """It did not refresh in time."""
    FLOW_FAILED = "flow_failed"
    """The connection it registered over is gone."""
    ACCOUNT_GONE = "account_gone"
    """Its account is no longer in the settings."""


@dataclass(frozen=True, slots=True)
class AccountRegistered:
    """A phone can be reached at ``uri`` over ``flow`` for so many seconds. ``is_refresh``: it could be before."""

    account: str
    uri: str
    flow: Flow
    expires_s: int
    is_refresh: bool


@dataclass(frozen=True, slots=True)
class AccountUnregistered:
    """A contact of an account is over."""

    account: str
    uri: str
    flow: Flow
    cause: UnregisterCause


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A request was turned away, or not even answered (``status`` None), by the named rule.

    ``method`` is "" when nothing was read: the source's address decided.
    """

    method: str
    flow: Flow
    status: int | None
    rule: str


Event = (
    CallOffered
    | CallCancelled
    | CallConfirmed
    | CallReoffered
    | ReofferCancelled
    | ReofferAnswered
    | ReofferRefused
    | CallRinging
    | CallAnswered
    | CallRefused
    | EarlyAnswered
    | ProvisionalAcknowledged
    | ReferProgress
    | ReferRefused
    | CallReferred
    | InfoReceived
    | CallRedirected
    | HopFailed
    | CallEnded
    | RequestAnswered
    | RequestFailed
    | FlowFailed
    | AccountRegistered
    | AccountUnregistered
    | RequestRefused
)
