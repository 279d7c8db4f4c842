"""What a message must be before a user agent looks at it: RFC 3261 §8.2.1-§8.2.3 and §8.1.3, as RFC 4475 tests them.

``check_request`` answers from the message alone. What depends on the moment (the body we can use now, whether we
forward) are checks of their own, for the user agent to call when it needs them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gateway.sip.grammar import SipParseError, is_token, quote_string
from gateway.sip.message import VERSION, Request, Response
from gateway.sip.reason import reason_phrase
from gateway.sip.uri import SipUri, TelUri, Uri

KNOWN_METHODS = frozenset(
    (
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "INVITE",
        "MESSAGE",
        "NOTIFY",
        "OPTIONS",
        "PRACK",
        "PUBLISH",
        "REFER",
        "REGISTER",
        "SUBSCRIBE",
        "UPDATE",
    )
)
"""Every registered method: known and unsupported is 405, unknown is 501 (RFC 3261 §8.2.1, §21.5.2)."""

_SINGLE = ("From", "To", "Call-ID", "CSeq", "Content-Length", "Max-Forwards", "Content-Type")
"""Header fields of which a message has one at most, and whose second one would change what it means."""

_READ_FROM_EVERY_REQUEST = (
    ("Via", "vias"),
    ("From", "from_"),
    ("To", "to"),
    ("Call-ID", "call_id"),
    ("CSeq", "cseq"),
    ("Record-Route", "record_routes"),
)
"""Header fields without which, or with which malformed, no transaction or dialog can be kept, and their views."""

_CONTACT_METHODS = frozenset(("INVITE", "NOTIFY", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"))
"""Methods whose Contact is used. A malformed header nobody needs is ignored (RFC 3261 §8.2.2)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused: status and reason phrase for its sender, the rule's name for log and metric.

    An ACK is never answered: refusing it means to drop it.
    """

    status: int
    reason: str
    rule: str
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_error(cls, error: SipParseError, rule: str = "malformed_message") -> Refusal:
        """The refusal of a message that could not be parsed: what is wrong with it stands in a Warning."""
        return cls(error.status, reason_phrase(error.status), rule, (warning(str(error)),))


def warning(text: str, code: int = 399) -> tuple[str, str]:
    """A Warning header (RFC 3261 §20.43): 399 is for people, 30x and 370 tell what is wrong with a session."""
    return ("Warning", f"{code} gateway {quote_string(text)}")


def check_request(
    request: Request,
    *,
    supported_methods: Collection[str],
    supported_extensions: Collection[str],
    supported_schemes: Collection[str] = ("sip", "sips", "tel"),
    will_forward: bool = False,
) -> Refusal | None:
    """The refusal this request deserves whatever we are doing, or None when it may be processed.

    ``will_forward``: Max-Forwards binds who sends a request on, and not the user agent that ends it (RFC 4475 §3.3.11).
    """
    if request.version.upper() != VERSION:
        return Refusal(505, reason_phrase(505), "version")
    return (
        _check_headers(request)
        or _check_method(request, supported_methods)
        or _check_request_uri(request, supported_schemes)
        or _check_extensions(request, supported_extensions)
        or (check_hops(request) if will_forward else None)
    )


def check_response(response: Response) -> bool:
    """False: drop it silently, for a response is never answered.

    More than one Via means that it was meant for somebody else (RFC 3261 §8.1.3.3).
    """
    if response.version.upper() != VERSION or not 100 <= response.status <= 699:
        return False
    try:
        return (
            not any(response.headers.count(name) > 1 for name in _SINGLE)
            and len(response.vias) == 1
            and bool(response.cseq and response.from_ and response.to and response.call_id)
        )
    except SipParseError:
        return False


def check_hops(request: Request) -> Refusal | None:
    """483 for a request that may not travel any further (RFC 3261 §16.3). A senseless number counts as none."""
    try:
        is_exhausted = request.max_forwards == 0
    except SipParseError:
        is_exhausted = False
    return Refusal(483, reason_phrase(483), "max_forwards") if is_exhausted else None


def check_body(request: Request, accepted_types: Collection[str]) -> Refusal | None:
    """415 for a body that we cannot read (RFC 3261 §8.2.3), unless its sender says that it is optional."""
    if not request.body or _is_optional(request):
        return None
    encodings = [coding.lower() for coding in _elements(request, "Content-Encoding")]
    if any(coding not in {"", "identity"} for coding in encodings):
        return Refusal(415, reason_phrase(415), "content_encoding", (("Accept-Encoding", "identity"),))
    if request.content_type not in accepted_types:
        return Refusal(415, reason_phrase(415), "content_type", (("Accept", ", ".join(accepted_types)),))
    return None


def check_accept(request: Request, content_type: str) -> Refusal | None:
    """406 when the Accept header leaves no room for the body that we would answer with (RFC 3261 §20.1, §21.4.7)."""
    if "Accept" not in request.headers:
        return None
    family = content_type.partition("/")[0]
    for element in _elements(request, "Accept"):
        media_range, _, params = element.partition(";")
        if media_range.replace(" ", "").lower() in {"*/*", f"{family}/*", content_type} and not _is_zero_quality(
            params
        ):
            return None
    return Refusal(406, reason_phrase(406), "accept")


def _check_headers(request: Request) -> Refusal | None:
    headers = request.headers
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        if not headers.get(name):
            return Refusal(400, f"Missing {name} header field", "missing_header")
    for name in _SINGLE:
        if headers.count(name) > 1:
            return Refusal(400, f"More than one {name} header field", "duplicate_header")
    for name, view in _READ_FROM_EVERY_REQUEST:
        try:
            getattr(request, view)
        except SipParseError:
            return Refusal(400, f"Malformed {name} header field", "malformed_header")
    return _check_contacts(request) if request.method in _CONTACT_METHODS else None


def _check_contacts(request: Request) -> Refusal | None:
    try:
        _ = request.contacts
    except SipParseError:
        return Refusal(400, "Malformed Contact header field", "malformed_header")
    return None


def _check_method(request: Request, supported: Collection[str]) -> Refusal | None:
    """The method before its CSeq: to an unknown method with the wrong CSeq, 501 says more (RFC 4475 §3.1.2.18)."""
    method = request.method
    if method not in supported:
        status = 405 if method in KNOWN_METHODS else 501
        return Refusal(status, reason_phrase(status), "method", (("Allow", ", ".join(sorted(supported))),))
    if request.cseq.method != method:
        return Refusal(400, "CSeq method does not match the request", "cseq_method")
    return None


def _check_request_uri(request: Request, supported: Collection[str]) -> Refusal | None:
    try:
        uri = request.request_uri
    except SipParseError:
        return Refusal(400, "Malformed Request-URI", "request_uri")
    if _scheme(uri) not in supported:
        return Refusal(416, reason_phrase(416), "uri_scheme")
    if isinstance(uri, SipUri) and uri.headers is not None:
        # RFC 3261 §19.1.1: headers may not stand here, and must never become headers of the request.
        return Refusal(400, "Request-URI with headers", "request_uri")
    return None


def _scheme(uri: Uri) -> str:
    return "tel" if isinstance(uri, TelUri) else uri.scheme


def _check_extensions(request: Request, supported: Collection[str]) -> Refusal | None:
    """420 with what we lack (RFC 3261 §8.2.2.3). Require has no meaning in ACK and CANCEL."""
    if request.method in {"ACK", "CANCEL"}:
        return None
    options = [option for option in _elements(request, "Require") if option]
    if not all(map(is_token, options)):
        return Refusal(400, "Malformed Require header field", "malformed_header")
    missing = [option for option in options if option.lower() not in supported]
    if not missing:
        return None
    return Refusal(420, reason_phrase(420), "require", (("Unsupported", ", ".join(missing)),))


def _elements(request: Request, name: str) -> Iterable[str]:
    """Elements of a list header; one whose quotes do not balance is a single senseless element."""
    try:
        return request.headers.split(name)
    except SipParseError:
        return request.headers.get_all(name)


def _is_optional(request: Request) -> bool:
    """Content-Disposition with ``handling=optional`` (RFC 3261 §20.11)."""
    disposition = request.headers.get("Content-Disposition") or ""
    return any(
        name.strip().lower() == "handling" and value.strip().lower() == "optional"
        for name, _, value in (param.partition("=") for param in disposition.split(";")[1:])
    )


def _is_zero_quality(params: str) -> bool:
    """``q=0``: not acceptable at all (RFC 3261 §20.1 after RFC 2616 §3.9)."""
    for param in params.split(";"):
        name, _, value = param.partition("=")
        if name.strip().lower() == "q":
            return value.strip() in {"0", "0.", "0.0", "0.00", "0.000"}
    return False
