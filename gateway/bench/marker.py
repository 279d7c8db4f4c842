"""An inaudible number in a frame of digital silence, so that one packet can be found again behind the gateway.

G.711 µ-law has two codes for zero, 0xFF and 0x7F. A silent frame carries 48 bits as its last 48 codes (16 that say it
is a mark, 16 for the call, 16 for the frame): nobody hears them, the gateway passes G.711 on untouched, and the chunk
that ends with this packet shows which packet it was.
"""

from __future__ import annotations

from gateway.measure.g711 import FRAME_SAMPLES

_ZERO, _ONE = 0xFF, 0x7F
_SIGN = "1011001110001101"
_BITS = len(_SIGN) + 32
_QUIET = bytes([_ZERO]) * (FRAME_SAMPLES - _BITS)
_ZEROS_AND_ONES = frozenset((_ZERO, _ONE))
_TO_CODES = bytes.maketrans(b"01", bytes([_ZERO, _ONE]))
_FROM_CODES = bytes.maketrans(bytes([_ZERO, _ONE]), b"01")


def marked_silence(call: int, frame: int) -> bytes:
    """20 ms of silence that carries a call's index (16 bits, from 0) and a frame number (16 bits, wraps)."""
    return _QUIET + f"{_SIGN}{call & 0xFFFF:016b}{frame & 0xFFFF:016b}".encode().translate(_TO_CODES)


def read_marker(audio: bytes) -> tuple[int, int] | None:
    """(call, frame) of the frame that ``audio`` ends with, or None when that frame is not a marked silence."""
    codes = audio[-_BITS:]
    if len(codes) < _BITS or not _ZEROS_AND_ONES.issuperset(codes):
        return None
    bits = codes.translate(_FROM_CODES).decode()
    if not bits.startswith(_SIGN):
        return None
    return int(bits[16:32], 2), int(bits[32:], 2)


def is_silence(payload: bytes) -> bool:
    """Whether a µ-law payload is digital silence, marked or not."""
    return _ZEROS_AND_ONES.issuperset(payload)
