"""G.711 for the measuring side, made from the standard's formula and from nothing of the gateway.

A harness that decodes with the tables of what it measures cannot hear that these are wrong.
Samples are signed 16-bit, mono, 8000 Hz throughout.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Law = Literal["PCMU", "PCMA"]
Samples = npt.NDArray[np.int16]

SAMPLE_RATE_HZ = 8000
FRAME_SAMPLES = 160
"""20 ms."""

PAYLOAD_TYPES: dict[int, Law] = {0: "PCMU", 8: "PCMA"}
"""Static payload types (RFC 3551 §6)."""

SILENCE: dict[Law, bytes] = {"PCMU": b"\xff", "PCMA": b"\xd5"}
"""The code for the smallest positive sample: what a digital silence is made of."""


def _ulaw_level(code: int) -> int:
    inverted = ~code & 0xFF
    magnitude = ((((inverted & 0x0F) << 3) + 0x84) << ((inverted >> 4) & 7)) - 0x84
    return -magnitude if inverted & 0x80 else magnitude


def _alaw_level(code: int) -> int:
    toggled = code ^ 0x55
    segment = (toggled >> 4) & 7
    step = (toggled & 0x0F) << 4
    magnitude = step + 8 if segment == 0 else (step + 0x108) << (segment - 1)
    return magnitude if toggled & 0x80 else -magnitude


_LEVELS: dict[Law, npt.NDArray[np.int16]] = {
    "PCMU": np.array([_ulaw_level(code) for code in range(256)], dtype=np.int16),
    "PCMA": np.array([_alaw_level(code) for code in range(256)], dtype=np.int16),
}


def _codes_by_sample(law: Law) -> npt.NDArray[np.uint8]:
    """For every sample value (+32768) the code whose level is nearest."""
    levels = _LEVELS[law].astype(np.int32)
    order = np.argsort(levels, kind="stable")
    ordered = levels[order]
    borders = (ordered[1:] + ordered[:-1]) / 2
    nearest = np.searchsorted(borders, np.arange(-32768, 32768))
    codes = order[nearest].astype(np.uint8)
    codes[32768] = SILENCE[law][0]  # two levels are equally near to 0
    return codes


_CODES: dict[Law, npt.NDArray[np.uint8]] = {law: _codes_by_sample(law) for law in _LEVELS}


def decode(payload: bytes, law: Law = "PCMU") -> Samples:
    """Code bytes to samples."""
    return _LEVELS[law][np.frombuffer(payload, dtype=np.uint8)]


def encode(samples: Samples, law: Law = "PCMU") -> bytes:
    """Samples to code bytes, each to the nearest level."""
    return _CODES[law][samples.astype(np.int32) + 32768].tobytes()


def frames(payload: bytes, law: Law = "PCMU") -> list[bytes]:
    """Cuts coded audio into 20 ms frames; the last one is filled up with silence."""
    short = -len(payload) % FRAME_SAMPLES
    padded = payload + SILENCE[law] * short
    return [padded[start : start + FRAME_SAMPLES] for start in range(0, len(padded), FRAME_SAMPLES)]
