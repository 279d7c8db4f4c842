"""What stands in for lost audio: the last frame again and again, faded to silence within ``FADE_SAMPLES``.

A hole of exact silence inside a word reads as an end of speech to a voice detector and as a click to the ear; a voice
that is kept alive for longer than a few frames reads as a stuck tone.
"""

from __future__ import annotations

import numpy as np

from gateway.media.codec.g711 import Law

FADE_SAMPLES = 480
"""60 ms at 8000 Hz."""
_PERIOD_SAMPLES = 160
"""At most the last 20 ms are repeated: long enough for two periods of a low voice."""

_FADE = np.linspace(1.0, 0.0, FADE_SAMPLES, endpoint=False, dtype=np.float32)


class Concealment:
    """Makes replacement audio for one source. ``last_frame`` is set by its owner with each real payload."""

    __slots__ = ("_concealed_samples", "_source_frame", "last_frame")

    def __init__(self) -> None:
        self.last_frame = b""
        """The newest real audio; empty when there is nothing worth repeating."""
        self._source_frame = b""
        self._concealed_samples = 0

    def make(self, law: Law, samples: int) -> bytes:
        """That many samples in place of lost ones. The fade goes on over neighbouring gaps until real audio came."""
        if self._source_frame is not self.last_frame:
            self._source_frame = self.last_frame
            self._concealed_samples = 0
        start = self._concealed_samples
        self._concealed_samples = min(start + samples, FADE_SAMPLES)
        audible = self._concealed_samples - start
        frame = self.last_frame[-_PERIOD_SAMPLES:]
        if not frame or not audible:
            return law.silent(samples)
        repeated = np.resize(np.roll(law.decode(frame), -(start % len(frame))), audible)
        faded = law.encode((repeated * _FADE[start : start + audible]).astype(np.int16))
        return faded + law.silent(samples - audible)

    def forget(self) -> None:
        """Silence has been heard since: nothing of before is worth repeating."""
        self.last_frame = b""
