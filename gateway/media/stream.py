"""One call's RTP: the face of the media core.

A datagram comes in and the caller's audio goes out in the same call; a tick takes one frame from the playout and
answers with the packet to send. Receiving belongs to the event loop's thread, ``tick`` and ``mark_unsent`` to the
pacer's; ``update`` may come while the pacer ticks.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.base.ids import IdSource
from gateway.media.config import Address, StreamConfig
from gateway.media.receive.gaps import Mending
from gateway.media.receive.receiver import Receiver
from gateway.media.receive.statistics import ReceiveStatistics
from gateway.media.send.packetizer import Packetizer, SendStatistics
from gateway.media.send.playout import Playout


class RtpStream:
    """Both directions of one call's audio. ``now`` is monotonic seconds.

    ``on_audio`` gets the caller's G.711 bytes in order and without gaps, ``on_digit`` each key pressed, ``on_drained``
    the news that everything enqueued has left. All are called from the receiving side's thread.
    """

    def __init__(
        self,
        config: StreamConfig,
        ids: IdSource,
        *,
        on_audio: Callable[[bytes], None],
        on_digit: Callable[[str], None],
        on_drained: Callable[[], None] | None = None,
    ) -> None:
        self.config = config
        self.frame_ms = config.frame_ms
        """How often ``tick`` is to be called."""
        self.playout = Playout(config.law, config.frame_bytes)
        self._receiver = Receiver(config, on_audio=on_audio, on_digit=on_digit)
        self._packetizer = Packetizer(config.law, config.payload_type, config.frame_bytes, ids)
        self._on_drained = on_drained
        self._was_drained = True
        self._may_send = config.may_send
        self._latch = self._receiver.latch

    def receive_datagram(self, data: bytes | memoryview, source: Address, now: float) -> None:
        """One datagram from the network, in the buffer it was received into: nothing of it is kept but copies."""
        self._receiver.receive(data, source, now)

    def start(self, now: float) -> None:
        """The call is up: from here on silence of the caller is filled in by the clock, whether packets came or not."""
        if self.config.may_receive:
            self._receiver.timeline.start(now)

    def handle_timeout(self, now: float) -> None:
        """Give up gaps, end digits, fill silence, notice that the playout has drained."""
        self._receiver.handle_timeout(now)
        if self._on_drained is not None:
            is_drained = self.playout.is_drained
            if is_drained and not self._was_drained:
                self._on_drained()
            self._was_drained = is_drained

    def next_deadline(self) -> float | None:
        """When ``handle_timeout`` is due next."""
        return self._receiver.next_deadline()

    @property
    def gap_deadline(self) -> float | None:
        """When audio held back behind a gap is let go; None while none is held."""
        return self._receiver.gap_deadline

    def update(self, config: StreamConfig, now: float) -> None:
        """A re-INVITE agreed on something else: address, codec, packet length or hold."""
        self.config = config
        self.frame_ms = config.frame_ms
        self._receiver.update(config, now)
        with self.playout.lock:
            self.playout.reshape(config.law, config.frame_bytes)
            self._packetizer.reshape(config.law, config.payload_type, config.frame_bytes)
            self._may_send = config.may_send

    def take_over(self, former: RtpStream) -> None:
        """What the other stream had still to say is said here, its ledger with it. Neither may tick meanwhile."""
        self.playout, former.playout = former.playout, self.playout
        with self.playout.lock:
            self.playout.reshape(self.config.law, self.config.frame_bytes)

    def tick(self, skipped: int = 0) -> tuple[bytes, Address] | None:
        """The packet for this frame time and where it goes; None while there is nowhere to send or we may not.

        ``skipped`` frame times passed since the last tick without one.
        """
        playout, packetizer, latch = self.playout, self._packetizer, self._latch
        with playout.lock:
            if skipped:
                packetizer.skip(skipped)
            target = latch.address or latch.announced
            if target is None or not self._may_send:
                packetizer.pause()
                return None
            return packetizer.packetize(playout.take_frame()), target

    def mark_unsent(self) -> None:
        """The network refused the packet of the last tick: the ledger must not count it."""
        self.playout.mark_unsent()

    @property
    def remote(self) -> Address | None:
        """Where packets go now: the latched address, before that the announced one."""
        return self._latch.address or self._latch.announced

    @property
    def last_received(self) -> float | None:
        """When the caller's last packet came; None before the first."""
        return self._latch.heard_at

    @property
    def statistics(self) -> ReceiveStatistics:
        """What came in."""
        return self._receiver.statistics

    @property
    def mending(self) -> Mending:
        """What was filled into the caller's audio and cut from it."""
        return self._receiver.timeline.mending

    @property
    def sent(self) -> SendStatistics:
        """What went out."""
        return self._packetizer.statistics
