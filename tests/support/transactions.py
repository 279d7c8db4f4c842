"""Drives one transaction machine on virtual time."""

from __future__ import annotations

from gateway.sip.message import Request, Response, parse_message
from gateway.sip.transaction.machine import Machine, TransactionContext


class MachineBench:
    """Fires a machine's timers and notes when it sent what."""

    def __init__(self, context: TransactionContext) -> None:
        self.context = context
        self.timeouts: list[tuple[float, str]] = []

    def sent(self) -> list[Request | Response]:
        """What was sent since the last look."""
        messages = [parse_message(data) for _, data in self.context.outgoing]
        self.context.outgoing.clear()
        return messages

    def advance(self, machine: Machine, start: float, end: float) -> list[tuple[float, Request | Response]]:
        """Fire everything due up to ``end``; times are counted from ``start``."""
        log: list[tuple[float, Request | Response]] = []
        while (deadline := self.context.deadlines.next_deadline()) is not None and deadline <= end:
            for _, letter in self.context.deadlines.pop_due(deadline):
                if machine.is_terminated:
                    continue
                if machine.handle_timer(letter, deadline):  # type: ignore[attr-defined]
                    self.timeouts.append((deadline - start, letter))
                log += [(round(deadline - start, 6), message) for message in self.sent()]
        return log
