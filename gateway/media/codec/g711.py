"""G.711: 64 kbit/s logarithmic PCM at 8000 Hz, one byte per sample (ITU-T G.711), by table.

Linear samples are signed 16-bit, mono, full scale: the 14 bits of µ-law and the 13 bits of A-law stand at the top.
A value on the border between two steps goes to the larger magnitude, on both sides of zero alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

SAMPLE_RATE_HZ: Final = 8000
BYTES_PER_MS: Final = 8

ULAW_SILENCE: Final = 0xFF
ALAW_SILENCE: Final = 0xD5

_ULAW_BIAS: Final = 132
"""33 of G.711 at 14 bits: makes every segment start at a power of two."""
_ULAW_CLIP: Final = 32767 - _ULAW_BIAS


def _ulaw_levels() -> Samples:
    """The linear value of each µ-law byte (G.711 table 2). The wire carries every bit inverted."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = (((step << 3) + _ULAW_BIAS) << segment) - _ULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_levels() -> Samples:
    """The linear value of each A-law byte (G.711 table 1). The wire carries every second bit inverted."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment, step = (code >> 4) & 7, code & 15
    magnitude = np.where(segment == 0, (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _all_samples() -> npt.NDArray[np.int32]:
    """Every 16-bit sample, at the index its bits make as an unsigned number."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _segment_of(magnitude: npt.NDArray[np.int32], first_border: int) -> npt.NDArray[np.int32]:
    """Number of the segment: how many of the seven borders, each twice the one before, the magnitude has reached."""
    borders = first_border << np.arange(7, dtype=np.int32)
    return np.searchsorted(borders, magnitude, side="right").astype(np.int32)


def _ulaw_codes() -> npt.NDArray[np.uint8]:
    sample = _all_samples()
    magnitude = np.minimum(np.abs(sample), _ULAW_CLIP) + _ULAW_BIAS
    segment = _segment_of(magnitude, 256)
    code = (segment << 4) | ((magnitude >> (segment + 3)) & 15) | np.where(sample < 0, 0x80, 0)
    return (~code & 0xFF).astype(np.uint8)


def _alaw_codes() -> npt.NDArray[np.uint8]:
    sample = _all_samples()
    magnitude = np.minimum(np.abs(sample), 32767)
    segment = _segment_of(magnitude, 256)
    code = (segment << 4) | ((magnitude >> np.maximum(segment + 3, 4)) & 15) | np.where(sample < 0, 0, 0x80)
    return (code ^ 0x55).astype(np.uint8)


_ULAW_LEVELS = _ulaw_levels()
_ALAW_LEVELS = _alaw_levels()
_ULAW_CODES = _ulaw_codes()
_ALAW_CODES = _alaw_codes()


def decode_ulaw(audio: bytes) -> Samples:
    """µ-law bytes to linear samples."""
    return _ULAW_LEVELS[np.frombuffer(audio, dtype=np.uint8)]


def decode_alaw(audio: bytes) -> Samples:
    """A-law bytes to linear samples."""
    return _ALAW_LEVELS[np.frombuffer(audio, dtype=np.uint8)]


def encode_ulaw(samples: Samples) -> bytes:
    """Linear samples to µ-law bytes."""
    return _ULAW_CODES[np.ascontiguousarray(samples).view(np.uint16)].tobytes()


def encode_alaw(samples: Samples) -> bytes:
    """Linear samples to A-law bytes."""
    return _ALAW_CODES[np.ascontiguousarray(samples).view(np.uint16)].tobytes()


_ALL_CODES = bytes(range(256))
ULAW_TO_ALAW: Final = encode_alaw(decode_ulaw(_ALL_CODES))
"""For ``bytes.translate``: each µ-law byte to the A-law byte of the step its level lies in."""
ALAW_TO_ULAW: Final = encode_ulaw(decode_alaw(_ALL_CODES))
"""For ``bytes.translate``: each A-law byte to the µ-law byte of the step its level lies in."""


@dataclass(frozen=True, slots=True)
class Law:
    """One of the two companding laws, by the name SDP gives it (RFC 3551 §4.5.14)."""

    name: str
    payload_type: int
    """The static RTP payload type (RFC 3551 table 4)."""
    silence: int
    """The byte of the quietest positive level."""

    def decode(self, audio: bytes) -> Samples:
        """Bytes of this law to linear samples."""
        return decode_ulaw(audio) if self.name == "PCMU" else decode_alaw(audio)

    def encode(self, samples: Samples) -> bytes:
        """Linear samples to bytes of this law."""
        return encode_ulaw(samples) if self.name == "PCMU" else encode_alaw(samples)

    def silent(self, samples: int) -> bytes:
        """That many samples of silence."""
        return bytes((self.silence,)) * samples

    def translate(self, audio: bytes, to: Law) -> bytes:
        """The same audio in another law; unchanged when it is this one."""
        if to.name == self.name:
            return audio
        return audio.translate(ULAW_TO_ALAW if self.name == "PCMU" else ALAW_TO_ULAW)


PCMU: Final = Law("PCMU", 0, ULAW_SILENCE)
PCMA: Final = Law("PCMA", 8, ALAW_SILENCE)
LAWS: Final = {law.name: law for law in (PCMU, PCMA)}
"""Both laws by SDP encoding name."""
