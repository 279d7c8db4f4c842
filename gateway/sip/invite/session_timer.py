"""Session timers (RFC 4028): who refreshes the session how often, in either role, and the end when nobody does.

Two deadlines in the call's table: ``refresh``, at half the interval, where the refreshing is ours; ``expiry``, where
the BYE leaves, ahead of the interval's end by a third of it or 32 s, whichever is less (§10).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from gateway.sip.capabilities import refuse, supports
from gateway.sip.events import EndCause
from gateway.sip.grammar import MAX_UINT32, SipParseError, parse_number, parse_params
from gateway.sip.headers import Header
from gateway.sip.invite.part import CallPart
from gateway.sip.message import Request, Response
from gateway.sip.validation import Refusal

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call
    from gateway.sip.invite.context import CallContext

Refresher = Literal["uac", "uas"]
"""A role in the transaction that carries the header, not in the call (RFC 4028 §4)."""

SMALLEST_MIN_SE_S = 90
"""RFC 4028 §5: no Min-SE is lower, and an absent one means this."""

LONGEST_INTERVAL_S = 86_400
"""What a peer asks for beyond a day is as good as no timer; we ask for no more than this after a 422."""

_EXPIRED = ("Reason", 'SIP;cause=408;text="Session expired"')
_RETRY_S = 5.0
"""How soon, at the earliest, a refresh that failed or found another exchange in its way is tried again."""


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """What we ask for and what we insist on, in seconds. ``interval_s`` 0: we use no session timers."""

    interval_s: int = 1800
    minimum_s: int = SMALLEST_MIN_SE_S

    @property
    def is_used(self) -> bool:
        """False: neither asked for nor offered."""
        return self.interval_s > 0

    @property
    def headers(self) -> tuple[Header, ...]:
        """For the INVITE that opens a call; who refreshes is left to the peer (RFC 4028 §7.1)."""
        if not self.is_used:
            return ()
        return (("Session-Expires", str(max(self.interval_s, self.minimum_s))), ("Min-SE", str(self.minimum_s)))

    def raised_by(self, response: Response) -> SessionTerms | None:
        """The terms with which a request that got 422 is tried again (RFC 4028 §7.3), None when there are none."""
        minimum_s = response.seconds("Min-SE")
        if not self.is_used or minimum_s is None or not self.minimum_s < minimum_s <= LONGEST_INTERVAL_S:
            return None
        return replace(self, interval_s=max(self.interval_s, minimum_s), minimum_s=minimum_s)


class SessionTimer(CallPart):
    """The session timer of one call."""

    TIMERS = ("refresh", "expiry")

    def __init__(self, context: CallContext, call: Call) -> None:
        super().__init__(call)
        self.interval_s = 0
        """Agreed with the peer; 0 while no timer runs."""
        self.is_ours = False
        """We refresh."""
        self._context = context
        self._terms = context.session

    # As the side that sends INVITE or UPDATE

    def request_headers(self) -> tuple[Header, ...]:
        """For every INVITE and UPDATE inside the dialog: the interval, and who keeps on refreshing (§7.4)."""
        if not self._terms.is_used:
            return ()
        if not self.interval_s:
            return self._terms.headers
        interval_s = max(self.interval_s, self._terms.minimum_s)
        value = f"{interval_s};refresher={'uac' if self.is_ours else 'uas'}"
        return (("Session-Expires", value), ("Min-SE", str(self._terms.minimum_s)))

    def accepted(self, response: Response, now: float) -> None:
        """A 2xx to an INVITE or UPDATE of ours (§7.2).

        Without Session-Expires the peer, and every proxy, goes without a timer. One that leaves the header out of the
        answer to a refresh of ours is refreshed on: that harms nobody.
        """
        if not self._terms.is_used:
            return
        asked = read_session_expires(response)
        if asked is not None:
            interval_s, refresher = asked
            self._start(interval_s, now, is_ours=refresher != "uas")
        elif self.interval_s and self.is_ours:
            self._start(self.interval_s, now, is_ours=True)
        else:
            self.stop()

    def raise_minimum(self, response: Response) -> bool:
        """A 422 to a request of ours inside the dialog: True when it can be tried again."""
        raised = self._terms.raised_by(response)
        if raised is not None:
            self._terms = raised
        return raised is not None

    # As the side that answers them

    def check(self, request: Request) -> Refusal | None:
        """See ``check_interval``."""
        return check_interval(request, self._context.session)

    def answer(self, request: Request, now: float) -> tuple[Header, ...]:
        """What our 2xx says, and the session runs anew from here (§9).

        The interval may only be lowered, and never below the peer's Min-SE. A peer without ``timer`` refreshes
        nothing: where a proxy, or we, want refreshing all the same, it is ours to do.
        """
        asked = read_session_expires(request)
        can_refresh = supports(request, "timer")
        if not self._terms.is_used or (asked is None and not self.interval_s and not can_refresh):
            return ()
        minimum_s = max(request.seconds("Min-SE") or 0, SMALLEST_MIN_SE_S)
        wanted_s = max(self.interval_s or self._terms.interval_s, minimum_s)
        interval_s = min(asked[0], wanted_s) if asked else wanted_s
        refresher = self._refresher(asked, can_refresh)
        self._start(interval_s, now, is_ours=refresher == "uas")
        header = ("Session-Expires", f"{self.interval_s};refresher={refresher}")
        return (header, ("Require", "timer")) if can_refresh else (header,)

    def _refresher(self, asked: tuple[int, Refresher | None] | None, can_refresh: bool) -> Refresher:
        """RFC 4028 table 2. Whoever wants the timer does the work, unless somebody has said otherwise."""
        if not can_refresh:
            return "uas"
        if asked is not None and asked[1] is not None:
            return asked[1]
        if self.interval_s:
            return "uas" if self.is_ours else "uac"
        return "uac" if asked is not None else "uas"

    # Time

    def _start(self, interval_s: int, now: float, *, is_ours: bool) -> None:
        # Less than any rule allows comes from a broken peer, or from one that would have us send without end.
        interval_s = max(interval_s, min(SMALLEST_MIN_SE_S, self._context.session.minimum_s), 1)
        self.interval_s = interval_s
        self.is_ours = is_ours
        deadlines = self._context.deadlines
        deadlines.set((self._call.id, "expiry"), now + interval_s - min(32, interval_s / 3))
        if is_ours:
            deadlines.set((self._call.id, "refresh"), now + interval_s / 2)
        else:
            deadlines.clear((self._call.id, "refresh"))

    def stop(self) -> None:
        """No timer runs any more."""
        self.interval_s = 0
        for timer in self.TIMERS:
            self._context.deadlines.clear((self._call.id, timer))

    def refresh_failed(self, now: float) -> None:
        """The peer refused a refresh, or the moment was bad: another try, for the session still runs (§10)."""
        if self.interval_s and self.is_ours:
            after_s = max(_RETRY_S, self.interval_s / 10)
            self._context.deadlines.set((self._call.id, "refresh"), now + after_s)

    def handle_timer(self, timer: str, now: float) -> None:
        """``refresh``: ours is due. ``expiry``: it never came, or never worked."""
        if timer == "expiry":
            self.stop()
            self._call.hang_up((_EXPIRED,), now, EndCause.SESSION_EXPIRED)
        elif not self._call.changes.refresh(now):
            self.refresh_failed(now)


def check_interval(request: Request, terms: SessionTerms) -> Refusal | None:
    """422 for an interval that is too short for us (§9), where the sender can do something about it."""
    asked = read_session_expires(request)
    if asked is None or not terms.is_used or asked[0] >= terms.minimum_s or not supports(request, "timer"):
        return None
    return refuse(422, "session_interval", ("Min-SE", str(terms.minimum_s)))


def read_session_expires(message: Request | Response) -> tuple[int, Refresher | None] | None:
    """Seconds and refresher of Session-Expires; None without one that can be read."""
    text = message.headers.get("Session-Expires")
    if text is None:
        return None
    seconds, _, _ = text.partition(";")
    try:
        interval_s = parse_number(seconds.strip(" \t"), MAX_UINT32, "Session-Expires")
        refresher = (parse_params(text, len(seconds)).get("refresher") or "").lower()
    except SipParseError:
        return None
    if interval_s == 0:
        return None
    return interval_s, refresher if refresher in ("uac", "uas") else None  # type: ignore[return-value]
