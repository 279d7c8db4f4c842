"""What a caller of the bench says and when: pure, one frame asked every 20 ms.

A polite caller listens to the greeting, then speaks a phrase, waits for the answer, and again. An interrupting one
starts its phrase while it still hears the greeting, and does so again with every answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.bench.marker import is_silence, marked_silence


@dataclass(frozen=True, slots=True)
class CallerScript:
    """When to speak, in frames of 20 ms."""

    phrase: Sequence[bytes]
    listen_frames: int
    """Before the first phrase, from the first packet that came."""
    pause_frames: int
    """Between phrases."""
    talk_over_frames: int | None = None
    """Speak over whatever is heard, this long after the first sound of it."""


class Caller:
    """One caller's voice. ``hear`` each payload that comes, ask ``next_frame`` every 20 ms."""

    def __init__(self, index: int, script: CallerScript) -> None:
        self._index = index
        self._script = script
        self._sent = 0
        self._speak_at = script.listen_frames
        self._spoken = 0
        self._waits_for_sound = script.talk_over_frames is not None

    def hear(self, payload: bytes) -> None:
        """Notes the first sound; cheap once it was heard."""
        if self._waits_for_sound and not is_silence(payload):
            self._waits_for_sound = False
            self._speak_at = self._sent + (self._script.talk_over_frames or 0)

    @property
    def is_listening_for_sound(self) -> bool:
        """Whether ``hear`` still has something to learn."""
        return self._waits_for_sound

    def next_frame(self) -> bytes:
        """The next 20 ms in µ-law: of the phrase, or silence that carries its number."""
        frame = self._sent
        self._sent += 1
        if frame < self._speak_at:
            return marked_silence(self._index, frame)
        spoken = self._script.phrase[self._spoken]
        self._spoken += 1
        if self._spoken == len(self._script.phrase):
            self._spoken = 0
            self._speak_at = self._sent + self._script.pause_frames
            self._waits_for_sound = self._script.talk_over_frames is not None
        return spoken
