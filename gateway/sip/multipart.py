"""Bodies of several parts (RFC 5621, RFC 2046 §5.1): the session description among what carriers put beside it.

Trunks of telephone networks send ISUP in the same INVITE (RFC 3204), phones of IMS their location. We read the
description and leave the rest unread, unless its sender insists on it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sip.grammar import SipParseError, parse_params, unquote_string
from gateway.sip.message import END_OF_HEAD, Request, Response, unfold

SDP = "application/sdp"
MULTIPART = "multipart/"
MAX_PARTS = 16
"""Parts that are looked at: several times what any network sends."""

_PLAIN_ENCODINGS = frozenset(("", "binary", "8bit", "7bit"))


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One part. ``content_type`` is in lower case without parameters; text/plain when it names none."""

    content_type: str
    handling: str
    """``required`` or ``optional`` as its Content-Disposition says; "" when that says nothing."""
    disposition: str
    """What it is for, in lower case; "" when it does not say."""
    body: bytes


def is_multipart(message: Request | Response) -> bool:
    """The body has parts."""
    return bool(message.body) and (message.content_type or "").startswith(MULTIPART)


def session_description(message: Request | Response) -> bytes | None:
    """The session description that a message carries, alone or as the first such part; None when there is none.

    A body of which nobody says what it is counts as one: in an ACK or a response there is nobody to refuse it.
    """
    if message.body and message.content_type in (SDP, None):
        return message.body if _is_session(_type_of(message.headers.get("Content-Disposition") or "")) else None
    if not is_multipart(message):
        return None
    sessions = (part for part in body_parts(message) if part.content_type == SDP and _is_session(part.disposition))
    return next((part.body for part in sessions), None)


def body_parts(message: Request | Response) -> tuple[BodyPart, ...]:
    """The parts of a multipart body, those inside another multipart left out. None when its boundary is missing."""
    boundary = _boundary(message.headers.get("Content-Type") or "")
    if boundary is None:
        return ()
    delimiter = b"\n--" + boundary
    # What stands before the first delimiter is a preamble, what stands behind the closing one an epilogue.
    pieces = (b"\n" + message.body).split(delimiter, MAX_PARTS + 1)[1:]
    parts = []
    for piece in pieces[:MAX_PARTS]:
        if piece.startswith(b"--"):
            break
        padding, line_end, content = piece.partition(b"\n")
        if line_end and not padding.strip(b" \t\r"):
            parts.append(_read_part(content))
    return tuple(part for part in parts if part is not None)


def _boundary(content_type: str) -> bytes | None:
    start = content_type.find(";")
    if start < 0:
        return None
    try:
        value = parse_params(content_type, start).get("boundary")
    except SipParseError:
        return None
    return unquote_string(value).encode("utf-8", "surrogateescape") if value else None


def _read_part(content: bytes) -> BodyPart | None:
    """The line end before the next delimiter belongs to the delimiter."""
    content = content.removesuffix(b"\r")
    if content.startswith((b"\r\n", b"\n")):
        return BodyPart("text/plain", "", "", content.partition(b"\n")[2])
    found = END_OF_HEAD.search(content)
    if found is None:
        return None
    fields: dict[str, str] = {}
    for line in unfold(content[: found.start()].decode("utf-8", "surrogateescape").rstrip("\r")):
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    if fields.get("content-transfer-encoding", "").lower() not in _PLAIN_ENCODINGS:
        return None
    kind = fields.get("content-type", "text/plain").partition(";")[0].replace(" ", "").lower()
    disposition = fields.get("content-disposition", "")
    return BodyPart(kind, _handling(disposition), _type_of(disposition), content[found.end() :])


def _type_of(disposition: str) -> str:
    return disposition.partition(";")[0].strip().lower()


def _is_session(disposition: str) -> bool:
    """Not the session of an announcement before the answer (RFC 3959 §4), which we have not asked for."""
    return disposition != "early-session"


def _handling(disposition: str) -> str:
    for param in disposition.split(";")[1:]:
        name, _, value = param.partition("=")
        if name.strip().lower() == "handling":
            return value.strip().lower()
    return ""
