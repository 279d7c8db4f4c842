"""Placing a call (RFC 3261 §8.1, §13.2): one INVITE after another over hops, challenges and redirects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.errors import LocalProtocolError
from gateway.sip.address import Address
from gateway.sip.capabilities import CONTENT_TYPE, offer_of, option_tags, without
from gateway.sip.dialog import MAX_FORWARDS, Dialog
from gateway.sip.digest import DigestClient
from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallRedirected,
    CallRefused,
    CallRinging,
    EndCause,
    HopFailed,
    HopFault,
)
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError
from gateway.sip.identity import names_sips
from gateway.sip.invite.attempt import InviteAttempt
from gateway.sip.invite.context import CallContext
from gateway.sip.invite.invitation import Invitation
from gateway.sip.invite.redirection import RedirectTargets
from gateway.sip.invite.way import Way
from gateway.sip.message import Request, Response, make_request
from gateway.sip.routing import request_path
from gateway.sip.transaction.table import RequestFailure

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call

MAX_CHALLENGES = 6
"""401 and 407 that one call answers: a few proxies and their stale nonces. The digest client stops at most before."""

_LONGEST_RETRY_AFTER_S = 3600
"""A hop that asks to be spared longer is asked last for an hour, and then as any other."""
_FIRST_CSEQ_BITS = 16
_MOST_INTERVALS = 4
"""Session intervals tried one after another: the peer's own, and those of some proxies on the way."""


