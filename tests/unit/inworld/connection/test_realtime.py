"""The parts of the edge that need no socket; the rest is in tests/edge/test_inworld_connection.py."""

from __future__ import annotations

from gateway.base.ids import IdSource
from gateway.inworld.connection import ConnectionLimits, RealtimeConnection
from gateway.inworld.protocol import RealtimeProtocol, State
from gateway.inworld.protocol_events import RealtimeEvent
from gateway.inworld.session import build_session


def made(events: list[RealtimeEvent], limits: ConnectionLimits | None = None) -> RealtimeConnection:
    protocol = RealtimeProtocol(build_session({}, audio_format="audio/pcmu", call_id="c"), IdSource(1))
    return RealtimeConnection(protocol, on_event=events.append, ids=IdSource(), limits=limits)


async def test_pings_leave_time_for_their_pongs() -> None:
    limits = ConnectionLimits()
    assert limits.pong_within_s <= limits.ping_every_s / 2


async def test_a_connection_that_never_was_closes_without_an_event() -> None:
    events: list[RealtimeEvent] = []
    connection = made(events)
    await connection.close()
    await connection.close()
    assert events == []
    assert connection.protocol.state is State.CLOSED


async def test_audio_before_the_socket_goes_into_the_protocols_pre_roll() -> None:
    connection = made([])
    connection.append_audio(bytes(480))
    assert connection.stats.frames_sent == 0
    assert connection.protocol.take_outgoing() == []


async def test_a_congested_socket_keeps_the_latest_audio_and_counts_the_rest() -> None:
    connection = made([], ConnectionLimits(backlog_bytes=1000))
    connection.on_congestion(is_congested=True)
    for number in range(5):
        connection.append_audio(bytes([number]) * 400)
    assert connection.stats.stalls == 1
    assert connection.stats.backlog_dropped_chunks == 3
    assert connection.stats.backlog_dropped_bytes == 1200
    connection.on_congestion(is_congested=False)
    assert connection.protocol.stats.preroll_dropped_chunks == 0
    assert list(connection.protocol._preroll) == [bytes([3]) * 400, bytes([4]) * 400]


async def test_every_connection_has_its_own_session_key() -> None:
    assert made([]).session_key != made([]).session_key
