from __future__ import annotations

from gateway.sip.transport.message_stream import PING, PlainStream
from tests.support.sip_peer import request

OPTIONS = request("OPTIONS").to_bytes()


def test_messages_and_pings_of_a_plain_stream() -> None:
    stream = PlainStream()
    assert stream.is_ready
    stream.receive_data(PING + OPTIONS + OPTIONS[:20])
    assert stream.next_message() == OPTIONS
    assert stream.take_replies() == b"\r\n"
    assert stream.keep_alives == 1
    assert stream.next_message() is None
    assert stream.buffered_bytes == 20
    assert stream.take_replies() == stream.goodbye() == b""
    assert stream.encode(OPTIONS) == OPTIONS


def test_a_pong_is_known_only_after_a_ping() -> None:
    stream = PlainStream()
    stream.receive_data(b"\r\n")
    stream.next_message()
    assert not stream.has_ponged
    assert stream.ping() == PING
    stream.receive_data(OPTIONS)
    assert not stream.has_ponged
    assert stream.next_message() == OPTIONS
    stream.receive_data(b"\r\n")
    assert stream.has_ponged
