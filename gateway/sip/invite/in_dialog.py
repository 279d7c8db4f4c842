"""A request of ours inside a call other than INVITE, ACK and BYE: built in one place, answered to one listener."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.sip.capabilities import without
from gateway.sip.dialog import Dialog
from gateway.sip.headers import Header
from gateway.sip.message import Request, Response
from gateway.sip.reason import reason_phrase
from gateway.sip.transaction.table import RequestFailure

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call
    from gateway.sip.invite.context import CallContext

MAX_CHALLENGES = 3
"""401 and 407 that one request answers: a proxy, the peer, and a nonce gone stale."""

OnFinal = Callable[[int, str, Response | None, float], None]
"""Told once: status, reason, the response itself unless none came (408, 503), and when."""

_WITH_CONTACT = frozenset(("INVITE", "UPDATE", "REFER", "NOTIFY"))
"""Requests that may move the remote target (RFC 3261 §12.2.1.1, 3311 §5.1, 3515 §2.2, 6665 §3.2)."""

_WITH_ABILITIES = frozenset(("INVITE", "UPDATE", "REFER", "OPTIONS"))


def make_in_dialog(
    context: CallContext,
    dialog: Dialog,
    method: str,
    *,
    headers: Iterable[Header] = (),
    body: bytes = b"",
    content_type: str = "application/sdp",
) -> Request:
    """The next request in a dialog, with the headers that its method shall carry; takes the next CSeq number."""
    fields: list[Header] = []
    if method in _WITH_CONTACT:
        fields.append(("Contact", dialog.contact(context.identity)))
    if method in _WITH_ABILITIES:
        fields += [context.capabilities.allow, _supported(context, method)]
    if body:
        fields.append(("Content-Type", content_type))
    return dialog.make_request(method, context.ids.branch(), context.identity, headers=[*fields, *headers], body=body)


def _supported(context: CallContext, method: str) -> Header:
    """A re-INVITE asks for no reliable provisional answers: in a call that is up nobody waits for news of ringing."""
    ours, left_out = context.capabilities, ("100rel",) if method == "INVITE" else ()
    return replace(ours, extensions=without(ours.extensions, *left_out)).supported


class InDialogRequest:
    """One such request and its final answer.

    A 481 ends the call, unless the request belongs to a usage of its own: a NOTIFY to its subscription (RFC 5057
    §5.1). That nobody answers ends it where ``is_vital`` says so: there are peers that keep silent on an INFO and talk
    on.
    """

    def __init__(
        self,
        call: Call,
        dialog: Dialog,
        method: str,
        *,
        headers: Iterable[Header] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
        is_vital: bool = False,
        is_usage_of_its_own: bool = False,
        on_final: OnFinal | None = None,
    ) -> None:
        self._call = call
        self._dialog = dialog
        self._method = method
        self._headers = tuple(headers)
        self._body = body
        self._content_type = content_type
        self._is_vital = is_vital
        self._is_usage_of_its_own = is_usage_of_its_own
        self._on_final = on_final
        self._request: Request | None = None
        self._challenges = 0

    def send(self, now: float) -> Request:
        """Let it leave; returns it."""
        context = self._call.context
        request = make_in_dialog(
            context,
            self._dialog,
            self._method,
            headers=self._headers,
            body=self._body,
            content_type=self._content_type,
        )
        self._request = request
        context.table.send_request(request, self._dialog.flow, now, self)
        return request

    def receive_response(self, response: Response, now: float) -> None:
        """Finals only are news."""
        if response.status < 200:
            return
        if self._may_go_on and self._answers(response):
            self.send(now)
            return
        self._call.peer.note(response)
        self._tell(response.status, response.reason, response, now)
        is_unknown = response.status == 481 and not self._is_usage_of_its_own
        if is_unknown or (response.status == 408 and self._is_vital):
            self._call.dialog_gone(now)

    @property
    def _may_go_on(self) -> bool:
        """Nothing of the call itself follows its BYE."""
        return self._call.is_open or self._is_usage_of_its_own

    def _answers(self, response: Response) -> bool:
        if self._request is None or self._challenges == MAX_CHALLENGES:
            return False
        self._challenges += 1
        return self._dialog.answers_challenge(self._request, response)

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        """Timeout counts as 408, a failed flow as 503 (RFC 3261 §8.1.3.1)."""
        status = 408 if failure is RequestFailure.TIMEOUT else 503
        self._tell(status, reason_phrase(status), None, now)
        if status == 408 and self._is_vital:
            self._call.dialog_gone(now)

    def _tell(self, status: int, reason: str, response: Response | None, now: float) -> None:
        if self._on_final is not None:
            self._on_final(status, reason, response, now)


def credentials_of(request: Request) -> tuple[Header, ...]:
    """What the ACK to its 2xx must repeat (RFC 3261 §13.2.2.4)."""
    names = ("Authorization", "Proxy-Authorization")
    return tuple((name, value) for name in names for value in request.headers.get_all(name))
