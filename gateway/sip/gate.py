"""The gate of a user agent: asks the door who is heard and let in, and answers, if at all, who is not."""

from __future__ import annotations

from gateway.base.errors import RemoteProtocolError
from gateway.sip.admission import Allow, Challenge, Refuse, Silence
from gateway.sip.capabilities import refuse
from gateway.sip.config import UserAgentConfig
from gateway.sip.events import RequestRefused
from gateway.sip.flow import Flow
from gateway.sip.identity import stateless_tag
from gateway.sip.invite.call import Call
from gateway.sip.invite.context import CallContext
from gateway.sip.invite.parties import is_with, lives_at
from gateway.sip.message import Request, make_response
from gateway.sip.routing import refusal_flow
from gateway.sip.validation import Refusal

MOST_ANSWERED = 3
"""Over UDP, where sources are forged, who has proved nothing draws no answer longer than so many times his request (as
RFC 9000 §8.1 has it for QUIC). Requests of real equipment are about as long as their answers."""

AMPLIFICATION = "amplification"
"""The rule by which a short request gets no long answer."""

_ANOTHERS_CALL = refuse(403, "anothers_call")


class Gate:
    """Whatever it turns away is counted and told by the name of the rule. It keeps no state of its own."""

    def __init__(self, config: UserAgentConfig, context: CallContext, tag_key: bytes) -> None:
        self._config = config
        self._context = context
        self._tag_key = tag_key

    def hears(self, flow: Flow, now: float) -> bool:
        """Whether anything that comes on ``flow``, a connection being accepted included, is listened to at all."""
        rule = self._config.hears(flow, now)
        if rule is not None:
            self.silence("", flow, rule)
        return rule is None

    def may_enter(self, call: Call, request: Request, flow: Flow, now: float) -> bool:
        """The host a call lives on, or was placed to, was let in with it. Another, though it knows the tags, is asked
        for by the door, and must be who the call is with: no trunk or account has business in calls of another."""
        if lives_at(call, flow):
            return True
        admission = self.admit(request, flow, now)
        if admission is not None and not is_with(call, admission):
            self.refuse(request, flow, _ANOTHERS_CALL)
            return False
        if admission is not None and call.dialog is not None and self._config.credentials(admission, flow) is not None:
            call.dialog.may_answer(flow.remote[0])
        return admission is not None

    def admit(self, request: Request, flow: Flow, now: float) -> Allow | None:
        """Ask the door. What it turns away is answered here, if at all."""
        admission = self._config.admit(request, flow, now)
        match admission:
            case Silence(rule=rule):
                self.silence(request.method, flow, rule)
            case Refuse(status=status, reason=reason, rule=rule, headers=headers):
                self._turn_away(request, flow, Refusal(status, reason, rule, headers))
            case Challenge(headers=headers):
                self._turn_away(request, flow, Refusal(401, "Unauthorized", "challenged", headers))
            case Allow():
                return admission
        return None

    def silence(self, method: str, flow: Flow, rule: str) -> None:
        """Nothing goes back; it is counted and told."""
        self._context.stats.requests_silenced += 1
        self._context.tell(RequestRefused(method, flow, None, rule))

    def refuse(self, request: Request, flow: Flow, refusal: Refusal) -> None:
        """Answer without keeping state, count and tell."""
        if self._answer(request, flow, refusal):
            self._context.note_refusal(request, flow, refusal)

    def _turn_away(self, request: Request, flow: Flow, refusal: Refusal) -> None:
        """Answer what the door has not let in, unless its source could be forged to have a victim flooded."""
        most = None if flow.is_reliable or not request.octets else MOST_ANSWERED * request.octets
        if not self._answer(request, flow, refusal, most):
            return
        if refusal.status == 401:
            self._context.stats.requests_challenged += 1
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
            self._context.stats.unreadable_messages += 1
            return False
        data = response.to_bytes()
        if most is not None and len(data) > most:
            self.silence(request.method, flow, AMPLIFICATION)
            return False
        self._context.send(flow, data)
        return True
