"""WebSocket frames to messages (RFC 6455 §5.4): the socket library hands out frames as they come."""

from __future__ import annotations

from picows import WSCloseCode

from gateway.base.errors import RemoteProtocolError


class FrameFault(RemoteProtocolError):
    """The peer broke the framing; ``code`` goes into our close frame."""

    def __init__(self, code: WSCloseCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class MessageAssembler:
    """Joins the fragments of one message at a time, up to ``limit_bytes``."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._fragments: list[bytes] = []
        self._size_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Whether no message is half received: a final frame is then a message by itself."""
        return not self._fragments

    def add(self, payload: bytes, *, is_continuation: bool, is_final: bool) -> bytes | None:
        """Takes one data frame; gives the message with its last frame. Raises FrameFault."""
        if is_continuation and not self._fragments:
            raise FrameFault(WSCloseCode.PROTOCOL_ERROR, "continuation of no message")
        if not is_continuation and self._fragments:
            raise FrameFault(WSCloseCode.PROTOCOL_ERROR, "new message inside a fragmented one")
        self._fragments.append(payload)
        self._size_bytes += len(payload)
        if self._size_bytes > self._limit_bytes:
            raise FrameFault(WSCloseCode.MESSAGE_TOO_BIG, f"message over {self._limit_bytes} bytes")
        if not is_final:
            return None
        message = b"".join(self._fragments)
        self._fragments, self._size_bytes = [], 0
        return message
