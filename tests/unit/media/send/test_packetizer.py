"""One unbroken RTP stream out of frames and silence."""

from __future__ import annotations

from gateway.base.ids import IdSource
from gateway.media.codec.g711 import PCMA, PCMU
from gateway.media.rtp import RtpPacket, parse_packet
from gateway.media.send.packetizer import Packetizer

SPEECH = b"\x10" * 160


class Listener:
    """Reads every packet and checks what must hold for all of them."""

    def __init__(self, seed: int = 1) -> None:
        self.packetizer = Packetizer(PCMU, 0, 160, IdSource(seed))
        self.packets: list[RtpPacket] = []

    def hear(self, frame: bytes | None) -> RtpPacket:
        packet = parse_packet(self.packetizer.packetize(frame))
        if self.packets:
            assert packet.ssrc == self.packets[-1].ssrc
            assert packet.sequence == (self.packets[-1].sequence + 1) & 0xFFFF
        self.packets.append(packet)
        return packet

    def elapsed_ts(self) -> int:
        """Timestamp steps between the last two packets."""
        return (self.packets[-1].timestamp - self.packets[-2].timestamp) & 0xFFFF_FFFF


def test_silence_is_sent_when_there_is_nothing_to_say() -> None:
    listener = Listener()
    assert listener.hear(None).payload == b"\xff" * 160
    assert listener.hear(None).payload == b"\xff" * 160
    assert listener.elapsed_ts() == 160


def test_the_marker_begins_the_stream_and_each_talkspurt() -> None:
    listener = Listener()
    markers = [listener.hear(frame).marker for frame in (None, None, SPEECH, SPEECH, None, None, SPEECH)]
    assert markers == [True, False, True, False, False, False, True]


def test_a_stream_that_begins_with_speech_has_one_marker() -> None:
    listener = Listener()
    assert [listener.hear(frame).marker for frame in (SPEECH, SPEECH)] == [True, False]


def test_skipped_frames_move_the_timestamp_and_not_the_sequence() -> None:
    listener = Listener()
    listener.hear(SPEECH)
    listener.packetizer.skip(3)
    listener.hear(SPEECH)
    assert listener.elapsed_ts() == 4 * 160
    assert listener.packetizer.statistics.skipped_frames == 3


def test_after_a_pause_the_time_has_gone_on_and_a_marker_says_so() -> None:
    listener = Listener()
    listener.hear(SPEECH)
    for _ in range(50):
        listener.packetizer.pause()
    assert listener.hear(None).marker
    assert listener.elapsed_ts() == 51 * 160


def test_sequence_and_timestamp_wrap() -> None:
    listener = Listener()
    for _ in range(70_000):
        listener.hear(None)
    assert (listener.packets[-1].timestamp - listener.packets[0].timestamp) & 0xFFFF_FFFF == 69_999 * 160
    while listener.packetizer._timestamp > 800:  # near the wrap in one stride
        listener.packetizer.skip((0xFFFF_FFFF - listener.packetizer._timestamp) // 160 + 1)
    listener.hear(None)


def test_each_stream_starts_at_random() -> None:
    first, second = Listener(seed=1).hear(None), Listener(seed=2).hear(None)
    assert first.ssrc != second.ssrc
    assert first.sequence != second.sequence
    assert first.timestamp != second.timestamp


def test_another_codec_and_length_from_the_next_packet_on() -> None:
    listener = Listener()
    listener.hear(None)
    listener.packetizer.reshape(PCMA, 8, 240)
    packet = listener.hear(None)
    assert (packet.payload_type, packet.payload) == (8, b"\xd5" * 240)
    assert listener.elapsed_ts() == 160
    listener.hear(None)
    assert listener.elapsed_ts() == 240


def test_what_was_sent_is_counted() -> None:
    listener = Listener()
    for frame in (SPEECH, None, SPEECH):
        listener.hear(frame)
    sent = listener.packetizer.statistics
    assert (sent.packets, sent.octets, sent.ssrc) == (3, 480, listener.packets[0].ssrc)
