"""One call's RTP, both directions, on literal times."""

from __future__ import annotations

import pytest

from gateway.base.ids import IdSource
from gateway.media.codec.g711 import ULAW_TO_ALAW
from gateway.media.config import StreamConfig
from gateway.media.rtp import RtpPacket, parse_packet
from gateway.media.send.playout import ItemHeard
from gateway.media.stream import RtpStream
from tests.support.rtp_caller import ADDRESS, Ear, RtpCaller, speech

ITEM = ("resp", "item")
NATTED = ("198.51.100.9", 61_000)


def agreed(**changes: object) -> StreamConfig:
    values = {"codec": "PCMU", "payload_type": 0, "telephone_event_payload_type": 101, "remote": ADDRESS}
    return StreamConfig(**(values | changes))  # type: ignore[arg-type]


class Call:
    """A stream, its ear, and its caller."""

    def __init__(self, **changes: object) -> None:
        self.ear = Ear()
        self.drained = 0
        self.caller = RtpCaller()
        self.stream = RtpStream(
            agreed(**changes),
            IdSource(1),
            on_audio=self.ear.hear,
            on_digit=self.ear.digits.append,
            on_drained=self.count_drained,
        )

    def count_drained(self) -> None:
        self.drained += 1

    def tick(self, skipped: int = 0) -> RtpPacket:
        outgoing = self.stream.tick(skipped)
        assert outgoing is not None
        return parse_packet(outgoing[0])


@pytest.fixture
def call() -> Call:
    return Call()


def test_a_datagram_becomes_audio_in_the_same_call(call: Call) -> None:
    call.stream.receive_datagram(call.caller.audio(), ADDRESS, 1.0)
    assert call.ear.audio == speech(50_000, 160)
    assert call.stream.last_received == 1.0


def test_digits_and_statistics_come_through(call: Call) -> None:
    call.stream.receive_datagram(call.caller.audio(), ADDRESS, 1.0)
    call.stream.receive_datagram(call.caller.event(5, 800, end=True), ADDRESS, 1.1)
    assert call.ear.digits == ["5"]
    assert (call.stream.statistics.packets, call.stream.statistics.events) == (2, 1)


def test_rtp_goes_to_the_announced_address_until_the_caller_is_found_elsewhere(call: Call) -> None:
    assert call.stream.tick() is not None
    assert call.stream.remote == ADDRESS
    for step in range(3):
        call.stream.receive_datagram(call.caller.audio(), NATTED, 1.0 + step * 0.02)
    outgoing = call.stream.tick()
    assert outgoing is not None
    assert outgoing[1] == NATTED == call.stream.remote


def test_the_host_of_the_signalling_is_believed_at_once_and_strangers_before_it_are_not() -> None:
    call = Call(signalling_host=NATTED[0])
    intruder = RtpCaller(ssrc=0xBAD)
    call.stream.receive_datagram(intruder.audio(), ("203.0.113.66", 5555), 1.0)
    call.stream.receive_datagram(call.caller.audio(), NATTED, 1.01)
    assert call.stream.remote == NATTED
    assert call.ear.audio == speech(50_000, 160)


def test_a_telephone_event_latches_nobody(call: Call) -> None:
    intruder = RtpCaller(ssrc=0xBAD)
    for step in range(20):
        event = intruder.event(5, 160, end=True, marker=True, start=step * 8000)
        call.stream.receive_datagram(event, NATTED, 1.0 + step * 0.02)
    assert (call.ear.digits, call.stream.remote) == ([], ADDRESS)
    call.stream.receive_datagram(call.caller.event(7, 160, end=True, marker=True), ADDRESS, 2.0)
    assert call.ear.digits == ["7"]


def test_a_flood_of_digits_is_rationed_and_counted(call: Call) -> None:
    call.stream.receive_datagram(call.caller.audio(), ADDRESS, 1.0)
    for step in range(1000):
        event = call.caller.event(step % 10, 160, end=True, marker=True, start=step * 400)
        call.stream.receive_datagram(event, ADDRESS, 1.0 + step * 0.01)
    assert 200 <= len(call.ear.digits) <= 221
    assert call.stream.statistics.excess_digits == 1000 - len(call.ear.digits)


def test_the_host_of_the_signalling_may_change_with_a_re_invite(call: Call) -> None:
    call.stream.update(agreed(signalling_host=NATTED[0]), 1.0)
    call.stream.receive_datagram(call.caller.audio(), NATTED, 1.01)
    assert call.stream.remote == NATTED
    assert call.stream.config.signalling_host == NATTED[0]


def test_nothing_is_sent_while_nobody_knows_where_to() -> None:
    call = Call(remote=None)
    call.stream.playout.enqueue(ITEM, b"a" * 160)
    assert call.stream.tick() is None
    for step in range(3):
        call.stream.receive_datagram(call.caller.audio(), NATTED, 1.0 + step * 0.02)
    assert call.tick().payload == b"a" * 160


def test_every_tick_is_a_packet_speech_or_silence(call: Call) -> None:
    call.stream.playout.enqueue(ITEM, b"a" * 320)
    assert [call.tick().payload[:1] for _ in range(4)] == [b"a", b"a", b"\xff", b"\xff"]
    assert call.stream.sent.packets == 4


def test_a_stall_is_skipped_and_consumes_no_audio(call: Call) -> None:
    call.stream.playout.enqueue(ITEM, b"a" * 160 + b"b" * 160)
    first = call.tick()
    second = call.tick(skipped=5)
    assert second.payload == b"b" * 160
    assert second.timestamp - first.timestamp == 6 * 160
    assert second.sequence - first.sequence == 1


