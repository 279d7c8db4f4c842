"""What this user agent can do, as its headers say it, and the refusal of what it cannot (RFC 3261 §8.2)."""

from __future__ import annotations

from gateway.sip.message import Request, Response, make_response
from gateway.sip.reason import reason_phrase
from gateway.sip.validation import Refusal, check_accept, check_body, check_hops, check_request

ALLOWED_METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS")
SUPPORTED_EXTENSIONS: tuple[str, ...] = ()
"""Option tags. None yet; an empty Supported says so (RFC 3261 §20.37)."""

ACCEPTED_TYPE = "application/sdp"

ALLOW = ("Allow", ", ".join(ALLOWED_METHODS))
SUPPORTED = ("Supported", ", ".join(SUPPORTED_EXTENSIONS))
CONTENT_TYPE = ("Content-Type", ACCEPTED_TYPE)
_ACCEPT = ("Accept", ACCEPTED_TYPE)
_ACCEPT_ENCODING = ("Accept-Encoding", "identity")


def refuse(status: int, rule: str, *headers: tuple[str, str], reason: str | None = None) -> Refusal:
    """A refusal of ours, with the registered reason phrase unless ``reason`` says it better."""
    return Refusal(status, reason or reason_phrase(status), rule, headers)


def check_capabilities(request: Request) -> Refusal | None:
    """Why this request cannot be served at all, in the order of RFC 3261 §8.2: method, headers, content."""
    refusal = check_request(request, supported_methods=ALLOWED_METHODS, supported_extensions=SUPPORTED_EXTENSIONS)
    if refusal is None:
        return _check_invite(request) if request.method == "INVITE" else None
    if refusal.rule != "method" or refusal.status != 405:
        return refusal
    if request.method == "NOTIFY":
        # We subscribe to nothing: whatever the event package is, it is one we do not know (RFC 3265 §3.2.4).
        return refuse(489, "event_package")
    # INFO too: 469 would say that we take INFO, only not this package (RFC 6086).
    return refuse(405, "method", ALLOW)


def _check_invite(invite: Request) -> Refusal | None:
    """A call may leave us again on another leg, so hops count, unlike for requests that end here."""
    refusal = check_hops(invite) or check_body(invite, (ACCEPTED_TYPE,)) or check_accept(invite, ACCEPTED_TYPE)
    if refusal is not None and refusal.status == 406:
        return refuse(406, refusal.rule, _ACCEPT)
    return refusal


def offer_of(message: Request | Response) -> bytes | None:
    """The session description a message carries, if any."""
    return message.body if message.body and message.content_type == ACCEPTED_TYPE else None


def options_response(request: Request, to_tag: str, server: tuple[str, str]) -> Response:
    """What OPTIONS asks for (RFC 3261 §11.2)."""
    headers = (ALLOW, _ACCEPT, _ACCEPT_ENCODING, ("Accept-Language", "en"), SUPPORTED, server)
    return make_response(request, 200, to_tag=to_tag, headers=headers)
