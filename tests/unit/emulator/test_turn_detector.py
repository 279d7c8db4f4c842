from __future__ import annotations

import numpy as np
import pytest

from gateway.emulator.audio import PCM_RATES_HZ, AudioFormat, Samples, resample
from gateway.emulator.turn_detector import Sensitivity, SpeechStarted, SpeechStopped, TurnDetector

PCMU = AudioFormat("pcmu", 8000)


def still(duration_ms: int, rate_hz: int = 8000) -> Samples:
    return np.zeros(duration_ms * rate_hz // 1000, dtype=np.int16)


def noise(duration_ms: int, level_dbfs: float) -> Samples:
    random = np.random.default_rng(7).standard_normal(duration_ms * 8)
    return np.clip(random * 32768 * 10 ** (level_dbfs / 20), -32768, 32767).astype(np.int16)


def feed(detector: TurnDetector, samples: Samples, chunk: int = 480) -> list[SpeechStarted | SpeechStopped]:
    found: list[SpeechStarted | SpeechStopped] = []
    for start in range(0, len(samples), chunk):
        found += detector.receive_audio(samples[start : start + chunk])
    return found


@pytest.fixture
def speech(question: bytes) -> Samples:
    return PCMU.decode(question)


def test_speech_is_one_turn_with_padding_before_and_silence_behind(speech: Samples) -> None:
    audio = np.concatenate((still(1000), speech, still(1500)))
    started, stopped = feed(TurnDetector(8000, Sensitivity()), audio)
    speech_end_ms = 1000 + len(speech) // 8
    assert isinstance(started, SpeechStarted)
    assert started.audio_start_ms == pytest.approx(1000 - 300, abs=60)
    assert isinstance(stopped, SpeechStopped)
    assert stopped.speech_end_ms == pytest.approx(speech_end_ms, abs=80)
    assert stopped.audio_end_ms - stopped.speech_end_ms == 700


def test_a_turn_is_noticed_soon_after_it_begins(speech: Samples) -> None:
    detector = TurnDetector(8000, Sensitivity())
    feed(detector, still(1000))
    noticed_ms = None
    for start in range(0, len(speech), 80):
        if detector.receive_audio(speech[start : start + 80]):
            noticed_ms = detector.position_ms - 1000
            break
    assert noticed_ms is not None
    assert noticed_ms <= 200


@pytest.mark.parametrize("rate_hz", PCM_RATES_HZ)
def test_every_rate_hears_the_same(speech: Samples, rate_hz: int) -> None:
    audio = np.concatenate((still(1000, rate_hz), resample(speech, 8000, rate_hz), still(1500, rate_hz)))
    found = feed(TurnDetector(rate_hz, Sensitivity()), audio, chunk=rate_hz * 60 // 1000)
    reference = feed(TurnDetector(8000, Sensitivity()), np.concatenate((still(1000), speech, still(1500))))
    assert [type(event) for event in found] == [type(event) for event in reference]
    assert found[0].audio_start_ms == pytest.approx(reference[0].audio_start_ms, abs=20)


@pytest.mark.parametrize("chunk", [1, 79, 160, 8000, 1_000_000])
def test_the_size_of_the_chunks_changes_nothing(speech: Samples, chunk: int) -> None:
    audio = np.concatenate((still(500), speech[:8000], still(1000)))
    found = feed(TurnDetector(8000, Sensitivity()), audio, chunk=chunk)
    assert found == feed(TurnDetector(8000, Sensitivity()), audio)
    assert len(found) == 2


@pytest.mark.parametrize("click_ms", [1, 10, 30, 60])
def test_a_click_is_no_turn(click_ms: int) -> None:
    audio = np.concatenate((still(1000), noise(click_ms, -6), still(2000)))
    assert feed(TurnDetector(8000, Sensitivity()), audio) == []


def test_a_click_in_a_pause_does_not_prolong_the_turn(speech: Samples) -> None:
    quiet = np.concatenate((still(1000), speech, still(2000)))
    clicked = quiet.copy()
    at = 8000 + len(speech) + 8 * 400
    clicked[at : at + 80] = noise(10, -6)
    assert feed(TurnDetector(8000, Sensitivity()), clicked) == feed(TurnDetector(8000, Sensitivity()), quiet)


def test_a_pause_shorter_than_the_silence_does_not_end_a_turn(speech: Samples) -> None:
    audio = np.concatenate((still(500), speech, still(500), speech, still(1500)))
    assert [type(event) for event in feed(TurnDetector(8000, Sensitivity()), audio)] == [SpeechStarted, SpeechStopped]
    eager = Sensitivity(silence_ms=400)
    assert len(feed(TurnDetector(8000, eager), audio)) == 4


def test_soft_noise_is_not_speech() -> None:
    assert feed(TurnDetector(8000, Sensitivity()), noise(10_000, -50)) == []


def test_the_threshold_decides_how_loud_speech_must_be(speech: Samples) -> None:
    soft = (speech * 10 ** (-26 / 20)).astype(np.int16)  # -46 dBFS
    audio = np.concatenate((still(500), soft, still(1500)))
    assert feed(TurnDetector(8000, Sensitivity(threshold=0.5)), audio) == []
    assert len(feed(TurnDetector(8000, Sensitivity(threshold=0.0)), audio)) >= 2


def test_a_steady_noise_ends_its_own_turn_and_speech_is_heard_above_it(speech: Samples) -> None:
    background = noise(20_000, -35)
    background[80_000 : 80_000 + len(speech)] += speech // 2
    found = feed(TurnDetector(8000, Sensitivity()), background)
    late = [event for event in found if event.audio_start_ms > 5000]
    assert [type(event) for event in late] == [SpeechStarted, SpeechStopped]
    assert late[0].audio_start_ms == pytest.approx(10_000 - 300, abs=150)


def test_who_speaks_at_once_is_heard_at_once(speech: Samples) -> None:
    detector = TurnDetector(8000, Sensitivity())
    found = feed(detector, speech[: 8 * 400])
    assert found == [SpeechStarted(0)]
    assert detector.is_speaking


def test_a_turn_never_begins_inside_the_turn_before(speech: Samples) -> None:
    audio = np.concatenate((still(500), speech, still(120), speech, still(1500)))
    found = feed(TurnDetector(8000, Sensitivity(silence_ms=100)), audio)
    stops = [event for event in found if isinstance(event, SpeechStopped)]
    starts = [event for event in found if isinstance(event, SpeechStarted)]
    assert len(starts) > 1
    assert all(start.audio_start_ms >= stop.audio_end_ms for start, stop in zip(starts[1:], stops, strict=False))


def test_ending_a_turn_by_hand_closes_it(speech: Samples) -> None:
    detector = TurnDetector(8000, Sensitivity())
    feed(detector, np.concatenate((still(500), speech)))
    stopped = detector.end_turn()
    assert stopped is not None
    assert stopped.audio_end_ms == detector.position_ms
    assert not detector.is_speaking
    assert detector.speech_ms == 0.0
    assert detector.end_turn() is None


def test_positions_continue_where_the_session_is(speech: Samples) -> None:
    detector = TurnDetector(8000, Sensitivity(), position_ms=60_000)
    (started,) = feed(detector, np.concatenate((still(1000), speech)))
    assert started.audio_start_ms >= 60_000
