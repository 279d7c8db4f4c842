from __future__ import annotations

from gateway.bench.caller import Caller, CallerScript
from gateway.bench.marker import marked_silence, read_marker

PHRASE = [b"\x01" * 160, b"\x02" * 160]
POLITE = CallerScript(PHRASE, listen_frames=3, pause_frames=2)


def said(caller: Caller, count: int) -> list[int | str]:
    spoken = [caller.next_frame() for _ in range(count)]
    return [frame[0] if frame in PHRASE else "." for frame in spoken]


def test_a_polite_caller_listens_speaks_pauses_and_speaks_again() -> None:
    assert said(Caller(1, POLITE), 10) == [".", ".", ".", 1, 2, ".", ".", 1, 2, "."]


def test_silence_carries_the_number_of_its_frame() -> None:
    caller = Caller(7, POLITE)
    frames = [caller.next_frame() for _ in range(6)]
    assert [read_marker(frame) for frame in frames] == [(7, 0), (7, 1), (7, 2), None, None, (7, 5)]


def test_an_interrupting_caller_speaks_soon_after_the_first_sound_it_hears() -> None:
    caller = Caller(1, CallerScript(PHRASE, listen_frames=100, pause_frames=2, talk_over_frames=2))
    assert said(caller, 3) == [".", ".", "."]
    caller.hear(marked_silence(0, 0))
    assert caller.is_listening_for_sound
    caller.hear(b"\x33" * 160)
    assert not caller.is_listening_for_sound
    caller.hear(b"\x33" * 160)
    assert said(caller, 4) == [".", ".", 1, 2]
    assert caller.is_listening_for_sound
    caller.hear(b"\x33" * 160)
    assert said(caller, 5) == [".", ".", 1, 2, "."]


def test_a_polite_caller_does_not_mind_what_it_hears() -> None:
    caller = Caller(1, POLITE)
    caller.hear(b"\x33" * 160)
    assert not caller.is_listening_for_sound
    assert said(caller, 4) == [".", ".", ".", 1]
