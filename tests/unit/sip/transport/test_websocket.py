"""RFC 7118 at the server, byte by byte, against the client side of the library and against raw bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from gateway.sip.transport.message_stream import StreamFault
from gateway.sip.transport.websocket import MAX_EMPTY_FRAMES, MAX_MESSAGE_BYTES, MAX_UPGRADE_BYTES, WebSocketStream
from tests.support.sip_peer import request

OPTIONS = request("OPTIONS", via="SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bKx").to_bytes()


class Browser:
    """The other end."""

    def __init__(self, path: str = "/", subprotocols: tuple[str, ...] = ("sip",), origin: str | None = None) -> None:
        self.protocol = ClientProtocol(
            parse_uri(f"ws://gw.example{path}"),
            origin=origin,  # type: ignore[arg-type]
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            max_size=None,
        )
        self.protocol.send_request(self.protocol.connect())

    def take(self) -> bytes:
        return b"".join(self.protocol.data_to_send())

    def frames(self, data: bytes) -> list[Frame]:
        self.protocol.receive_data(data)
        return [event for event in self.protocol.events_received() if isinstance(event, Frame)]


def connected(**stream: object) -> tuple[WebSocketStream, Browser]:
    stream_, browser = WebSocketStream("/"), Browser()
    stream_.receive_data(browser.take())
    assert stream_.next_message() is None
    browser.frames(stream_.take_replies())
    assert browser.protocol.state is State.OPEN
    return stream_, browser


def test_a_handshake_with_the_subprotocol_sip_and_no_compression() -> None:
    stream, browser = WebSocketStream("/sip"), Browser("/sip?user=1", ("other", "sip"))
    asked = browser.take()
    for octet in asked[:-1]:
        stream.receive_data(bytes([octet]))
        assert stream.next_message() is None
    assert not stream.is_ready
    stream.receive_data(asked[-1:])
    assert stream.next_message() is None
    assert stream.is_ready
    answer = stream.take_replies()
    assert b"101 Switching Protocols" in answer
    assert b"Sec-WebSocket-Protocol: sip\r\n" in answer
    assert b"Extensions" not in answer


@pytest.mark.parametrize(
    ("browser", "status", "rule"),
    [
        (Browser("/elsewhere"), b"404 ", "websocket_path"),
        (Browser(subprotocols=()), b"400 ", "websocket_subprotocol"),
        (Browser(subprotocols=("xmpp",)), b"400 ", "websocket_subprotocol"),
        (Browser(origin="https://evil.example"), b"403 ", "websocket_origin"),
    ],
)
def test_a_handshake_that_is_refused_says_why(browser: Browser, status: bytes, rule: str) -> None:
    stream = WebSocketStream("/", origins=["https://phone.example"])
    stream.receive_data(browser.take())
    with pytest.raises(StreamFault) as caught:
        stream.next_message()
    assert caught.value.rule == rule
    assert stream.take_replies().startswith(b"HTTP/1.1 " + status)
    assert stream.is_over
    assert stream.next_message() is None


@pytest.mark.parametrize("origin", [None, "https://phone.example"])
def test_an_origin_that_is_welcome_and_a_phone_that_names_none(origin: str | None) -> None:
    stream = WebSocketStream("/", origins=["https://phone.example"])
    stream.receive_data(Browser(origin=origin).take())
    stream.next_message()
    assert stream.is_ready


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: gw\r\nSec-WebSocket-Protocol: sip\r\n\r\n", b"HTTP/1.1 426 "),
        (b"POST / HTTP/1.1\r\nSec-WebSocket-Protocol: sip\r\n\r\n", b"HTTP/1.1 "),
        (b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: ,;,\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"HTTP/1.1 431 "),
        (b"A" * (MAX_UPGRADE_BYTES + 1), b"HTTP/1.1 431 "),
        (b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", b""),
        (b"\0\0\0\r\n\r\n", b""),
    ],
)
def test_what_is_no_websocket_request(data: bytes, answer: bytes) -> None:
    stream = WebSocketStream("/")
    stream.receive_data(data)
    with pytest.raises(StreamFault):
        stream.next_message()
    assert stream.take_replies().startswith(answer)
    assert stream.is_over


@pytest.mark.parametrize("is_text", [True, False])
def test_one_message_in_each_frame(is_text: bool) -> None:
    stream, browser = connected()
    (browser.protocol.send_text if is_text else browser.protocol.send_binary)(OPTIONS)
    (browser.protocol.send_text if is_text else browser.protocol.send_binary)(OPTIONS)
    data = browser.take()
    stream.receive_data(data[:100])
    assert stream.next_message() is None
    assert stream.buffered_bytes
    stream.receive_data(data[100:])
    assert [stream.next_message() for _ in range(3)] == [OPTIONS, OPTIONS, None]
    assert not stream.buffered_bytes


def test_a_message_in_fragments() -> None:
    stream, browser = connected()
    browser.protocol.send_text(OPTIONS[:10], fin=False)
    browser.protocol.send_ping(b"between")
    browser.protocol.send_continuation(OPTIONS[10:20], fin=False)
    browser.protocol.send_continuation(OPTIONS[20:], fin=True)
    stream.receive_data(browser.take())
    assert stream.next_message() == OPTIONS
    (pong,) = browser.frames(stream.take_replies())
    assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"between")


def test_what_goes_out_is_text_or_binary_by_its_content() -> None:
    stream, browser = connected()
    frames = browser.frames(stream.encode(OPTIONS) + stream.encode(b"\xff" + OPTIONS) + stream.ping())
    assert [frame.opcode for frame in frames] == [Opcode.TEXT, Opcode.BINARY, Opcode.PING]
    assert bytes(frames[0].data) == OPTIONS


def test_the_empty_lines_of_sip_libraries_are_a_ping_too() -> None:
    stream, browser = connected()
    browser.protocol.send_text(b"\r\n\r\n")
    browser.protocol.send_text(b"\r\n")
    stream.receive_data(browser.take())
    assert stream.next_message() is None
    (pong,) = browser.frames(stream.take_replies())
    assert bytes(pong.data) == b"\r\n"
    assert stream.keep_alives == 2


def test_a_goodbye_is_answered_and_said() -> None:
    stream, browser = connected()
    browser.protocol.send_close(1000)
    stream.receive_data(browser.take())
    assert stream.next_message() is None
    assert stream.is_over
    (close,) = browser.frames(stream.take_replies())
    assert close.opcode is Opcode.CLOSE
    stream, browser = connected()
    (close,) = browser.frames(stream.goodbye())
    assert close.opcode is Opcode.CLOSE
    assert stream.goodbye() == b""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x82\xff" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big") + b"abcd", 1009),  # a giant, announced
        (b"\x82\x04abcd", 1002),  # not masked
        (b"\xc1\x84abcd1234", 1002),  # compressed, which nobody agreed to
        (b"\x83\x84abcd1234", 1002),  # no such kind of frame
        (b"\x80\x84abcd1234", 1002),  # goes on with what never began
        (b"\x89\xfe\x00\x80abcd" + b"x" * 128, 1002),  # a ping longer than pings are
    ],
)
def test_frames_that_end_the_connection(data: bytes, code: int) -> None:
    stream, browser = connected()
    stream.receive_data(data)
    with pytest.raises(StreamFault) as caught:
        stream.next_message()
    assert caught.value.rule == "websocket_broken"
    assert stream.is_over
    browser.frames(stream.take_replies())
    assert browser.protocol.close_rcvd is not None
    assert browser.protocol.close_rcvd.code == code


def test_a_giant_in_fragments_ends_the_connection_too() -> None:
    stream, browser = connected()

    def send_all() -> None:
        for number in range(100):
            send = browser.protocol.send_continuation if number else browser.protocol.send_binary
            send(b"x" * 8192, fin=False)
            stream.receive_data(browser.take())
            while stream.next_message() is not None:
                pass

    with pytest.raises(StreamFault):
        send_all()
    assert stream.buffered_bytes <= MAX_MESSAGE_BYTES + 8192


@pytest.mark.parametrize("frame", [b"\x89\x80abcd", b"\x82\x80abcd", b"\x8a\x80abcd"])
def test_a_flood_of_empty_frames_ends_the_connection(frame: bytes) -> None:
    stream, browser = connected()
    stream.receive_data(frame * MAX_EMPTY_FRAMES)
    assert stream.next_message() is None
    stream.receive_data(frame * (MAX_EMPTY_FRAMES + 1))
    with pytest.raises(StreamFault, match="empty frames"):
        stream.next_message()
    browser.frames(stream.take_replies())
    assert browser.protocol.close_rcvd is not None
    assert browser.protocol.close_rcvd.code == 1008


def test_a_ping_of_empty_lines_right_before_a_goodbye_is_left_unanswered() -> None:
    stream, browser = connected()
    browser.protocol.send_text(b"\r\n\r\n")
    browser.protocol.send_close(1000)
    stream.receive_data(browser.take())
    assert stream.next_message() is None
    (close,) = browser.frames(stream.take_replies())
    assert close.opcode is Opcode.CLOSE


@pytest.mark.parametrize("path", ["//[", "http://gw.example/", "/%00", "/?" + "a" * 4000])
def test_odd_paths_are_answered(path: str) -> None:
    stream = WebSocketStream("/sip")
    stream.receive_data(f"GET {path} HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
    with pytest.raises(StreamFault) as caught:
        stream.next_message()
    assert caught.value.rule == "websocket_path"
    assert stream.take_replies().startswith(b"HTTP/1.1 404 ")


def drain(stream: WebSocketStream, data: bytes) -> None:
    """Feed whatever it is; only the fault that is meant for it may come out."""
    stream.receive_data(data)
    try:
        while stream.next_message() is not None:
            pass
    except StreamFault:
        assert stream.is_over
    stream.take_replies()


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_in_place_of_a_handshake(pieces: list[bytes]) -> None:
    stream = WebSocketStream("/")
    for piece in pieces:
        drain(stream, piece)
    stream.receive_data(b"\r\n\r\n")
    drain(stream, b"")
    assert not stream.is_ready


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_any_bytes_in_place_of_frames(pieces: list[bytes]) -> None:
    stream, _ = connected()
    for piece in pieces:
        drain(stream, piece)
    assert stream.goodbye() is not None
