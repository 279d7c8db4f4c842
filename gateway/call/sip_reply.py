"""What the far end's SIP said about our INVITE or the end of a call: for record, event and answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_CAUSE = re.compile(r"(?i)^\s*Q\.850\s*(?:;.*?)?;\s*cause\s*=\s*(\d{1,3})\s*(?:;|$)")
_TEXT = re.compile(r'(?i);\s*text\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))')
_MAX_TEXT = 120


@dataclass(frozen=True, slots=True)
class SipReply:
    """A final answer or a BYE as the far end put it; what was not said is None."""

    status: int | None = None
    reason: str = ""
    """The reason phrase beside the status."""
    q850: int | None = None
    """The telephone network's cause (ITU-T Q.850), from a Reason header (RFC 3326)."""
    text: str = ""
    """That header's text."""
    cause: str = ""
    """How signalling ended it where no answer did: ``transaction_timeout``, ``flow_failed``, ``bye`` …"""

    @classmethod
    def read(
        cls, status: int | None, reason: str, headers: Iterable[tuple[str, str]] | None, *, cause: str = ""
    ) -> SipReply:
        """From a response or a BYE; ``headers`` as (name, value) pairs."""
        q850, text = None, ""
        for name, value in headers or ():
            if name.lower() == "reason" and q850 is None:
                q850, text = _read_reason(value)
        return cls(status, _printable(reason), q850, text, cause)

    def details(self) -> dict[str, Any]:
        """What was said, as fields of an event."""
        said = {
            "sip_status": self.status,
            "sip_reason": self.reason,
            "q850_cause": self.q850,
            "q850_text": self.text,
            "sip_cause": self.cause,
        }
        return {name: value for name, value in said.items() if value not in (None, "")}


def _read_reason(value: str) -> tuple[int | None, str]:
    """Cause and text of the first Q.850 value: a header may list several (RFC 3326 §2)."""
    for part in _split(value):
        found = _CAUSE.match(part)
        if found:
            text = _TEXT.search(part)
            return int(found[1]), _printable((text[1] or text[2] or "") if text else "")
    return None, ""


def _split(value: str) -> list[str]:
    """At commas outside of quotes."""
    return re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+', value[:1000])


def _printable(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode()
    return "".join(character for character in clean if character.isprintable())[:_MAX_TEXT]
