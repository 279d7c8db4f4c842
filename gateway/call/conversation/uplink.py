"""The caller's voice on its way to Inworld: payload bytes in, chunks of a fixed length out. No queue, no clock."""

from __future__ import annotations

from collections.abc import Callable

from gateway.media.codec.g711 import ALAW_TO_ULAW, BYTES_PER_MS, ULAW_TO_ALAW, Law


class Uplink:
    """Gathers G.711 payloads into chunks and hands each on in the call that completed it.

    One event per RTP packet would spend the account's message budget on envelopes, hence chunks (60 ms by default).
    While ``is_silenced`` every byte is replaced by silence: the provider's timeline goes on, the caller is not heard.
    While not ``is_open`` nothing is passed on at all: the agent's timeline has yet to begin.
    """

    def __init__(self, send_chunk: Callable[[bytes], None], *, chunk_ms: int, law: Law) -> None:
        """``law`` is the one the provider's session is opened for."""
        self._send_chunk = send_chunk
        self._chunk_bytes = chunk_ms * BYTES_PER_MS
        self._law = law
        self._silence = law.silent(1)
        self._translation: bytes | None = None
        self._gathered = bytearray()
        self.is_silenced = False
        self.is_open = True

    def receive_in(self, law: Law) -> None:
        """What comes from now on is in this law of the line; where the session's is another it is translated."""
        if law is self._law:
            self._translation = None
        else:
            self._translation = ULAW_TO_ALAW if law.name == "PCMU" else ALAW_TO_ULAW

    def receive_audio(self, payload: bytes) -> None:
        """One piece of the caller's timeline, in order and without holes."""
        if not self.is_open:
            return
        if self.is_silenced:
            payload = self._silence * len(payload)
        elif self._translation is not None:
            payload = payload.translate(self._translation)
        gathered = self._gathered
        gathered += payload
        while len(gathered) >= self._chunk_bytes:
            chunk = bytes(gathered[: self._chunk_bytes])
            del gathered[: self._chunk_bytes]
            self._send_chunk(chunk)
