"""What this user agent can do, as its headers say it, and the refusal of what it cannot (RFC 3261 §8.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.sip.grammar import SipParseError
from gateway.sip.message import Request, Response, make_response
from gateway.sip.multipart import body_parts, is_multipart, session_description
from gateway.sip.reason import reason_phrase
from gateway.sip.validation import Refusal, check_accept, check_body, check_hops, check_request

CALL_METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY")
"""Methods that every user agent of ours serves."""

EXTENSIONS = ("100rel", "timer", "replaces", "norefersub")
"""Option tags of RFC 3262, 4028, 3891 and 4488."""

ACCEPTED_TYPE = "application/sdp"
EVENT_PACKAGE = "refer"
"""The one event package we take notifications of (RFC 3515)."""

CONTENT_TYPE = ("Content-Type", ACCEPTED_TYPE)
ALLOW_EVENTS = ("Allow-Events", EVENT_PACKAGE)
_ACCEPT = ("Accept", ACCEPTED_TYPE)
_ACCEPT_ENCODING = ("Accept-Encoding", "identity")
_SESSION_METHODS = ("INVITE", "UPDATE", "PRACK")
"""Methods whose body, if any, is a session description."""


def refuse(status: int, rule: str, *headers: tuple[str, str], reason: str | None = None) -> Refusal:
    """A refusal of ours, with the registered reason phrase unless ``reason`` says it better."""
    return Refusal(status, reason or reason_phrase(status), rule, headers)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Methods and extensions of one user agent."""

    methods: tuple[str, ...] = CALL_METHODS
    extensions: tuple[str, ...] = EXTENSIONS

    @property
    def allow(self) -> tuple[str, str]:
        """The Allow header (RFC 3261 §20.5)."""
        return ("Allow", ", ".join(self.methods))

    @property
    def supported(self) -> tuple[str, str]:
        """The Supported header (RFC 3261 §20.37); an empty one says that there is nothing."""
        return ("Supported", ", ".join(self.extensions))

    def check(self, request: Request) -> Refusal | None:
        """Why this request cannot be served at all, in the order of RFC 3261 §8.2: method, headers, content."""
        refusal = check_request(request, supported_methods=self.methods, supported_extensions=self.extensions)
        if refusal is None:
            return self._check_content(request)
        if refusal.rule != "method" or refusal.status != 405:
            return refusal
        if request.method == "SUBSCRIBE":
            return refuse(489, "event_package", ALLOW_EVENTS)  # RFC 6665 §4.2.1.1: we publish no events of our own
        return refuse(405, "method", self.allow)

    def _check_content(self, request: Request) -> Refusal | None:
        if request.method == "INVITE":
            return _check_invite(request)
        return _check_session_body(request) if request.method in _SESSION_METHODS else None

    def options_response(self, request: Request, to_tag: str, server: tuple[str, str]) -> Response:
        """What OPTIONS asks for (RFC 3261 §11.2)."""
        headers = (
            self.allow,
            _ACCEPT,
            _ACCEPT_ENCODING,
            ("Accept-Language", "en"),
            self.supported,
            ALLOW_EVENTS,
            server,
        )
        return make_response(request, 200, to_tag=to_tag, headers=headers)


def _check_invite(invite: Request) -> Refusal | None:
    """A call may leave us again on another leg, so hops count, unlike for requests that end here."""
    refusal = check_hops(invite) or _check_session_body(invite) or check_accept(invite, ACCEPTED_TYPE)
    if refusal is not None and refusal.status == 406:
        return refuse(406, refusal.rule, _ACCEPT)
    return refusal


def _check_session_body(request: Request) -> Refusal | None:
    """415 for a body in which there is no session description, or that has a part its sender insists on.

    A part of another kind without a word about its handling is left unread, where RFC 5621 §5 would have it required:
    carriers say nothing and mean nothing by it.
    """
    if not is_multipart(request) or "Content-Encoding" in request.headers:
        return check_body(request, (ACCEPTED_TYPE,))
    parts = body_parts(request)
    is_readable = any(part.content_type == ACCEPTED_TYPE for part in parts)
    is_insisting = any(part.content_type != ACCEPTED_TYPE and part.handling == "required" for part in parts)
    return None if is_readable and not is_insisting else check_body(request, (ACCEPTED_TYPE,))


def offer_of(message: Request | Response) -> bytes | None:
    """The session description a message carries, alone or among other parts; None when there is none."""
    return session_description(message)


def option_tags(message: Request | Response, name: str) -> frozenset[str]:
    """The elements of Supported, Require or Allow, in lower case; none when the header is senseless."""
    try:
        return frozenset(element.lower() for element in message.headers.split(name) if element)
    except SipParseError:
        return frozenset()


def supports(message: Request | Response, option: str) -> bool:
    """The sender understands an extension: Require says so as well as Supported."""
    return option in option_tags(message, "Supported") or option in option_tags(message, "Require")


def without(options: Iterable[str], *left_out: str) -> tuple[str, ...]:
    """Option tags but for some."""
    return tuple(option for option in options if option not in left_out)
