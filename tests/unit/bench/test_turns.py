from __future__ import annotations

import numpy as np
import pytest

from gateway.bench.turns import barge_in_delays_ms, first_sound_ns, hears, round_trips_ms, uplink_delays_ms
from gateway.measure import g711, speech
from gateway.measure.packet_log import ReceivedPacket

VOICE, QUIET = b"\x20" * 160, b"\xff" * 160
MS = 1_000_000


def packets(payloads: list[bytes]) -> list[ReceivedPacket]:
    return [ReceivedPacket(20 * MS * n, n, 160 * n, 0, 1, payload) for n, payload in enumerate(payloads)]


def test_the_old_voice_ends_with_its_last_packet_before_the_quiet() -> None:
    heard = packets([VOICE] * 50 + [QUIET] * 100 + [VOICE] * 50)
    assert barge_in_delays_ms(heard, [968 * MS]) == [pytest.approx(12.0)]


def test_a_pause_inside_the_voice_does_not_end_it() -> None:
    heard = packets([VOICE] * 50 + [QUIET] * 10 + [VOICE] * 5 + [QUIET] * 100)
    assert barge_in_delays_ms(heard, [970 * MS]) == [pytest.approx(64 * 20 - 970)]


def test_a_voice_that_was_over_at_once_took_no_time() -> None:
    assert barge_in_delays_ms(packets([VOICE] * 50 + [QUIET] * 100), [981 * MS]) == [0.0]


def test_speaking_into_silence_interrupts_nobody() -> None:
    heard = packets([VOICE] * 50 + [QUIET] * 100)
    assert barge_in_delays_ms(heard, [1500 * MS]) == []
    assert barge_in_delays_ms([], [0]) == []


def test_a_voice_that_goes_on_is_reported_as_such() -> None:
    assert barge_in_delays_ms(packets([VOICE] * 100), [1000 * MS]) == [pytest.approx(980)]


def test_the_greeting_is_known_by_its_waveform() -> None:
    greeting = speech.synthesise(1.0, seed=5)
    frames = g711.frames(g711.encode(np.concatenate([speech.silence(0.3), greeting, speech.silence(1.0)])))
    assert first_sound_ns(packets(frames)) == 300 * MS
    assert hears(packets(frames), greeting, within_s=2, likeness=0.95)
    assert not hears(packets(frames), speech.synthesise(1.0, seed=6), within_s=2, likeness=0.6)
    assert not hears(packets([QUIET] * 10), greeting, within_s=2, likeness=0.1)


def test_a_marked_packet_is_timed_from_its_caller_to_the_provider() -> None:
    sent_ns = np.array([1 * MS, 0, 40 * MS], dtype=np.int64)
    appended = {(4, 1): 9 * MS, (4, 2): 41 * MS, (4, 900): 50 * MS, (5, 0): 77 * MS}
    assert uplink_delays_ms(4, sent_ns, appended) == [pytest.approx(1.0)]


def test_an_echo_is_timed_from_departure_to_return() -> None:
    sent_ns = np.array([-1 * MS, 19 * MS, 0], dtype=np.int64)
    assert round_trips_ms(packets([QUIET] * 4), sent_ns) == [pytest.approx(1.0), pytest.approx(1.0)]
