"""The hops of a call that we place, one after another: what each is asked for, by which route, with which offer."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.base.errors import LocalProtocolError
from gateway.sip.flow import Flow
from gateway.sip.invite.invitation import Invitation, MakeOffer, Target


class Way:
    """``uri``, ``route`` and ``body`` are those of the hop that ``advance`` has named last."""

    def __init__(self, targets: Sequence[Target], body: bytes, make_offer: MakeOffer | None) -> None:
        first, *more = targets
        self.uri = first.request_uri
        self.route = first.route
        self.body = body
        self._hops = first.hops
        self._targets = tuple(more)
        self._make_offer = make_offer
        self._offered_to: Flow | None = None

    @classmethod
    def of(cls, invitation: Invitation) -> Way:
        """From its first target to its last. Raises LocalProtocolError when one has no hop."""
        if not all(target.hops for target in invitation.targets):
            raise LocalProtocolError("an invitation needs at least one hop for each target")
        return cls(invitation.targets, invitation.body, invitation.make_offer)

    def detour(self, uri: str, hops: Sequence[Flow], route: Sequence[str] | None) -> Way:
        """Another way from here on, as a redirect names it; what it leaves out stays. Raises LocalProtocolError."""
        if not hops:
            raise LocalProtocolError("a redirect needs at least one hop")
        target = Target(uri or self.uri, tuple(hops), self.route if route is None else tuple(route))
        way = Way([target], self.body, self._make_offer)
        way._offered_to = self._offered_to
        return way

    @property
    def goes_on(self) -> bool:
        """There is another hop."""
        return bool(self._hops or self._targets)

    def advance(self) -> tuple[Flow, bool]:
        """The next hop, and whether it is the first of another target.

        Hops that get no offer are passed over. Raises LocalProtocolError when all are; the last one's word stands.
        """
        uri, route, is_other_target = self.uri, self.route, False
        while self.goes_on:
            if not self._hops:
                target, *targets = self._targets
                self._targets = tuple(targets)
                uri, route, self._hops, is_other_target = target.request_uri, target.route, target.hops, True
            flow, *hops = self._hops
            self._hops = tuple(hops)
            if self._offers_to(flow):
                self.uri, self.route = uri, route
                return flow, is_other_target
        raise LocalProtocolError("no hop is left that audio can be had at")

    def _offers_to(self, flow: Flow) -> bool:
        """Whether there is an offer for this hop: it is the body from here on."""
        if self._make_offer is None or flow == self._offered_to:
            return True
        body = self._make_offer(flow)
        if body is not None:
            self.body, self._offered_to = body, flow
        return body is not None
