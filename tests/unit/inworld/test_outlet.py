"""What goes out, and when."""

from __future__ import annotations

from gateway.inworld.client_events import OutputAudioBufferClear, ResponseCreate, SessionUpdate
from gateway.inworld.outlet import Outlet, Timer
from gateway.inworld.protocol_events import ResponseStarted


def test_frames_wait_until_the_session_is_agreed_and_keep_their_order() -> None:
    outlet = Outlet()
    outlet.send(ResponseCreate())
    outlet.send_now(SessionUpdate())
    assert len(outlet.frames) == 1
    outlet.open()
    outlet.send(OutputAudioBufferClear())
    assert [frame[9:20] for frame in outlet.frames] == [b"session.upd", b"response.cr", b"output_audi"]


def test_event_ids_are_unique_and_tell_what_they_name() -> None:
    outlet = Outlet()
    assert [outlet.event_id("say"), outlet.event_id("cut")] == ["say-1", "cut-2"]


def test_after_the_end_nothing_goes_out_and_nothing_wakes_but_events_stay() -> None:
    outlet = Outlet()
    outlet.open()
    outlet.send(ResponseCreate())
    outlet.emit(ResponseStarted("r1"))
    for timer in Timer:
        outlet.deadlines.set(timer, 1.0)
    outlet.shut()
    outlet.send(ResponseCreate())
    assert outlet.frames == []
    assert outlet.deadlines.next_deadline() is None
    assert list(outlet.events) == [ResponseStarted("r1")]
