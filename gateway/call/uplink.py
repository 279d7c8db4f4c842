"""The caller's voice on its way to Inworld: payload bytes in, chunks of a fixed length out. No queue, no clock."""

from __future__ import annotations

from collections.abc import Callable

from gateway.media.codec.g711 import BYTES_PER_MS


class Uplink:
    """Gathers G.711 payloads into chunks and hands each on in the call that completed it.

    One event per RTP packet would spend the account's message budget on envelopes, hence chunks (60 ms by default).
    While ``is_silenced`` every byte is replaced by silence: the provider's timeline goes on, the caller is not heard.
    """

    def __init__(self, send_chunk: Callable[[bytes], None], *, chunk_ms: int, silence: int) -> None:
        self._send_chunk = send_chunk
        self._chunk_bytes = chunk_ms * BYTES_PER_MS
        self._silence = bytes([silence])
        self._gathered = bytearray()
        self.is_silenced = False

    def receive_audio(self, payload: bytes) -> None:
        """One piece of the caller's timeline, in order and without holes."""
        gathered = self._gathered
        gathered += self._silence * len(payload) if self.is_silenced else payload
        while len(gathered) >= self._chunk_bytes:
            chunk = bytes(gathered[: self._chunk_bytes])
            del gathered[: self._chunk_bytes]
            self._send_chunk(chunk)
