"""The commands on calls at the edge: the user agent's own, with the time of day, and sent at once."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from gateway.sip.headers import HeaderList
from gateway.sip.invite.refer import REFER_LIMIT_S
from gateway.sip.user_agent import UserAgent


class EndpointCommands(ABC):
    """See ``CallCommands`` for what each means and raises."""

    user_agent: UserAgent

    @abstractmethod
    def drive(self) -> None:
        """Send what the user agent has to say, hand over its events, arm the timer."""

    def ring(
        self,
        call: str,
        status: int = 180,
        headers: HeaderList = (),
        *,
        body: bytes = b"",
        is_reliable: bool | None = None,
    ) -> None:
        """Send a provisional answer, with ``body`` early media."""
        self.user_agent.ring(call, time.monotonic(), status, headers, body=body, is_reliable=is_reliable)
        self.drive()

    def answer(self, call: str, body: bytes, headers: HeaderList = ()) -> None:
        """Send 200 with our SDP."""
        self.user_agent.answer(call, body, time.monotonic(), headers)
        self.drive()

    def reject(self, call: str, status: int, reason: str | None = None, headers: HeaderList = ()) -> None:
        """Refuse an offered call."""
        self.user_agent.reject(call, status, time.monotonic(), reason, headers)
        self.drive()

    def hang_up(self, call: str, headers: HeaderList = ()) -> None:
        """BYE, CANCEL or 480."""
        self.user_agent.hang_up(call, time.monotonic(), headers)
        self.drive()

    def answer_offer(self, call: str, body: bytes) -> None:
        """Accept what the peer offers."""
        self.user_agent.answer_offer(call, body, time.monotonic())
        self.drive()

    def refuse_offer(self, call: str, status: int, headers: HeaderList = ()) -> None:
        """Refuse what the peer offers."""
        self.user_agent.refuse_offer(call, status, time.monotonic(), headers)
        self.drive()

    def reoffer(
        self, call: str, body: bytes, *, renew: Callable[[], bytes] | None = None, prefer_update: bool = False
    ) -> None:
        """Change the session."""
        self.user_agent.reoffer(call, body, time.monotonic(), prefer_update=prefer_update, renew=renew)
        self.drive()

    def update(self, call: str) -> None:
        """Refresh session and Contact."""
        self.user_agent.update(call, time.monotonic())
        self.drive()

    def refer(
        self,
        call: str,
        target: str,
        *,
        replaces: str | None = None,
        headers: HeaderList = (),
        limit_s: float = REFER_LIMIT_S,
    ) -> None:
        """Ask the peer to call somebody else."""
        now = time.monotonic()
        self.user_agent.refer(call, target, now, replaces=replaces, headers=headers, limit_s=limit_s)
        self.drive()

    def accept_refer(self, call: str, refer_id: str) -> None:
        """Call whom the peer asks for."""
        self.user_agent.accept_refer(call, refer_id, time.monotonic())
        self.drive()

    def refuse_refer(self, call: str, refer_id: str, *, status: int = 603, headers: HeaderList = ()) -> None:
        """Do not."""
        self.user_agent.refuse_refer(call, refer_id, time.monotonic(), status=status, headers=headers)
        self.drive()

    def notify_refer(self, call: str, refer_id: str, status: int, reason: str | None = None) -> None:
        """Say how that call goes."""
        self.user_agent.notify_refer(call, refer_id, status, reason, time.monotonic())
        self.drive()

    def info(self, call: str, content_type: str, body: bytes) -> None:
        """Send an INFO."""
        self.user_agent.info(call, content_type, body, time.monotonic())
        self.drive()

    def ping(self, call: str) -> None:
        """Ask whether the peer still has the call."""
        self.user_agent.ping(call, time.monotonic())
        self.drive()