def test_on_hold_nothing_is_sent_and_no_audio_is_used_up(call: Call) -> None:
    first = call.tick()
    call.stream.update(agreed(direction="recvonly"), 1.0)
    call.stream.playout.enqueue(ITEM, b"a" * 160)
    assert [call.stream.tick() for _ in range(10)] == [None] * 10
    call.stream.update(agreed(), 2.0)
    resumed = call.tick()
    assert resumed.payload == b"a" * 160
    assert resumed.marker
    assert resumed.timestamp - first.timestamp == 11 * 160
    assert resumed.ssrc == first.ssrc


def test_inactive_stops_sending_at_once_and_a_later_update_resumes_the_same_stream(call: Call) -> None:
    call.stream.playout.enqueue(ITEM, b"a" * 480)
    first = call.tick()
    call.stream.update(agreed(direction="inactive"), 1.0)
    assert [call.stream.tick() for _ in range(50)] == [None] * 50
    assert (call.stream.config.direction, call.stream.sent.packets) == ("inactive", 1)
    assert call.stream.playout.ledger(ITEM) == ItemHeard(ITEM, 20, 60)
    call.stream.update(agreed(), 2.0)
    resumed, after = call.tick(), call.tick()
    assert resumed.payload + after.payload == b"a" * 320
    assert (resumed.marker, after.marker) == (True, False)
    assert (resumed.sequence - first.sequence) & 0xFFFF == 1
    assert (resumed.timestamp - first.timestamp) & 0xFFFF_FFFF == 51 * 160
    assert (after.timestamp - resumed.timestamp) & 0xFFFF_FFFF == 160
    assert resumed.ssrc == first.ssrc == after.ssrc


def test_inactive_stops_hearing_at_once_and_a_later_update_hears_again(call: Call) -> None:
    call.stream.receive_datagram(call.caller.audio(), ADDRESS, 1.0)
    call.stream.update(agreed(direction="inactive"), 1.01)
    for step in range(50):
        call.stream.receive_datagram(call.caller.audio(), ADDRESS, 1.02 + step * 0.02)
    call.stream.handle_timeout(2.5)
    assert call.ear.audio == speech(50_000, 160)
    assert call.stream.last_received == pytest.approx(2.0)
    call.stream.update(agreed(), 3.0)
    packet = call.caller.audio()
    call.stream.receive_datagram(packet, ADDRESS, 3.01)
    assert call.ear.audio == speech(50_000, 160) + packet[12:]


def test_a_frame_the_network_refused_is_taken_out_of_the_ledger(call: Call) -> None:
    call.stream.playout.enqueue(ITEM, b"a" * 320)
    call.tick()
    call.tick()
    call.stream.mark_unsent()
    assert call.stream.playout.ledger(ITEM) == ItemHeard(ITEM, 20, 40)


def test_a_re_invite_changes_codec_length_and_address_at_once(call: Call) -> None:
    call.stream.playout.enqueue(ITEM, b"\xff" * 480)
    call.tick()
    call.stream.update(agreed(codec="PCMA", payload_type=8, ptime_ms=30, remote=("192.0.2.50", 7000)), 1.0)
    outgoing = call.stream.tick()
    assert outgoing is not None
    packet = parse_packet(outgoing[0])
    assert (packet.payload_type, packet.payload, outgoing[1]) == (8, b"\xd5" * 240, ("192.0.2.50", 7000))
    assert call.stream.frame_ms == 30


def test_the_drained_playout_is_told_once_each_time(call: Call) -> None:
    call.stream.handle_timeout(1.0)
    assert call.drained == 0
    for _ in range(2):
        call.stream.playout.enqueue(ITEM, b"a" * 160)
        call.stream.handle_timeout(1.0)
        call.tick()
        call.stream.handle_timeout(1.0)
        call.stream.handle_timeout(1.0)
    assert call.drained == 2


def test_from_start_on_the_callers_silence_is_filled_in(call: Call) -> None:
    assert call.stream.next_deadline() is None
    call.stream.start(1.0)
    assert call.stream.next_deadline() == pytest.approx(1.14)
    call.stream.handle_timeout(1.14)
    assert call.ear.audio == b"\xff" * 160
    assert call.stream.mending.silence_samples == 160


def test_a_call_that_starts_on_hold_hears_nothing() -> None:
    call = Call(direction="sendonly")
    call.stream.start(1.0)
    call.stream.receive_datagram(call.caller.audio(), ADDRESS, 1.0)
    call.stream.handle_timeout(5.0)
    assert call.ear.audio == b""
    assert call.tick().payload == b"\xff" * 160


def test_a_gap_that_holds_audio_back_has_a_deadline(call: Call) -> None:
    call.stream.receive_datagram(call.caller.audio(), ADDRESS, 1.0)
    assert call.stream.gap_deadline is None
    call.caller.audio()
    call.stream.receive_datagram(call.caller.audio(), ADDRESS, 1.02)
    assert call.stream.gap_deadline == pytest.approx(1.06)
    assert call.stream.next_deadline() == call.stream.gap_deadline
    call.stream.handle_timeout(1.06)
    assert len(call.ear.audio) == 480


def test_a_stream_that_takes_over_says_what_the_other_had_still_to_say_in_its_own_law() -> None:
    former, other = Call(), Call(codec="PCMA", payload_type=8)
    former.stream.playout.enqueue(ITEM, b"\x10" * 800)
    former.stream.tick()
    ledger = former.stream.playout
    other.stream.take_over(former.stream)
    assert other.stream.playout is ledger
    assert former.stream.playout.is_drained
    assert ledger.pending_ms == 80
    sent = other.stream.tick()
    assert sent is not None
    packet = parse_packet(sent[0])
    assert isinstance(packet, RtpPacket)
    assert (packet.payload_type, len(packet.payload)) == (8, 160)
    assert bytes(packet.payload) == ULAW_TO_ALAW[0x10:0x11] * 160
