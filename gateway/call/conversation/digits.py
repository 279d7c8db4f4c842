"""Keypad digits, gathered until the caller pauses or presses the terminator, then told to the agent as one message."""

from __future__ import annotations

_SPOKEN = {"*": "star", "#": "pound"}


class DigitCollector:
    """Collects digits of one call. An entry is complete ``pause_s`` after its last digit, or at the ``terminator``."""

    def __init__(self, *, pause_s: float, terminator: str | None = "#") -> None:
        self._pause_s = pause_s
        self._terminator = terminator
        self._digits = ""
        self._deadline: float | None = None

    def receive_digit(self, digit: str, now: float) -> str | None:
        """Adds one digit; answers the whole entry when this one terminates it. The terminator is not part of it."""
        if digit == self._terminator:
            return self._complete() or digit
        self._digits += digit
        self._deadline = now + self._pause_s
        return None

    def next_deadline(self) -> float | None:
        """When the pause after the last digit ends."""
        return self._deadline

    def handle_timeout(self, now: float) -> str | None:
        """Answers the entry when the caller has paused long enough."""
        if self._deadline is None or now < self._deadline:
            return None
        return self._complete()

    def _complete(self) -> str:
        digits, self._digits, self._deadline = self._digits, "", None
        return digits


def message_for_agent(digits: str) -> str:
    """The user message that tells the agent about an entry; digits are spelled apart so that a model reads each."""
    spelled = " ".join(_SPOKEN.get(digit, digit) for digit in digits)
    return f"The caller pressed these keys on the telephone keypad: {spelled}"
