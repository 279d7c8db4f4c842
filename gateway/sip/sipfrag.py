"""Fragments of SIP messages (RFC 3420), as far as a transfer needs them: the status line in a NOTIFY's body."""

from __future__ import annotations

import re

from gateway.sip.reason import reason_phrase

CONTENT_TYPE = "message/sipfrag"

_STATUS_LINE = re.compile(r"[ \t\r\n]*+SIP/2\.0[ \t]++([1-6][0-9]{2})(?![0-9])[ \t]*+([^\r\n]{0,200})", re.IGNORECASE)


def parse_sipfrag(body: bytes) -> tuple[int, str] | None:
    """Status and reason of the first line; None when the body begins with something else.

    Tolerated: empty lines before it, no line end behind it, no reason phrase.
    """
    found = _STATUS_LINE.match(body[:400].decode("utf-8", "replace"))
    if found is None:
        return None
    status = int(found[1])
    reason = "".join(character for character in found[2].strip() if character.isprintable())
    return status, reason or reason_phrase(status)


def make_sipfrag(status: int, reason: str) -> bytes:
    """The body of a NOTIFY that tells how the request of a transfer was answered (RFC 3515 §2.4.4)."""
    return f"SIP/2.0 {status} {reason}\r\n".encode()
