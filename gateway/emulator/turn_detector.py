"""Turn detection by energy on the audio really received: when a caller begins to speak, and when a turn is over.

Audio is judged in windows of 10 ms. A window is voice when its level stands above a fixed minimum and above the noise
floor. Speech starts when voice fills most of 200 ms for the configured minimum (a click does not), and stops after the
configured silence. The noise floor is the quietest 30 ms of the last seconds, so speech with its natural gaps never
raises it, while a steady hum does and then no longer counts as voice.

All times are audio time: milliseconds of audio received, whatever the clock says.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from gateway.emulator.audio import Samples

WINDOW_MS = 10
START_SPAN_MS = 200
"""Voice is counted over this span, so that the gaps inside a word do not hide its beginning."""
RESUME_WINDOWS = 3
"""So many voice windows in a row end a silence: a click in a pause does not."""
FLOOR_SPAN_MS = 5000
FLOOR_STEP_MS = 100
FLOOR_ASSUMED_MS = 1500
"""A session starts as if it had been this quiet before: who speaks at once is heard at once."""
QUIETEST_DBFS = -80.0
FULL_SCALE = 32768.0


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How loud and how long. ``threshold`` is the service's 0..1 (0.5 by default): higher asks for louder speech."""

    silence_ms: int = 700
    minimum_speech_ms: int = 110
    prefix_padding_ms: int = 300
    threshold: float = 0.5

    @property
    def minimum_dbfs(self) -> float:
        """Below this nothing is voice: -52 dBFS at threshold 0, -40 at 0.5, -28 at 1."""
        return -52.0 + 24.0 * self.threshold

    @property
    def margin_db(self) -> float:
        """Voice stands so far above the noise floor: 6 dB at threshold 0, 9 at 0.5, 12 at 1."""
        return 6.0 + 6.0 * self.threshold


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """``audio_start_ms`` lies the prefix padding before the first voice, but never inside an earlier turn."""

    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """``audio_end_ms`` includes the silence that decided it; ``speech_end_ms`` is the end of the last voice."""

    audio_start_ms: int
    audio_end_ms: int
    speech_end_ms: int


