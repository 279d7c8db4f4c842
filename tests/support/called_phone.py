"""The demo's telephone in the hands of tests: it can be called as well, refuse, and be sent elsewhere."""

from __future__ import annotations

import time

from gateway.demo.phone import Phone
from gateway.sdp.description import parse_description
from gateway.sdp.offer_answer import answer_offer
from gateway.sip.events import CallCancelled, CallOffered, CallReferred, Event, ReferRefused
from gateway.sip.grammar import format_host_port


class CalledPhone(Phone):
    """One telephone on ``address``, one call at a time."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.offered: CallOffered | None = None
        """The call that has come in."""
        self.referred: CallReferred | None = None
        """Whom it was asked to call instead."""
        self.refer_status: int | None = None
        """How a transfer that it asked for was refused."""
        self.is_cancelled = False
        """The caller gave up before the receiver was lifted."""

    @property
    def uri(self) -> str:
        """Where it can be called."""
        return f"sip:phone@{format_host_port(self._address, self._sip.port('udp'))}"

    async def wait_offered(self, limit_s: float = 5) -> CallOffered:
        """Waits until somebody calls. Raises TimeoutError."""
        await self.wait_until(lambda: self.offered is not None, limit_s)
        assert self.offered is not None
        return self.offered

    def ring(self) -> None:
        """Rings."""
        self._sip.ring(self._call)

    def accept(self) -> None:
        """Picks the receiver up."""
        assert self.offered is not None
        self._sip.answer(self._call, self._take_offer(self.offered))
        self.answered_at = time.monotonic()

    def take_referral(self) -> None:
        """Goes where it was sent: says so, and calls there."""
        assert self.referred is not None
        self._sip.accept_refer(self._call, self.referred.refer_id)

    def report_referral(self, status: int) -> None:
        """Says how that call goes."""
        assert self.referred is not None
        self._sip.notify_refer(self._call, self.referred.refer_id, status)

    def refer(self, target: str) -> None:
        """Asks the other side to call somebody else."""
        self._sip.refer(self._call, target)

    def press_by_info(self, key: str) -> None:
        """Presses a key and tells it by SIP INFO."""
        self._sip.info(self._call, "application/dtmf-relay", f"Signal={key}\r\nDuration=160\r\n".encode())

    def refuse(self, status: int, reason: str | None = None, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Says no."""
        self._sip.reject(self._call, status, reason, headers)

    def _take_offer(self, offered: CallOffered) -> bytes:
        body, audio = answer_offer(parse_description(offered.offer or b""), self._local)
        self._leg.start((audio.remote_address, audio.remote_port))
        return body

    def _on_event(self, event: Event) -> None:
        match event:
            case CallOffered():
                self.offered, self._call = event, event.call
            case CallReferred():
                self.referred = event
            case ReferRefused(status=status):
                self.refer_status = status
            case CallCancelled():
                self.is_cancelled = True
                self.ended_at = time.monotonic()
            case _:
                super()._on_event(event)
