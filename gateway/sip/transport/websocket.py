"""SIP over WebSocket, the server's side (RFC 7118): the handshake, and one SIP message in each WebSocket message."""

from __future__ import annotations

import http
import logging
from collections import deque
from collections.abc import Collection

from websockets.datastructures import MultipleValuesError
from websockets.exceptions import InvalidHandshake
from websockets.frames import CloseCode, Frame, Opcode
from websockets.headers import parse_subprotocol
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from gateway.sip.framing import MAX_BODY_BYTES
from gateway.sip.message import MAX_HEAD_BYTES
from gateway.sip.transport.message_stream import CRLF, PING, StreamFault

SUBPROTOCOL = Subprotocol("sip")
MAX_MESSAGE_BYTES = MAX_HEAD_BYTES + MAX_BODY_BYTES
MAX_UPGRADE_BYTES = 16 * 1024
"""Of the HTTP request. A browser's is about 1 kB."""
MAX_EMPTY_FRAMES = 64
"""Pings and empty messages in one portion: nobody who wants to keep a connection alive sends more."""
_END_OF_REQUEST = CRLF + CRLF
_PORTION = 4096
"""Bytes that are unpacked at a time: as little as 6 of them make a frame, and each one costs."""

_log = logging.getLogger(__name__)
_log.setLevel(logging.WARNING)  # the library tells of each connection; that is the endpoint's to do


class WebSocketStream:
    """A connection whose peer must first ask for WebSocket at ``path`` with the subprotocol ``sip``.

    ``origins`` are the pages whose scripts may connect, when it is not empty; a peer that is no browser names none.
    """

    def __init__(self, path: str, origins: Collection[str] = ()) -> None:
        self.is_ready = False
        self.is_over = False
        self.has_ponged = True  # RFC 6455 §5.5.2: whoever speaks WebSocket answers pings
        self.keep_alives = 0
        self._path = path
        self._origins = frozenset(origins)
        self._protocol = ServerProtocol(subprotocols=[SUBPROTOCOL], max_size=MAX_MESSAGE_BYTES, logger=_log)
        self._unread = bytearray()
        self._fragments = bytearray()
        self._messages: deque[bytes] = deque()
        self._replies = bytearray()

    def receive_data(self, data: bytes) -> None:
        """Take what came."""
        self._unread += data

    def next_message(self) -> bytes | None:
        """The next whole message. Raises StreamFault; what the peer is told of it is among the replies."""
        if not self.is_ready and not self._shake_hands():
            return None
        while not self._messages and self._unread and not self.is_over:
            self._read(self._take_unread(_PORTION))
        return self._messages.popleft() if self._messages else None

    def _take_unread(self, length: int) -> bytes:
        portion = bytes(self._unread[:length])
        del self._unread[:length]
        return portion

    @property
    def buffered_bytes(self) -> int:
        """Octets that belong to no complete message yet."""
        return len(self._unread) + len(self._fragments) + len(self._protocol.reader.buffer)

    def take_replies(self) -> bytes:
        """Pongs, the answer to the handshake, the answer to a goodbye."""
        self._collect()
        replies = bytes(self._replies)
        self._replies.clear()
        return replies

    def encode(self, message: bytes) -> bytes:
        """One frame: text, or binary where the message is not UTF-8 (RFC 7118 §5.1)."""
        try:
            message.decode()
        except UnicodeDecodeError:
            self._protocol.send_binary(message)
        else:
            self._protocol.send_text(message)
        return self.take_replies()

    def ping(self) -> bytes:
        """A ping frame (RFC 7118 §6)."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
        return self.take_replies()

    def goodbye(self) -> bytes:
        """A close frame, where none was sent yet."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.GOING_AWAY)
        return self.take_replies()

    def _collect(self) -> None:
        for data in self._protocol.data_to_send():
            self._replies += data  # the empty one means "close", which the connection does when told

    def _read(self, portion: bytes) -> None:
        self._protocol.receive_data(portion)
        empty = sum(self._read_frame(event) for event in self._protocol.events_received() if isinstance(event, Frame))
        if empty > MAX_EMPTY_FRAMES:
            self._protocol.fail(CloseCode.POLICY_VIOLATION, "too many empty frames")
            raise self._broken(f"more than {MAX_EMPTY_FRAMES} empty frames at once")
        if self._protocol.parser_exc is not None:
            raise self._broken(str(self._protocol.parser_exc))

    def _broken(self, text: str) -> StreamFault:
        self.is_over = True
        return StreamFault(text, "websocket_broken")

    def _read_frame(self, frame: Frame) -> int:
        """1 for a frame that carries nothing."""
        if frame.opcode is Opcode.CLOSE:
            self.is_over = True
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return 1
        self._fragments += frame.data
        if not frame.fin:
            return not frame.data
        message = bytes(self._fragments)
        self._fragments.clear()
        if message.strip(CRLF):
            self._messages.append(message)
            return 0
        self.keep_alives += 1
        if message == PING and self._protocol.state is State.OPEN:
            # RFC 5626 §3.5.1 inside WebSocket, as browsers' SIP libraries do it.
            self._protocol.send_text(CRLF)
        return 1

    # The handshake

    def _shake_hands(self) -> bool:
        """Only once the whole request is there: what comes right behind it is none of the handshake's business."""
        end = self._unread.find(_END_OF_REQUEST)
        length = end + len(_END_OF_REQUEST) if end >= 0 else len(self._unread)
        if length > MAX_UPGRADE_BYTES:
            self._refuse(431, f"The request is longer than {MAX_UPGRADE_BYTES} octets.", "websocket_handshake")
        if end < 0 or self.is_over:
            return False
        self._protocol.receive_data(self._take_unread(length))
        request = next(iter(self._protocol.events_received()), None)
        if not isinstance(request, Request):
            self.is_over = True
            raise StreamFault(f"no HTTP request: {self._protocol.handshake_exc}", "websocket_handshake")
        self._answer_upgrade(request)
        return True

    def _answer_upgrade(self, request: Request) -> None:
        path = request.path.partition("?")[0]
        if path != self._path:
            self._refuse(404, f"SIP over WebSocket is at {self._path} here.", "websocket_path")
        if self._origins and not self._is_origin_welcome(request):
            self._refuse(403, "This origin may not connect; it is none of sip.websocket.origins.", "websocket_origin")
        if not _offers_sip(request):
            text = "Ask for the WebSocket subprotocol sip (Sec-WebSocket-Protocol: sip)."
            self._refuse(400, text, "websocket_subprotocol")
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        if response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.is_over = True
            raise StreamFault(f"no WebSocket handshake: {self._protocol.handshake_exc}", "websocket_handshake")
        self.is_ready = True

    def _is_origin_welcome(self, request: Request) -> bool:
        origins = request.headers.get_all("Origin")
        return not origins or (len(origins) == 1 and origins[0].rstrip("/") in self._origins)

    def _refuse(self, status: int, text: str, rule: str) -> None:
        self.is_over = True
        self._protocol.send_response(self._protocol.reject(status, text + "\n"))
        raise StreamFault(text, rule)


def _offers_sip(request: Request) -> bool:
    try:
        values = request.headers.get_all("Sec-WebSocket-Protocol")
        return any(name == SUBPROTOCOL for value in values for name in parse_subprotocol(value))
    except (InvalidHandshake, MultipleValuesError):
        return False