class NoiseFloor:
    """The quietest smoothed level (dBFS) of the last seconds."""

    def __init__(self) -> None:
        steps = FLOOR_SPAN_MS // FLOOR_STEP_MS
        self._minima: deque[float] = deque([QUIETEST_DBFS] * (FLOOR_ASSUMED_MS // FLOOR_STEP_MS), maxlen=steps)
        self._recent: deque[float] = deque(maxlen=3)
        self._step_minimum = 0.0
        self._windows_in_step = 0
        self.level_dbfs = QUIETEST_DBFS
        self._assumed_steps = FLOOR_ASSUMED_MS // FLOOR_STEP_MS

    def add(self, level_dbfs: float) -> None:
        """One window's level."""
        self._recent.append(level_dbfs)
        self._step_minimum = min(self._step_minimum, max(self._recent))
        self._windows_in_step += 1
        if self._windows_in_step * WINDOW_MS >= FLOOR_STEP_MS:
            self._minima.append(self._step_minimum)
            self._forget_assumption()
            self.level_dbfs = min(self._minima)
            self._step_minimum, self._windows_in_step = 0.0, 0

    def _forget_assumption(self) -> None:
        if self._assumed_steps:
            self._assumed_steps -= 1
            if not self._assumed_steps:
                heard = FLOOR_ASSUMED_MS // FLOOR_STEP_MS
                self._minima = deque(list(self._minima)[-heard:], maxlen=self._minima.maxlen)


class TurnDetector:
    """Feed it samples of one rate; it answers with the starts and stops of speech in them."""

    def __init__(self, rate_hz: int, sensitivity: Sensitivity, *, position_ms: float = 0.0) -> None:
        self._window = rate_hz * WINDOW_MS // 1000
        self._left_over = np.zeros(0, dtype=np.int16)
        self._position_ms = position_ms
        self._earliest_start_ms = position_ms
        self._floor = NoiseFloor()
        self.sensitivity = sensitivity
        self._span: deque[bool] = deque()
        self._started_at_ms: float | None = None
        self._voice_end_ms = 0.0
        self._voice_run = 0
        self._forget_voice()

    @property
    def position_ms(self) -> float:
        """Audio judged so far."""
        return self._position_ms

    @property
    def is_speaking(self) -> bool:
        """Between a start and its stop."""
        return self._started_at_ms is not None

    @property
    def speech_ms(self) -> float:
        """From the turn's start to its last voice so far; 0 outside a turn."""
        return 0.0 if self._started_at_ms is None else self._voice_end_ms - self._started_at_ms

    def receive_audio(self, samples: Samples) -> list[SpeechStarted | SpeechStopped]:
        """Judge ``samples``; an incomplete window waits for the next ones."""
        if len(self._left_over):
            samples = np.concatenate((self._left_over, samples))
        count = len(samples) // self._window
        self._left_over = samples[count * self._window :].copy()
        found: list[SpeechStarted | SpeechStopped] = []
        for level_dbfs in self._levels(samples[: count * self._window], count):
            event = self._judge(level_dbfs)
            if event is not None:
                found.append(event)
        return found

    def end_turn(self) -> SpeechStopped | None:
        """Close an open turn now, as a commit or a clear by the client does."""
        if self._started_at_ms is None:
            self._forget_voice()
            return None
        return self._stop()

    def _levels(self, samples: Samples, count: int) -> list[float]:
        if not count:
            return []
        windows = samples.astype(np.float32).reshape(count, self._window)
        power = np.einsum("ij,ij->i", windows, windows) / (self._window * FULL_SCALE**2)
        levels: list[float] = np.maximum(10.0 * np.log10(power + 1e-12), QUIETEST_DBFS).tolist()
        return levels

    def _judge(self, level_dbfs: float) -> SpeechStarted | SpeechStopped | None:
        threshold = max(self.sensitivity.minimum_dbfs, self._floor.level_dbfs + self.sensitivity.margin_db)
        self._floor.add(level_dbfs)
        self._position_ms += WINDOW_MS
        if self._started_at_ms is None:
            return self._wait_for_start(level_dbfs >= threshold)
        # Voice that has begun may be 6 dB softer before it counts as silence: the ends of words fade.
        return self._wait_for_stop(level_dbfs >= threshold - 6.0)

    def _wait_for_start(self, is_voice: bool) -> SpeechStarted | None:
        self._span.append(is_voice)
        if sum(self._span) * WINDOW_MS < self.sensitivity.minimum_speech_ms:
            return None
        first_voice_ms = self._position_ms - (len(self._span) - self._span.index(True)) * WINDOW_MS
        self._started_at_ms = max(first_voice_ms - self.sensitivity.prefix_padding_ms, self._earliest_start_ms)
        self._voice_end_ms = self._position_ms
        self._voice_run = 0
        return SpeechStarted(round(self._started_at_ms))

    def _wait_for_stop(self, is_voice: bool) -> SpeechStopped | None:
        self._voice_run = self._voice_run + 1 if is_voice else 0
        if self._voice_run >= RESUME_WINDOWS or (is_voice and self._position_ms - self._voice_end_ms <= WINDOW_MS):
            self._voice_end_ms = self._position_ms
        if self._position_ms - self._voice_end_ms < self.sensitivity.silence_ms:
            return None
        return self._stop()

    def _stop(self) -> SpeechStopped:
        assert self._started_at_ms is not None
        stopped = SpeechStopped(round(self._started_at_ms), round(self._position_ms), round(self._voice_end_ms))
        self._earliest_start_ms = self._position_ms
        self._forget_voice()
        return stopped

    def _forget_voice(self) -> None:
        span_ms = max(START_SPAN_MS, 2 * self.sensitivity.minimum_speech_ms)
        self._span = deque(maxlen=span_ms // WINDOW_MS)
        self._started_at_ms = None
        self._voice_end_ms = 0.0
        self._voice_run = 0
