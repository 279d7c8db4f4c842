"""What a call needs of its three legs, as interfaces. The edges provide them; tests on virtual time stand in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.media.stream import RtpStream
from gateway.sip.headers import HeaderList


class Signalling(Protocol):
    """The SIP endpoint's commands on a call. ``call`` is the user agent's id of it."""

    def ring(
        self,
        call: str,
        status: int = 180,
        headers: HeaderList = (),
        *,
        body: bytes = b"",
        is_reliable: bool | None = None,
    ) -> None: ...

    def answer(self, call: str, body: bytes, headers: HeaderList = ()) -> None: ...

    def reject(self, call: str, status: int, reason: str | None = None, headers: HeaderList = ()) -> None: ...

    def hang_up(self, call: str, headers: HeaderList = ()) -> None: ...

    def answer_offer(self, call: str, body: bytes) -> None: ...

    def refuse_offer(self, call: str, status: int) -> None: ...

    def reoffer(self, call: str, body: bytes, *, renew: Callable[[], bytes] | None = None) -> None: ...

    def refer(
        self, call: str, target: str, *, replaces: str | None = None, headers: HeaderList = (), limit_s: float = ...
    ) -> None: ...

    def refuse_refer(self, call: str, refer_id: str, *, status: int = 603) -> None: ...

    def ping(self, call: str) -> None: ...


class MediaLeg(Protocol):
    """One call's RTP port. It sends nothing before ``start`` and nothing after ``close``."""

    stream: RtpStream

    @property
    def local_port(self) -> int: ...

    def speak_ip_of(self, address: str) -> bool: ...

    def start(self) -> None: ...

    def close(self) -> None: ...


class ProviderLeg(Protocol):
    """One call's provider session. ``flush`` sends what its protocol core has to send and hands over its events."""

    def start(self) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...