class InviteUac:
    """The client side of a call that we place: which INVITE is under way, and what follows from its end.

    A hop that answers 503, that is silent, or that cannot be reached makes room for the next one (RFC 3263 §4.3): the
    same request, with a branch of its own. Once somebody has rung, no other hop is asked: the call could reach two
    people. Challenges and redirects make a new request with the next CSeq (RFC 3261 §8.1.3.4, §8.1.3.5).

    Its timers in the call's table: ``limit`` bounds the ringing, ``hop`` the silence of a hop that is not the last.
    """

    TIMERS = ("limit", "hop")

    def __init__(self, context: CallContext, invitation: Invitation) -> None:
        """Raises SipParseError and LocalProtocolError for what is no SIP."""
        self._way = Way.of(invitation)
        self.admission = invitation.admission
        """Whose call it is."""
        self.hosts = frozenset(flow.remote[0] for target in invitation.targets for flow in target.hops)
        """Where it may be answered: the hosts of its hops, or of those of the redirect that is followed."""
        self.local_tag = context.ids.tag()
        self.contact_user = invitation.contact_user
        self._context = context
        self._invitation = invitation
        self._from = str(Address.parse(invitation.from_).as_party().with_params(tag=self.local_tag))
        self._to = str(Address.parse(invitation.to).as_party())
        self.call_id = context.ids.call_id()
        """Call-ID of all its INVITEs, redirected and challenged ones too (RFC 3261 §8.1.3.4, §22.2)."""
        self._cseq = context.ids.bits(_FIRST_CSEQ_BITS) + 1
        self._redirects = RedirectTargets(invitation.request_uri)
        self._verdict: CallRefused | CallEnded | None = None
        """How the call ends unless the ``CallRedirected`` that was told is followed."""
        self._call: Call | None = None
        """Until the call is answered, or over."""
        self._terms = context.session
        self._intervals_tried = 0
        self._is_cancelled = False
        self._digest = DigestClient(invitation.credentials, context.ids) if invitation.credentials else None
        self._challenges = 0
        self._credentials: tuple[tuple[str, str], ...] = ()
        self._attempt = self._next_attempt()

    @property
    def flow(self) -> Flow:
        """The hop that is being asked."""
        return self._attempt.flow

    @property
    def early(self) -> dict[str, Dialog]:
        """Early dialogs of the INVITE under way, by remote tag."""
        return self._attempt.early

    @property
    def limit_cause(self) -> EndCause:
        """Why the call ends when ``limit`` fires."""
        return EndCause.RING_LIMIT if self._invitation.ring_timeout_s is None else EndCause.NO_ANSWER

    def start(self, call: Call, now: float) -> None:
        """Send the first INVITE."""
        self._call = call
        limit_s = self._invitation.ring_timeout_s or self._context.ring_limit_s
        self._context.deadlines.set((call.id, "limit"), now + limit_s)
        self._send(now)

    # Making INVITEs

    def _next_attempt(self) -> InviteAttempt:
        """To the next hop. Another target gets a request of its own. Raises LocalProtocolError when no hop serves."""
        flow, is_other_target = self._way.advance()
        if is_other_target:
            self._cseq += 1
            self._credentials = ()
        return self._attempt_at(flow)

    def _attempt_at(self, flow: Flow) -> InviteAttempt:
        request = self._make_invite(flow)
        return InviteAttempt(
            self._context,
            self,
            request,
            flow,
            tcp_above=self._invitation.tries_tcp_above,
            contact_user=self.contact_user,
            digest=self._digest,
        )

    def _make_invite(self, flow: Flow) -> Request:
        context = self._context
        uri, routes = request_path(self._way.uri, self._way.route)
        is_sips = names_sips(self._way.uri, *routes[:1])
        fields = [
            ("Via", context.identity.via(flow, context.ids.branch())),
            MAX_FORWARDS,
            *(("Route", route) for route in routes),
            ("From", self._from),
            ("To", self._to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self._cseq} INVITE"),
            ("Contact", context.identity.contact(flow, user=self.contact_user, is_sips=is_sips)),
            context.capabilities.allow,
            *self._abilities(),
            context.identity.user_agent,
            *self._credentials,
            *self._invitation.headers,
        ]
        return make_request("INVITE", uri, headers=fields, body=self._way.body)

    def _abilities(self) -> list[tuple[str, str]]:
        """What the INVITE says of extensions and of its body.

        Without an offer of ours a reliable provisional answer would make one, which the PRACK had to answer at once:
        then we do without them.
        """
        ours = self._context.capabilities
        has_body = bool(self._way.body)
        reliable = self._invitation.reliable or self._context.reliable
        can_prack = has_body and reliable != "off" and "100rel" in ours.extensions
        if not can_prack:
            ours = replace(ours, extensions=without(ours.extensions, "100rel"))
        insists = [("Require", "100rel")] if can_prack and reliable == "required" else []
        return [ours.supported, *self._terms.headers, *insists, *([CONTENT_TYPE] if has_body else [])]

    @property
    def awaits_answer(self) -> bool:
        """The peer's 2xx made the offer; the ACK waits for our answer."""
        return self._attempt.awaits_answer

    def acknowledge_offer(self, dialog: Dialog, body: bytes) -> None:
        """Send that ACK."""
        self._attempt.acknowledge_offer(dialog, body)

    def _send(self, now: float) -> None:
        if self._call is None:
            return
        self._attempt.start(self._call, now)
        self._watch_hop(now)

    def _watch_hop(self, now: float) -> None:
        if self._call is not None and (self._way.goes_on or self._attempt.tries_tcp):
            self._context.deadlines.set((self._call.id, "hop"), now + self._context.hop_timeout_s)

    # What the attempt under way meets with

    def attempt_heard(self) -> None:
        """The hop is alive: from here on only its word counts."""
        if self._call is not None:
            self._context.deadlines.clear((self._call.id, "hop"))

    def attempt_rang(self, response: Response, tag: str, now: float) -> None:
        """Tell of it."""
        if self._call is not None:
            self._call.peer.note(response)
            early = self.early.get(tag)
            is_settled = early is not None and early.is_negotiated and "100rel" not in option_tags(response, "Require")
            # What a reliable answer has agreed on stands: one without PRACK repeats it, or guesses (RFC 3262 §5).
            body = None if is_settled else offer_of(response)
            self._context.tell(
                CallRinging(self._call.id, response.status, body, tag, response.reason, response.headers)
            )

    def attempt_answered(self, dialog: Dialog, response: Response, now: float) -> None:
        """The call is established."""
        call, self._call = self._call, None
        if call is None:
            return
        for timer in self.TIMERS:
            self._context.deadlines.clear((call.id, timer))
        self._note_accepted(response)
        call.established(dialog, response, now)
        body = offer_of(response) or b""
        self._context.tell(CallAnswered(call.id, body, response.headers, dialog.flow, dialog.remote_tag))

    def attempt_refused(self, response: Response, now: float) -> None:
        """Another hop, another target, or the end."""
        if self._call is None:
            return
        if response.status in (401, 407) and self._answer_challenge(response, now):
            return
        self._note_accepted(response)
        if response.status == 422 and self._try_longer_interval(response, now):
            return
        if response.status == 503:
            self._note_hop(HopFault.UNAVAILABLE, _retry_after_s(response))
            if self._try_next_hop(now):
                return
        is_redirect = self._invitation.follows_redirects and self._redirects.add(response)
        verdict = CallRefused(self._call.id, response.status, response.reason, response.headers)
        self._finish(verdict, may_go_on=is_redirect or 400 <= response.status < 600)

    def _try_longer_interval(self, response: Response, now: float) -> bool:
        """RFC 4028 §7.3: the same INVITE once more, with the session interval that the peer can bear."""
        raised = self._terms.raised_by(response)
        if raised is None or self._intervals_tried == _MOST_INTERVALS or self._call is None:
            return False
        self._intervals_tried += 1
        self._terms = raised
        self._cseq += 1
        if self._digest is not None and self._credentials:
            request = self._attempt.request
            self._credentials = self._digest.authorize("INVITE", request.uri, request.body)
        self._attempt = self._attempt_at(self._attempt.flow)
        self._attempt.start(self._call, now)
        return True

    def attempt_failed(self, failure: RequestFailure, now: float) -> None:
        """Timer B, or the transport: the hop is treated as one that said 503 (RFC 3263 §4.3)."""
        if self._call is None:
            return
        is_timeout = failure is RequestFailure.TIMEOUT
        self._note_hop(HopFault.SILENT if is_timeout else HopFault.UNREACHABLE)
        if not self._attempt.has_rung and self._try_next_hop(now):
            return
        cause = EndCause.TRANSACTION_TIMEOUT if is_timeout else EndCause.FLOW_FAILED
        self._finish(CallEnded(self._call.id, cause), may_go_on=not self._attempt.has_rung)

    def attempt_withdrawn(self) -> None:
        """The cancelled INVITE is over."""
        self._leave_call()

    def handle_timer(self, timer: str, now: float) -> None:
        """``hop``: nothing came from this hop, not even 100, and there is another one, or another transport."""
        if timer != "hop" or self._attempt.has_heard:
            return
        if self._attempt.try_datagram(now):
            self._watch_hop(now)
        elif self._way.goes_on:
            silent = self._attempt
            self._note_hop(HopFault.SILENT)
            if self._try_next_hop(now):
                silent.abandon(now)

    def _answer_challenge(self, response: Response, now: float) -> bool:
        """The same INVITE with credentials and the next CSeq, to the hop that asked for them (RFC 3261 §22.2)."""
        if self._digest is None or self._challenges >= MAX_CHALLENGES or self._call is None:
            return False
        request = self._attempt.request
        credentials = self._digest.answer(response, "INVITE", request.uri, request.body)
        if credentials is None:
            return False
        self._challenges += 1
        self._credentials = credentials
        self._cseq += 1
        self._attempt = self._attempt_at(self._attempt.flow)
        self._attempt.start(self._call, now)
        return True

    def _note_accepted(self, response: Response) -> None:
        if self._digest is not None and response.status not in (401, 407):
            self._digest.accepted(response)

    def _try_next_hop(self, now: float) -> bool:
        if not self._way.goes_on:
            return False
        try:
            self._attempt = self._next_attempt()
        except LocalProtocolError:
            return False
        self._context.stats.failovers += 1
        self._send(now)
        return True

    def _note_hop(self, fault: HopFault, retry_after_s: int | None = None) -> None:
        if self._call is not None:
            self._context.tell(HopFailed(self._call.id, self._attempt.flow, fault, retry_after_s))

    def _finish(self, verdict: CallRefused | CallEnded, *, may_go_on: bool) -> None:
        """The end, unless a redirect has named a contact that was not tried (RFC 3261 §8.1.3.4)."""
        if may_go_on and self._redirects.has_more:
            self._verdict = verdict
            self._tell_redirect()
        else:
            self._end(verdict)

    def _end(self, verdict: CallRefused | CallEnded) -> None:
        self._context.tell(verdict)
        self._leave_call()

    # Redirects

    def _tell_redirect(self) -> None:
        """Contacts are names as a rule: whoever resolves them answers with ``redirect`` or ``give_up``."""
        origin = self._redirects.response
        if self._call is not None and origin is not None:
            self._context.deadlines.clear((self._call.id, "hop"))
            contacts = self._redirects.contacts
            self._context.tell(CallRedirected(self._call.id, contacts, origin.status, origin.reason, origin.headers))

    def redirect(
        self, uri: str, hops: Sequence[Flow], now: float, *, contact: str | None, route: Sequence[str] | None
    ) -> None:
        """Follow a redirect: ask for ``uri`` over ``hops``. Nothing happens when none waits to be decided."""
        if self._verdict is None or self._is_cancelled:
            return
        way = self._way.detour(uri, hops, route)
        flow, _ = way.advance()
        previous = (self._way, self._credentials)
        self._way, self._credentials = way, ()
        self._cseq += 1
        try:
            attempt = self._attempt_at(flow)
        except (SipParseError, LocalProtocolError):
            self._way, self._credentials = previous
            raise
        if not self._is_known_place(attempt):
            self._digest = None
        self._attempt = attempt
        self.hosts = frozenset(hop.remote[0] for hop in hops)
        self._verdict = None
        self._redirects.take(contact)
        self._context.stats.redirects_followed += 1
        self._send(now)

    def _is_known_place(self, attempt: InviteAttempt) -> bool:
        """The credentials are for those we were told to call, not for whoever a redirect names.

        An answer to a challenge of theirs is enough to guess a weak password.
        """
        known = {flow.remote[0] for target in self._invitation.targets for flow in target.hops}
        return attempt.flow.remote[0] in known

    def give_up_redirect(self) -> None:
        """No contact can be reached: what was answered last stands."""
        if self._verdict is not None and not self._is_cancelled:
            self._end(self._verdict)

    # The end

    def cancel(self, headers: tuple[tuple[str, str], ...], now: float) -> None:
        """Take the call back, whichever hop or redirect is being tried."""
        self._is_cancelled = True
        if self._call is not None:
            for timer in self.TIMERS:
                self._context.deadlines.clear((self._call.id, timer))
        if self._attempt.is_over:
            self._leave_call()
        else:
            self._attempt.withdraw(headers, now)

    def _leave_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.close()


def _retry_after_s(response: Response) -> int | None:
    seconds = response.seconds("Retry-After")
    return None if seconds is None else min(seconds, _LONGEST_RETRY_AFTER_S)
