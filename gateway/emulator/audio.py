"""The audio formats of a Realtime session, written anew here so that a fault of the gateway's codecs is not mirrored.

Samples are signed 16-bit mono in numpy arrays; wire bytes are little-endian. G.711 follows ITU-T G.711 tables 1 and 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.int16]
"""Mono audio, signed 16 bit."""

PCM_RATES_HZ = (8000, 16000, 24000, 32000, 44100, 48000)
DEFAULT_PCM_RATE_HZ = 24000
G711_RATE_HZ = 8000

_TYPES = {
    "audio/pcm": "pcm",
    "pcm16": "pcm",
    "audio/pcmu": "pcmu",
    "g711_ulaw": "pcmu",
    "audio/pcma": "pcma",
    "g711_alaw": "pcma",
    "audio/float32": "float32",
    "float32": "float32",
}
"""Every accepted name, of the object form and of the string form, and the encoding it means."""
_SAMPLE_BYTES = {"pcm": 2, "pcmu": 1, "pcma": 1, "float32": 4}


class UnsupportedFormat(ValueError):
    """An audio format the service does not know. ``field`` is "type" or "rate", or empty when the whole is wrong."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One direction's format: ``encoding`` is pcm, pcmu, pcma or float32; ``rate`` in Hz."""

    encoding: str
    rate: int

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample on the wire."""
        return _SAMPLE_BYTES[self.encoding]

    def duration_ms(self, byte_count: int) -> float:
        """How long so many bytes sound."""
        return byte_count / self.sample_bytes * 1000 / self.rate

    def byte_count(self, duration_ms: float) -> int:
        """Bytes of whole samples in ``duration_ms``, rounded down."""
        return int(duration_ms * self.rate / 1000) * self.sample_bytes

    def decode(self, wire: bytes | bytearray | memoryview) -> Samples:
        """Samples of wire bytes; bytes of an incomplete last sample are left out."""
        whole = memoryview(wire)[: len(wire) - len(wire) % self.sample_bytes]
        if self.encoding == "pcm":
            return np.frombuffer(whole, dtype="<i2").astype(np.int16, copy=False)
        if self.encoding == "float32":
            bounded = np.clip(np.nan_to_num(np.frombuffer(whole, dtype="<f4")), -1.0, 1.0)
            scaled: Samples = np.minimum(bounded * 32768.0, 32767.0).astype(np.int16)
            return scaled
        table = _ULAW_TO_LINEAR if self.encoding == "pcmu" else _ALAW_TO_LINEAR
        return table.take(np.frombuffer(whole, dtype=np.uint8))

    def encode(self, samples: Samples) -> bytes:
        """Wire bytes of samples that have this format's rate."""
        if self.encoding == "pcm":
            return samples.astype("<i2").tobytes()
        if self.encoding == "float32":
            return (samples.astype("<f4") / np.float32(32768.0)).astype("<f4").tobytes()
        table = _LINEAR_TO_ULAW if self.encoding == "pcmu" else _LINEAR_TO_ALAW
        return table.take(samples.view(np.uint16)).tobytes()

    def as_wire(self) -> dict[str, Any]:
        """The object form; G.711 carries no rate."""
        if self.encoding in ("pcmu", "pcma"):
            return {"type": f"audio/{self.encoding}"}
        return {"type": f"audio/{self.encoding}", "rate": self.rate}


def parse_format(value: object) -> AudioFormat:
    """Reads the object form ``{"type", "rate"}`` or the string form; raises :class:`UnsupportedFormat`."""
    if isinstance(value, str):
        value = {"type": value}
    if not isinstance(value, Mapping):
        raise UnsupportedFormat("an audio format is an object with a type, or a string")
    name = value.get("type")
    encoding = _TYPES.get(name) if isinstance(name, str) else None
    if encoding is None:
        raise UnsupportedFormat(f"unsupported audio format {name!r}", "type")
    rate = value.get("rate")
    if encoding in ("pcmu", "pcma"):
        if rate not in (None, G711_RATE_HZ):
            raise UnsupportedFormat(f"G.711 has a rate of {G711_RATE_HZ}, not {rate!r}", "rate")
        return AudioFormat(encoding, G711_RATE_HZ)
    if rate is None:
        return AudioFormat(encoding, DEFAULT_PCM_RATE_HZ)
    if isinstance(rate, bool) or rate not in PCM_RATES_HZ:
        raise UnsupportedFormat(f"unsupported sample rate {rate!r}", "rate")
    return AudioFormat(encoding, int(rate))


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """A whole recording at another rate: its spectrum cut or extended. Not for streams (it needs both ends)."""
    if from_hz == to_hz or len(samples) == 0:
        return samples
    # A few samples of silence behind it make both lengths whole, or the time axis would be stretched a little.
    block = from_hz // math.gcd(from_hz, to_hz)
    padded = np.concatenate((samples, np.zeros(-len(samples) % block, dtype=np.int16)))
    wanted = len(padded) // block * (to_hz // math.gcd(from_hz, to_hz))
    spectrum = np.fft.rfft(padded.astype(np.float64))
    fitted = np.zeros(wanted // 2 + 1, dtype=np.complex128)
    kept = min(len(spectrum), len(fitted))
    fitted[:kept] = spectrum[:kept]
    signal = np.fft.irfft(fitted, wanted) * (wanted / len(padded))
    return np.clip(np.rint(signal), -32768, 32767).astype(np.int16)


def convert(wire: bytes, source: AudioFormat, target: AudioFormat) -> bytes:
    """Wire bytes of one format as those of another; the very same bytes when the formats are one."""
    if source == target:
        return wire
    return target.encode(resample(source.decode(wire), source.rate, target.rate))


def _segments(magnitude: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The chord (exponent) of each biased magnitude: 0 below 256, one more at each doubling."""
    return np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int64) - 7, 0)


def _ulaw_tables() -> tuple[Samples, npt.NDArray[np.uint8]]:
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    to_linear = np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)

    samples = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64)
    biased = np.minimum(np.abs(samples), 32635) + 0x84
    chord = _segments(biased)
    coded = np.where(samples < 0, 0x80, 0) | (chord << 4) | ((biased >> (chord + 3)) & 0x0F)
    return to_linear, (~coded & 0xFF).astype(np.uint8)


def _alaw_tables() -> tuple[Samples, npt.NDArray[np.uint8]]:
    code = np.arange(256) ^ 0x55
    chord, step = (code & 0x70) >> 4, (code & 0x0F) << 4
    magnitude = np.where(chord == 0, step + 8, (step + 0x108) << np.maximum(chord - 1, 0))
    to_linear = np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)

    samples = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64)
    size = np.where(samples >= 0, samples, -samples - 1)
    chord = _segments(size)
    coded = np.where(chord == 0, size >> 4, (chord << 4) | ((size >> (chord + 3)) & 0x0F))
    return to_linear, (coded ^ np.where(samples >= 0, 0xD5, 0x55)).astype(np.uint8)


_ULAW_TO_LINEAR, _LINEAR_TO_ULAW = _ulaw_tables()
_ALAW_TO_LINEAR, _LINEAR_TO_ALAW = _alaw_tables()
