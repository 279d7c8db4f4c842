"""The input audio buffer of a session: what the caller sent, where its turns are, and the audio of each turn."""

from __future__ import annotations

from gateway.emulator.audio import AudioFormat
from gateway.emulator.turn_detector import Sensitivity, SpeechStarted, SpeechStopped, TurnDetector

KEPT_BEFORE_SPEECH_MS = 2000
"""So much audio before speech is kept: enough for any prefix padding in use."""
LONGEST_BUFFER_MS = 300_000
"""A longer turn, or an endless one without commit, loses its beginning."""
TAIL_MS = 200
"""Kept behind the last voice of a turn, so that its echo does not end abruptly."""


class CallerAudio:
    """Audio since the last commit, in one format. Positions are audio time of the whole session."""

    def __init__(self, audio_format: AudioFormat, sensitivity: Sensitivity, *, position_ms: float = 0.0) -> None:
        self.format = audio_format
        self._detector = TurnDetector(audio_format.rate, sensitivity, position_ms=position_ms)
        self._bytes = bytearray()
        self._first_ms = position_ms
        self._half_sample = b""

    @property
    def position_ms(self) -> float:
        """The end of the audio received."""
        return self._first_ms + self.format.duration_ms(len(self._bytes))

    @property
    def buffered_ms(self) -> float:
        """Audio that is not committed yet."""
        return self.format.duration_ms(len(self._bytes))

    @property
    def is_speaking(self) -> bool:
        """A turn is open."""
        return self._detector.is_speaking

    @property
    def speech_ms(self) -> float:
        """How long the open turn has spoken."""
        return self._detector.speech_ms

    def set_sensitivity(self, sensitivity: Sensitivity) -> None:
        """New thresholds from now on."""
        self._detector.sensitivity = sensitivity

    def end_turn(self) -> None:
        """Forget an open turn without committing it, as switching turn detection on or off does."""
        self._detector.end_turn()

    def append(self, wire: bytes, *, detect: bool) -> list[SpeechStarted | SpeechStopped]:
        """Audio from the client; with ``detect`` the turns that began or ended in it."""
        self._forget_old(detect)
        wire = self._half_sample + wire
        odd = len(wire) % self.format.sample_bytes
        wire, self._half_sample = wire[: len(wire) - odd], wire[len(wire) - odd :]
        self._bytes += wire
        found = self._detector.receive_audio(self.format.decode(wire))
        return found if detect else []

    def take_turn(self, stopped: SpeechStopped) -> bytes:
        """The audio of a detected turn; what lies before its end leaves the buffer."""
        turn = self._slice(stopped.audio_start_ms, min(stopped.speech_end_ms + TAIL_MS, stopped.audio_end_ms))
        self._drop_before(stopped.audio_end_ms)
        return turn

    def take_all(self) -> bytes:
        """Everything uncommitted, as a commit by the client takes it; an open turn ends with it."""
        self._detector.end_turn()
        taken = bytes(self._bytes)
        self._drop_before(self.position_ms)
        return taken

    def _slice(self, start_ms: float, end_ms: float) -> bytes:
        start = self.format.byte_count(max(0.0, start_ms - self._first_ms))
        return bytes(self._bytes[start : self.format.byte_count(end_ms - self._first_ms)])

    def _forget_old(self, detect: bool) -> None:
        kept_ms = KEPT_BEFORE_SPEECH_MS if detect and not self._detector.is_speaking else LONGEST_BUFFER_MS
        if self.buffered_ms > 2 * kept_ms:
            self._drop_before(self.position_ms - kept_ms)

    def _drop_before(self, position_ms: float) -> None:
        count = min(self.format.byte_count(max(0.0, position_ms - self._first_ms)), len(self._bytes))
        del self._bytes[:count]
        self._first_ms += self.format.duration_ms(count)
