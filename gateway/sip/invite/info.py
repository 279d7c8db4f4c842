"""INFO in a call (RFC 6086): keys and picture requests of equipment that has no better way, and ours to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sip.capabilities import refuse
from gateway.sip.events import InfoReceived
from gateway.sip.flow import Flow
from gateway.sip.message import Request, make_response
from gateway.sip.validation import Refusal

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call

ACCEPTED_TYPES = ("application/dtmf-relay", "application/dtmf", "application/media_control+xml")
"""Bodies without a package (RFC 6086 §4.2, legacy usage). A request for a picture is answered 200 and told, no more."""


def receive_info(call: Call, request: Request, flow: Flow, now: float) -> Refusal | None:
    """200 and an event; 469 for an Info-Package, of which we take none; 415 for a body nobody here reads."""
    if request.headers.get("Info-Package"):
        return refuse(469, "info_package", ("Recv-Info", ""))
    content_type = request.content_type or ""
    if request.body and content_type not in ACCEPTED_TYPES:
        return refuse(415, "content_type", ("Accept", ", ".join(ACCEPTED_TYPES)))
    context = call.context
    response = make_response(request, 200, headers=(context.identity.server,))
    context.respond(request, response, flow, now)
    if request.body:
        context.tell(InfoReceived(call.id, content_type, request.body, request.headers))
    return None
