"""Client requests outside dialogs (RFC 3261 §8.1): REGISTER, and OPTIONS to see whether a trunk is there."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.sip.address import Address
from gateway.sip.dialog import MAX_FORWARDS
from gateway.sip.events import RequestAnswered, RequestFailed
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError
from gateway.sip.invite.context import CallContext
from gateway.sip.message import Request, Response, make_request
from gateway.sip.routing import request_path
from gateway.sip.transaction.table import RequestFailure

MAX_CLIENT_REQUESTS = 2_000
"""Requests of ours that may wait for their answers at once: a few for each trunk."""

_IN_DIALOGS_ONLY = frozenset(("INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE"))


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What to send, and on which flow. ``from_`` and ``to`` are addresses as their headers carry them, without tags."""

    method: str
    uri: str
    flow: Flow
    from_: str
    to: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    call_id: str | None = None
    """This, ``cseq`` and ``from_tag`` are made up when they are left out."""
    cseq: int | None = None
    from_tag: str | None = None
    route: tuple[str, ...] = ()
    """The preloaded Route, nearest hop first."""


class ClientRequests:
    """Sends them and tells of each how it ended: ``RequestAnswered`` or ``RequestFailed``, exactly once."""

    def __init__(self, context: CallContext, *, limit: int = MAX_CLIENT_REQUESTS) -> None:
        self._context = context
        self._limit = limit
        self._waiting: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def send(self, wanted: ClientRequest, now: float) -> str:
        """See ``UserAgent.send_request``."""
        method, flow = wanted.method, wanted.flow
        if method in _IN_DIALOGS_ONLY:
            raise LocalProtocolError(f"{method} is no request outside a dialog that stands alone")
        if len(self._waiting) >= self._limit or not self._context.table.has_room:
            raise CapacityError("too many requests wait for an answer")
        context = self._context
        try:
            request_uri, routes = request_path(wanted.uri, wanted.route)
            party = Address.parse(wanted.from_).as_party()
            fields = [
                ("Via", context.identity.via(flow, context.ids.branch())),
                MAX_FORWARDS,
                *(("Route", element) for element in routes),
                ("From", str(party.with_params(tag=wanted.from_tag or context.ids.tag()))),
                ("To", str(Address.parse(wanted.to).as_party())),
                ("Call-ID", wanted.call_id or context.ids.call_id()),
                ("CSeq", f"{wanted.cseq or context.ids.bits(16) + 1} {method}"),
                context.identity.user_agent,
                *wanted.headers,
            ]
        except SipParseError as error:
            raise LocalProtocolError(f"cannot send {method}: {error}") from error
        return self._start(make_request(method, request_uri, headers=fields, body=wanted.body), flow, now)

    def _start(self, request: Request, flow: Flow, now: float) -> str:
        request_id = self._context.ids.token()
        self._waiting.add(request_id)
        self._context.table.send_request(request, flow, now, _Waiting(self, request_id))
        return request_id

    def answered(self, request_id: str, response: Response) -> None:
        """The final response."""
        self._waiting.discard(request_id)
        self._context.tell(RequestAnswered(request_id, response))

    def failed(self, request_id: str, failure: RequestFailure) -> None:
        """There will be none."""
        self._waiting.discard(request_id)
        self._context.tell(RequestFailed(request_id, failure))


class _Waiting:
    """The transaction user of one of these requests."""

    def __init__(self, requests: ClientRequests, request_id: str) -> None:
        self._requests = requests
        self._id = request_id

    def receive_response(self, response: Response, now: float) -> None:
        """Provisional responses say nothing that anybody waits for."""
        if response.status >= 200:
            self._requests.answered(self._id, response)

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        """Timer F, or the flow is gone."""
        self._requests.failed(self._id, failure)
