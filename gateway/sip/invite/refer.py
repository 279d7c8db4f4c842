"""Transfers we ask for (RFC 3515): REFER, its implicit subscription, and the NOTIFYs that tell how it goes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.base.errors import LocalProtocolError
from gateway.sip.address import Address
from gateway.sip.capabilities import ALLOW_EVENTS, EVENT_PACKAGE, refuse
from gateway.sip.dialog import Dialog
from gateway.sip.events import ReferProgress, ReferRefused
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError
from gateway.sip.headers import Header
from gateway.sip.invite.in_dialog import InDialogRequest
from gateway.sip.invite.part import CallPart
from gateway.sip.message import Request, Response, make_response
from gateway.sip.reason import reason_phrase
from gateway.sip.replaces import Replaces, check_refer_target, with_replaces
from gateway.sip.sipfrag import parse_sipfrag
from gateway.sip.validation import Refusal

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call

REFER_LIMIT_S = 120.0
"""How long, unless told otherwise, the outcome of a transfer is waited for."""

_ENDINGS = {"timeout": 408, "rejected": 603, "deactivated": 503, "probation": 503, "giveup": 480}
"""What the end of a subscription means whose last NOTIFY names no final status (RFC 6665 §4.1.3)."""


class Referral:
    """One REFER of ours. Its timer in the call's table is ``referral``.

    Peers differ: the NOTIFY may overtake the 202, lack Subscription-State, come twice, or after the BYE. The first
    final status is told; one that comes after our own limit is told as well, for the transfer has then succeeded late.
    """

    def __init__(self, call: Call, dialog: Dialog, limit_s: float) -> None:
        self.is_over = False
        """The outcome is known, or is not waited for any longer."""
        self.expires_at = 0.0
        self._call = call
        self._dialog = dialog
        self._limit_s = limit_s
        self._first_cseq = 0
        self._has_final = False

    def start(self, refer_to: str, headers: Iterable[Header], now: float) -> None:
        """Send the REFER; from here on a NOTIFY finds its subscription (RFC 6665 §4.4.1)."""
        fields = [("Refer-To", f"<{refer_to}>"), *headers]
        if not any(name.lower() == "referred-by" for name, _ in fields):
            fields.append(("Referred-By", f"<{Address.parse(self._dialog.local).uri}>"))
        self.expires_at = now + self._limit_s
        self._call.context.deadlines.set((self._call.id, "referral"), self.expires_at)
        request = InDialogRequest(self._call, self._dialog, "REFER", headers=fields, on_final=self._receive_final)
        self._first_cseq = request.send(now).cseq.number

    def _receive_final(self, status: int, reason: str, response: Response | None, now: float) -> None:
        if status >= 300:
            if not self._has_final and self._call.is_open:
                self._finish()
                headers = response.headers if response is not None else None
                self._call.context.tell(ReferRefused(self._call.id, status, reason, headers))
            return
        # RFC 4488 §4: nobody will tell how it ends.
        is_silent = response is not None and (response.headers.get("Refer-Sub") or "").strip().lower() == "false"
        if not self._has_final:
            self._tell(status, reason, is_final=is_silent)

    def receive_notify(self, request: Request) -> None:
        """What has become of the request that the peer sent for us.

        Its id, if any, is the CSeq number of the REFER (RFC 3515 §2.4.6): a lower one is of a transfer before this one.
        """
        identity = re.search(r";\s*id\s*=\s*(\d{1,10})\s*(?:;|$)", request.headers.get("Event") or "", re.ASCII)
        if identity is not None and int(identity[1]) < self._first_cseq:
            return
        state, _, params = (request.headers.get("Subscription-State") or "").partition(";")
        is_terminated = state.strip().lower() == "terminated"
        fragment = parse_sipfrag(request.body)
        if fragment is None:
            if is_terminated:
                status = next((code for name, code in _ENDINGS.items() if name in params.lower()), 500)
                self._tell(status, reason_phrase(status), is_final=True)
            return
        self._tell(*fragment, is_final=fragment[0] >= 200 or is_terminated)

    def handle_timer(self) -> None:
        """Our own limit: the peer has not said how it ended."""
        if not self.is_over:
            self.is_over = True
            self._call.context.tell(ReferProgress(self._call.id, 408, reason_phrase(408), is_final=True))

    def _tell(self, status: int, reason: str, *, is_final: bool) -> None:
        if self._has_final or (self.is_over and not is_final):
            return
        if is_final:
            self._finish()
        if self._call.is_open:
            self._call.context.tell(ReferProgress(self._call.id, status, reason, is_final))

    def _finish(self) -> None:
        self._has_final = self.is_over = True
        self._call.context.deadlines.clear((self._call.id, "referral"))


class Transfers(CallPart):
    """The transfers that we have asked for in one call, one at a time."""

    TIMERS = ("referral",)

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._referral: Referral | None = None

    def refer(self, target: str, replaced: Call | None, headers: Iterable[Header], limit_s: float, now: float) -> None:
        """Ask the peer to call ``target``; with ``replaced`` to take that call of ours over (RFC 3891).

        An empty target means the far end of the replaced call.
        """
        call = self._call
        if call.dialog is None or not call.is_talking:
            raise LocalProtocolError(f"cannot refer: the call is {call.state.value}")
        if self._referral is not None and not self._referral.is_over:
            raise LocalProtocolError("cannot refer: a transfer of this call is under way")
        refer_to = _refer_to(target, replaced)
        self._referral = Referral(call, call.dialog, limit_s)
        self._referral.start(refer_to, headers, now)

    def receive_notify(self, request: Request, flow: Flow, now: float) -> Refusal | None:
        """A NOTIFY in the dialog: 489 for another package, 481 where nothing was subscribed (RFC 6665 §4.1.3)."""
        if not is_refer_event(request):
            return refuse(489, "event_package", ALLOW_EVENTS)
        if self._referral is None:
            return refuse(481, "no_such_subscription")
        call = self._call
        response = make_response(request, 200, headers=(call.context.identity.server,))
        call.context.respond(request, response, flow, now)
        self._referral.receive_notify(request)
        return None

    def handle_timer(self) -> None:
        """``referral``."""
        if self._referral is not None:
            self._referral.handle_timer()

    def close(self) -> None:
        """The call is over, its subscription may not be: a NOTIFY that still comes is answered (RFC 5057 §4)."""
        call = self._call
        if self._referral is not None and call.dialog is not None:
            call.context.lingering.add(call.dialog.id, self._referral.expires_at)
        self._referral = None


def is_refer_event(request: Request) -> bool:
    """The notification is one of the package that a REFER subscribes to."""
    return (request.headers.get("Event") or "").partition(";")[0].strip().lower() == EVENT_PACKAGE


def _refer_to(target: str, replaced: Call | None) -> str:
    if replaced is not None and replaced.dialog is None:
        raise LocalProtocolError("cannot refer: the call to be replaced has no dialog")
    dialog = replaced.dialog if replaced is not None else None
    try:
        uri = str(check_refer_target(target or (dialog.target if dialog is not None else "")))
    except SipParseError as error:
        raise LocalProtocolError(f"cannot refer: {error}") from error
    if dialog is None:
        return uri
    # The tags as the one knows them who is called: its own one is our remote one (RFC 3891 §3).
    return with_replaces(uri, Replaces(dialog.call_id, to_tag=dialog.remote_tag, from_tag=dialog.local_tag))
