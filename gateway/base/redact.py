"""Values that must not reach a log, an event or an error text."""

from __future__ import annotations

import re

MASK = "***"

_SECRET_PARAMETERS = re.compile(
    r"(?i)\b(authorization|proxy-authorization)(\s*[:=]\s*).*|\b(key|token|response|password)=([^&;,\s]+)"
)


class Secret:
    """A string that prints as a mask. ``reveal()`` is the only way to its value, so uses can be searched for."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself: hand it to the wire, never to a log."""
        return self._value

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def redact_text(text: str) -> str:
    """Masks credentials in a header line, URL or free text before it is logged."""

    def mask(match: re.Match[str]) -> str:
        if match.group(1):
            return f"{match.group(1)}{match.group(2)}{MASK}"
        return f"{match.group(3)}={MASK}"

    return _SECRET_PARAMETERS.sub(mask, text)
