"""Transfers the peer asks of us (RFC 3515): REFER in a call, our word on it, and the NOTIFYs we owe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.base.errors import LocalProtocolError
from gateway.sip.address import Address
from gateway.sip.capabilities import refuse
from gateway.sip.dialog import Dialog
from gateway.sip.events import CallReferred
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError
from gateway.sip.headers import Header
from gateway.sip.invite.in_dialog import InDialogRequest
from gateway.sip.invite.part import CallPart
from gateway.sip.message import Request, make_response
from gateway.sip.reason import reason_phrase
from gateway.sip.replaces import split_target
from gateway.sip.sipfrag import CONTENT_TYPE, make_sipfrag
from gateway.sip.transaction.non_invite_server import NonInviteServer
from gateway.sip.validation import Refusal

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call

_DECIDE_WITHIN_S = 15.0
"""A REFER that nobody decides on is declined: its sender gives up after 32 s."""

_SUBSCRIPTION_S = 180
"""How long the implicit subscription lasts."""

_MOST_SUBSCRIPTIONS = 4
"""Transfers of one call that may be told of at a time."""


class ReceivedReferral:
    """One REFER: undecided, then a subscription unless its sender wants none (RFC 4488)."""

    def __init__(self, request: Request, dialog: Dialog, server: NonInviteServer) -> None:
        self.dialog = dialog
        self.expires_at = 0.0
        self.wants_notify = (request.headers.get("Refer-Sub") or "").strip().lower() != "false"
        self.event = f"refer;id={request.cseq.number}"
        self._request = request
        self._server = server

    def respond(self, status: int, headers: Iterable[Header], now: float) -> None:
        """Accept or refuse it."""
        self._server.send_response(make_response(self._request, status, headers=headers), now)


class ReceivedTransfers(CallPart):
    """The transfers that the peer of one call has asked for.

    Timers in the call's table: ``refer`` declines one that nobody decides on, ``subscription`` ends those that are
    told of no more.
    """

    TIMERS = ("refer", "subscription")

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._undecided: tuple[str, ReceivedReferral] | None = None
        self._accepted: dict[str, ReceivedReferral] = {}

    def receive_refer(self, request: Request, dialog: Dialog, flow: Flow, now: float) -> Refusal | None:
        """A REFER in the dialog. Raises SipParseError for a Refer-To that is none."""
        context = self._call.context
        if request.headers.count("Refer-To") != 1:
            return refuse(400, "refer_to", reason="One Refer-To header field is needed")
        target, replaces = split_target(Address.parse(request.headers.get("Refer-To") or "").uri)
        if self._undecided is not None or len(self._accepted) >= _MOST_SUBSCRIPTIONS or not self._call.is_talking:
            return refuse(500, "refer_pending", context.retry_after(10))
        if not context.table.has_room:
            return refuse(503, "transaction_limit", context.retry_after(10))
        refer_id = str(request.cseq.number)
        referral = ReceivedReferral(request, dialog, context.table.open_slow_server(request, flow, now))
        self._undecided = (refer_id, referral)
        context.deadlines.set((self._call.id, "refer"), now + _DECIDE_WITHIN_S)
        referred_by = _referred_by(request)
        context.tell(CallReferred(self._call.id, refer_id, target, replaces, referred_by, request.headers))
        return None

    def accept(self, refer_id: str, now: float) -> None:
        """202, and a first NOTIFY that says 100 (RFC 3515 §2.4.4)."""
        referral = self._take(refer_id, "accept_refer")
        headers = [("Contact", referral.dialog.contact(self._call.context.identity))]
        if not referral.wants_notify:
            headers.append(("Refer-Sub", "false"))
        referral.respond(202, (*headers, self._call.context.identity.server), now)
        if referral.wants_notify:
            referral.expires_at = now + _SUBSCRIPTION_S
            self._accepted[refer_id] = referral
            self._arm()
            self._notify(referral, 100, reason_phrase(100), now)

    def refuse(self, refer_id: str, status: int, headers: Iterable[Header], now: float) -> None:
        """603, or what the call layer finds better."""
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"{status} is not a refusal; use 300 to 699")
        referral = self._take(refer_id, "refuse_refer")
        referral.respond(status, (*headers, self._call.context.identity.server), now)

    def notify(self, refer_id: str, status: int, reason: str | None, now: float) -> None:
        """How the call that the peer asked for goes; a final status ends the subscription."""
        referral = self._accepted.get(refer_id)
        if referral is None:
            return  # its sender wants no NOTIFY, or the subscription has run out
        self._notify(referral, status, reason or reason_phrase(status), now)
        if status >= 200:
            del self._accepted[refer_id]
            self._arm()

    def _notify(self, referral: ReceivedReferral, status: int, reason: str, now: float, ended: str = "") -> None:
        if status >= 200:
            ended = "noresource"
        left_s = max(0, round(referral.expires_at - now))
        state = f"terminated;reason={ended}" if ended else f"active;expires={left_s}"
        InDialogRequest(
            self._call,
            referral.dialog,
            "NOTIFY",
            headers=(("Event", referral.event), ("Subscription-State", state)),
            body=make_sipfrag(status, reason),
            content_type=f"{CONTENT_TYPE};version=2.0",
            is_usage_of_its_own=True,
        ).send(now)

    def _take(self, refer_id: str, command: str) -> ReceivedReferral:
        if self._undecided is None or self._undecided[0] != refer_id:
            raise LocalProtocolError(f"cannot {command}: no REFER {refer_id!r} waits for a decision")
        referral = self._undecided[1]
        self._undecided = None
        self._call.context.deadlines.clear((self._call.id, "refer"))
        return referral

    def _arm(self) -> None:
        key = (self._call.id, "subscription")
        if self._accepted:
            self._call.context.deadlines.set(key, min(one.expires_at for one in self._accepted.values()))
        else:
            self._call.context.deadlines.clear(key)

    def handle_timer(self, timer: str, now: float) -> None:
        """``refer``: 603. ``subscription``: it has run out, and its holder is told so (RFC 6665 §4.2.2)."""
        if timer == "refer" and self._undecided is not None:
            self.refuse(self._undecided[0], 603, (), now)
        elif timer == "subscription":
            for refer_id in [key for key, one in self._accepted.items() if one.expires_at <= now]:
                self._notify(self._accepted.pop(refer_id), 100, reason_phrase(100), now, ended="timeout")
            self._arm()

    def close(self, now: float | None) -> None:
        """The call is over: what is undecided is refused while there is somebody to tell."""
        if self._undecided is not None and now is not None:
            self.refuse(self._undecided[0], 481, (), now)
        self._undecided = None
        self._accepted.clear()
        for timer in self.TIMERS:
            self._call.context.deadlines.clear((self._call.id, timer))


def _referred_by(request: Request) -> str | None:
    """The URI of Referred-By (RFC 3892); None when there is none that can be read."""
    text = request.headers.get("Referred-By")
    try:
        return None if text is None else str(Address.parse(text).uri)
    except SipParseError:
        return None
