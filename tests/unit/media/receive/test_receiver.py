"""The receive half as a whole: datagrams in, audio and digits out, each test a situation of the field."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.config import StreamConfig
from gateway.media.receive.gaps import MAX_GAP_TS
from gateway.media.receive.receiver import Receiver
from tests.support.rtp_caller import ADDRESS, Ear, RtpCaller, speech

SILENCE = b"\xff"
STRANGER = ("203.0.113.66", 5555)


def agreed(**changes: object) -> StreamConfig:
    values = {"codec": "PCMU", "payload_type": 0, "telephone_event_payload_type": 101, "remote": ADDRESS}
    return StreamConfig(**(values | changes))  # type: ignore[arg-type]


class Call:
    """A receiver, the caller that feeds it, and a clock that moves with the packets."""

    def __init__(self, **changes: object) -> None:
        self.ear = Ear()
        self.receiver = Receiver(agreed(**changes), on_audio=self.ear.hear, on_digit=self.ear.digits.append)
        self.caller = RtpCaller()
        self.now = 100.0

    @property
    def statistics(self):  # type: ignore[no-untyped-def]
        return self.receiver.statistics

    def arrive(self, *packets: bytes, source: tuple[str, int] = ADDRESS) -> bytes:
        """Packets arrive together; answers with the audio they released."""
        before = len(self.ear.audio)
        for packet in packets:
            self.receiver.receive(packet, source, self.now)
        return self.ear.since(before)

    def talk(self, packets: int, **kinds: int) -> bytes:
        """That many packets on time, 20 ms apart."""
        before = len(self.ear.audio)
        for _ in range(packets):
            self.arrive(self.caller.audio(**kinds))
            self.wait(0.02)
        return self.ear.since(before)

    def wait(self, seconds: float) -> bytes:
        """Time passes; the timer fires whenever it is due."""
        before = len(self.ear.audio)
        end = self.now + seconds
        while (deadline := self.receiver.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.receiver.handle_timeout(self.now)
            again = self.receiver.next_deadline()
            assert again is None or again > deadline, "the same deadline again would spin the edge"
        self.now = end
        return self.ear.since(before)


@pytest.fixture
def call() -> Call:
    return Call()


class TestInOrder:
    def test_a_packet_in_order_is_audible_within_the_same_call(self, call: Call) -> None:
        for _ in range(100):
            packet = call.caller.audio()
            assert call.arrive(packet) == packet[12:]
            call.now += 0.02

    def test_a_call_does_not_lose_its_first_packet(self, call: Call) -> None:
        assert call.arrive(call.caller.audio()) == speech(50_000, 160)

    def test_sequence_and_timestamp_wrap_unheard(self) -> None:
        call = Call()
        call.caller = RtpCaller(sequence=65_530, timestamp=0xFFFF_FFFF - 700)
        assert len(call.talk(20)) == 20 * 160
        assert call.statistics.lost == 0
        assert call.receiver.timeline.mending.rebased == 0

    @pytest.mark.parametrize("samples", [80, 160, 240, 320, 480, 33])
    def test_any_packet_length_and_changes_of_it(self, call: Call, samples: int) -> None:
        heard = call.talk(5) + call.talk(5, samples=samples) + call.talk(5)
        assert heard == speech(50_000, 10 * 160 + 5 * samples)

    def test_padding_sources_and_extension_are_no_audio(self, call: Call) -> None:
        plain = call.caller.audio()
        dressed = b"\xb1" + plain[1:12] + b"CSRC" + b"\xbe\xde\x00\x00" + plain[12:] + b"\x00\x02"
        assert call.arrive(dressed) == plain[12:]

    def test_an_empty_packet_as_keep_alive_leaves_no_gap(self, call: Call) -> None:
        call.talk(2)
        call.arrive(call.caller.audio(samples=0))
        assert call.talk(2) == speech(50_320, 320)
        assert call.statistics.lost == 0


class TestLossAndOrder:
    def test_two_packets_that_swapped_places_are_put_right_at_once(self, call: Call) -> None:
        call.talk(1)
        first, second = call.caller.audio(), call.caller.audio()
        assert call.arrive(second) == b""
        assert call.arrive(first) == first[12:] + second[12:]
        assert call.statistics.reordered == 1
        assert call.statistics.lost == 0

    def test_a_gap_waits_at_most_the_reorder_time_then_is_concealed(self, call: Call) -> None:
        call.talk(3)
        call.caller.audio()
        late = call.caller.audio()
        assert call.arrive(late) == b""
        assert call.wait(0.039) == b""
        heard = call.wait(0.001)
        assert len(heard) == 320
        assert heard[160:] == late[12:]
        assert heard[:160] not in (SILENCE * 160, late[12:])
        assert call.statistics.given_up == 1

    def test_the_wait_is_the_one_that_was_agreed_on(self) -> None:
        call = Call(reorder_ms=10)
        call.talk(1)
        call.caller.audio()
        call.arrive(call.caller.audio())
        assert call.wait(0.009) == b""
        assert len(call.wait(0.001)) == 320

    def test_a_packet_too_late_is_dropped_and_counted(self, call: Call) -> None:
        call.talk(3)
        late = call.caller.audio()
        call.talk(5)
        heard = len(call.ear.audio)
        assert call.arrive(late) == b""
        assert len(call.ear.audio) == heard
        assert (call.statistics.late, call.statistics.duplicates) == (1, 0)

    def test_copies_are_dropped_and_counted(self, call: Call) -> None:
        packets = [call.caller.audio() for _ in range(10)]
        for packet in packets:
            assert call.arrive(packet, packet, packet) == packet[12:]
        assert call.statistics.duplicates == 20
        assert call.talk(1) == speech(51_600, 160)

    def test_copies_of_held_packets_are_no_new_beginning(self, call: Call) -> None:
        call.talk(1)
        missing, second, third = (call.caller.audio() for _ in range(3))
        call.arrive(second, third, second, third)
        assert call.arrive(missing) == speech(50_160, 480)
        assert (call.statistics.duplicates, call.statistics.restarts) == (2, 0)

    def test_a_doubled_burst_is_no_new_beginning(self, call: Call) -> None:
        packets = [call.caller.audio() for _ in range(7)]
        call.arrive(*packets)
        assert call.arrive(*packets) == b""
        assert call.statistics.restarts == 0
        assert call.talk(1) == speech(50_000 + 7 * 160, 160)

    def test_several_packets_lost_in_a_row_keep_the_line_exact(self, call: Call) -> None:
        call.talk(10)
        for _ in range(4):
            call.caller.audio()
            call.wait(0.02)
        call.talk(10)
        assert len(call.ear.audio) == 24 * 160
        assert call.statistics.lost == 4

    def test_a_flood_of_early_packets_does_not_pile_up(self, call: Call) -> None:
        call.talk(1)
        call.caller.audio()
        call.arrive(*(call.caller.audio() for _ in range(200)))
        assert len(call.ear.audio) == pytest.approx(2 * 8000, abs=400), "two seconds ahead of real time at most"
        assert call.receiver.timeline.mending.excess_packets == pytest.approx(102, abs=2)
        heard = len(call.ear.audio)
        call.wait(4.2)
        call.talk(50)
        # Silence takes back one of the two seconds; the other stays in hand for the caller's own words.
        assert len(call.ear.audio) - heard == pytest.approx(4.2 * 8000, abs=0.12 * 8000)
        assert call.ear.audio.endswith(speech(call.caller.timestamp - 160, 160))


class TestSourceChanges:
    def test_another_ssrc_goes_on_without_gap_or_lost_audio(self, call: Call) -> None:
        call.talk(5)
        call.caller = RtpCaller(ssrc=0xBEEF, sequence=7, timestamp=3_000_000_000)
        assert call.talk(5) == speech(3_000_000_000, 5 * 160)
        assert (call.statistics.ssrc_changes, call.statistics.foreign_ssrc) == (1, 0)
        assert (call.statistics.packets, call.statistics.lost) == (10, 0)

    @pytest.mark.parametrize("ssrc", [0, 0xCA11])
    def test_another_ssrc_with_a_timestamp_a_little_ahead_is_no_pause(self, call: Call, ssrc: int) -> None:
        call.caller.ssrc = ssrc
        call.talk(5)
        call.caller = RtpCaller(ssrc=0xBEEF, sequence=call.caller.sequence, timestamp=call.caller.timestamp + 100_000)
        assert call.talk(5) == speech(150_800, 800)
        assert call.statistics.ssrc_changes == 1

    def test_a_stray_packet_of_another_ssrc_is_not_heard(self, call: Call) -> None:
        call.talk(20)
        call.arrive(RtpCaller(ssrc=0xBAD).audio())
        assert call.talk(5) == speech(50_000 + 20 * 160, 800)
        assert (call.statistics.ssrc_changes, call.statistics.foreign_ssrc) == (0, 1)

    def test_two_streams_at_once_do_not_alternate(self, call: Call) -> None:
        other = RtpCaller(ssrc=0xBAD)
        for _ in range(50):
            call.talk(1)
            call.arrive(other.audio())
        assert call.ear.audio == speech(50_000, 50 * 160)

    def test_while_a_key_is_held_the_source_is_alive(self, call: Call) -> None:
        call.talk(2)
        start = call.caller.timestamp
        for index in range(20):
            call.arrive(call.caller.event(5, (index + 1) * 160, start=start))
            call.wait(0.02)
        assert call.arrive(RtpCaller(ssrc=0xBAD).audio()) == b""
        assert call.statistics.events == 20

    def test_a_last_packet_of_the_old_source_does_not_take_it_back(self, call: Call) -> None:
        call.talk(2)
        straggler = call.caller.audio()
        call.wait(0.5)
        new = RtpCaller(ssrc=0xBEEF, timestamp=7)
        assert call.arrive(new.audio()) == speech(7, 160)
        assert call.arrive(straggler) == b""
        assert call.arrive(new.audio()) == speech(167, 160)

    def test_digits_on_an_ssrc_of_their_own_are_digits_and_do_not_disturb_the_voice(self, call: Call) -> None:
        keypad = RtpCaller(ssrc=0xD7F, sequence=1, timestamp=999)
        for index in range(5):
            call.talk(1)
            call.arrive(keypad.event(5, (index + 1) * 160, end=index == 4))
        assert call.ear.digits == ["5"]
        assert call.ear.audio == speech(50_000, 5 * 160)

    def test_digits_on_an_ssrc_of_their_own_while_the_voice_pauses_shift_nothing(self, call: Call) -> None:
        call.talk(5)
        keypad = RtpCaller(ssrc=0xD7F, sequence=1, timestamp=999)
        for index in range(8):
            call.arrive(keypad.event(5, (index + 1) * 160, end=index == 7))
            call.wait(0.02)
        call.caller.silent(8 * 160)
        call.talk(5)
        assert call.ear.digits == ["5"]
        assert len(call.ear.audio) == 18 * 160
        assert (call.statistics.ssrc_changes, call.statistics.foreign_ssrc) == (0, 8)

    def test_the_jitter_of_the_old_ssrc_is_not_held_against_the_new(self, call: Call) -> None:
        for index in range(20):
            call.arrive(call.caller.audio())
            call.wait(0.01 if index % 2 else 0.03)
        assert call.statistics.jitter_ms > 2
        call.caller = RtpCaller(ssrc=0xBEEF, timestamp=7)
        call.talk(50)
        assert call.statistics.jitter_ms < 2

    def test_sequence_numbers_that_begin_anew_lose_no_audio(self, call: Call) -> None:
        call.talk(5)
        call.caller.sequence = 40_000
        call.caller.timestamp = 3_000_000
        assert call.talk(5) == speech(3_000_000, 5 * 160)
        assert call.statistics.restarts == 1
        assert len(call.ear.audio) == 10 * 160

    def test_sequence_numbers_that_begin_anew_just_behind_lose_no_audio_either(self, call: Call) -> None:
        call.talk(80)
        call.caller.sequence -= 50
        call.caller.timestamp += 3_000_000
        start = call.caller.timestamp
        assert call.talk(5) == speech(start, 5 * 160)
        assert call.statistics.restarts == 1

    def test_a_recording_played_again_from_its_start_is_heard_again(self, call: Call) -> None:
        recording = [call.caller.audio() for _ in range(150)]
        for packet in recording + recording:
            call.arrive(packet)
            call.wait(0.02)
        assert call.ear.audio == 2 * speech(50_000, 150 * 160)

    def test_a_short_recording_in_a_loop_is_heard_although_it_looks_like_the_recent_past(self, call: Call) -> None:
        recording = [call.caller.audio() for _ in range(50)]
        call.arrive(*recording)
        heard = b"".join(call.arrive(packet) for packet in recording)
        assert heard == speech(50_000, 50 * 160)

    def test_one_strange_sequence_number_is_a_stray(self, call: Call) -> None:
        call.talk(5)
        stray = RtpCaller(sequence=40_000, timestamp=call.caller.timestamp)
        assert call.arrive(stray.audio()) == b""
        call.talk(1)
        assert call.arrive(stray.audio()) == b""
        assert call.statistics.restarts == 0


class TestSilenceSuppression:
    def test_a_pause_without_packets_is_filled_by_the_clock_while_it_lasts(self, call: Call) -> None:
        call.talk(5)
        heard = call.wait(2.0)
        assert heard == SILENCE * len(heard)
        assert len(heard) == pytest.approx((2.0 - 0.1) * 8000, abs=160)

    def test_the_talkspurt_after_it_takes_its_own_place_and_nothing_is_filled_twice(self, call: Call) -> None:
        call.talk(5)
        call.caller.silent(16_000)
        call.wait(2.0)
        call.arrive(call.caller.audio(marker=True))
        assert len(call.ear.audio) == 5 * 160 + 16_000 + 160
        assert call.ear.audio.endswith(speech(50_000 + 16_800, 160))
        assert call.statistics.lost == 0
        assert call.receiver.timeline.mending.trimmed_samples == 0

    def test_a_long_call_of_talk_and_pause_stays_exact(self, call: Call) -> None:
        for pause in (400, 1600, 24_000, 160, 8000, 3333):
            call.talk(7)
            call.caller.silent(pause)
            call.wait(pause / 8000)
        call.talk(1)
        assert len(call.ear.audio) == 6 * 7 * 160 + 400 + 1600 + 24_000 + 160 + 8000 + 3333 + 160

    def test_a_pause_after_a_loss_is_silence(self, call: Call) -> None:
        call.talk(2)
        call.caller.audio()
        call.talk(3)
        call.wait(0.02)
        concealed = call.receiver.timeline.mending.concealed_samples
        call.caller.silent(480)
        call.wait(0.06)
        assert call.arrive(call.caller.audio())[:480] == SILENCE * 480
        assert call.receiver.timeline.mending.concealed_samples == concealed == 160

    def test_comfort_noise_is_silence(self, call: Call) -> None:
        call.talk(2)
        call.arrive(call.caller.comfort_noise())
        call.caller.silent(480)
        call.wait(0.06)
        assert call.arrive(call.caller.audio()) == SILENCE * 480 + speech(50_800, 160)
        assert call.statistics.comfort_noise == 1
        assert call.receiver.timeline.mending.concealed_samples == 0

    def test_nothing_is_filled_while_packets_wait_behind_a_gap(self) -> None:
        call = Call(reorder_ms=300)
        call.talk(1)
        call.caller.audio()
        call.arrive(call.caller.audio())
        assert call.wait(0.299) == b""
        heard = call.wait(0.002)
        assert heard[160:320] == speech(50_320, 160)
        assert heard[320:] == SILENCE * 1440


class TestPayloadTypes:
    def test_an_unknown_payload_type_is_ignored_counted_and_no_loss(self, call: Call) -> None:
        call.talk(2)
        assert call.arrive(call.caller.audio(payload_type=96)) == b""
        assert call.arrive(call.caller.audio()) == SILENCE * 160 + speech(50_480, 160)
        assert call.statistics.unknown_payload_types == 1
        assert call.statistics.lost == 0

    def test_rtcp_on_the_rtp_port_is_counted_apart(self, call: Call) -> None:
        call.talk(1)
        call.arrive(bytes.fromhex("80c80006") + bytes(24))
        assert call.statistics.rtcp_on_rtp_port == 1
        assert call.talk(1) == speech(50_160, 160)

    @pytest.mark.parametrize(
        "datagram", [b"", b"\x00\x01\x00\x00" * 5, b"OPTIONS sip:x SIP/2.0\r\n\r\n", b"\x16\xfe\xff"]
    )
    def test_what_is_no_rtp_is_counted_and_nothing_else(self, call: Call, datagram: bytes) -> None:
        call.talk(1)
        call.arrive(datagram)
        assert call.statistics.malformed == 1
        assert call.talk(1) == speech(50_160, 160)


class TestDigits:
    def press(self, call: Call, key: int, packets: int = 8) -> None:
        """A key pressed as most gateways send it: the voice stops, the timestamp stays, the end comes three times."""
        start = call.caller.timestamp
        for index in range(packets):
            call.arrive(call.caller.event(key, (index + 1) * 160, marker=index == 0, start=start))
            call.wait(0.02)
        for _ in range(3):
            call.arrive(call.caller.event(key, packets * 160, end=True, start=start))
        call.caller.silent(packets * 160)

    def test_a_digit_is_told_once_and_its_time_on_the_line_is_silence(self, call: Call) -> None:
        call.talk(5)
        self.press(call, 5)
        call.talk(5)
        assert call.ear.digits == ["5"]
        assert len(call.ear.audio) == (5 + 8 + 5) * 160
        assert call.ear.audio[800 : 800 + 1280] == SILENCE * 1280
        assert call.statistics.lost == 0
        assert call.receiver.timeline.mending.concealed_samples == 0

    def test_silence_flows_while_a_key_is_held(self, call: Call) -> None:
        call.talk(2)
        start = call.caller.timestamp
        for index in range(50):
            call.arrive(call.caller.event(5, (index + 1) * 160, start=start))
            call.wait(0.02)
        assert len(call.ear.audio) == pytest.approx(320 + 8000 - 0.12 * 8000, abs=320)

    def test_voice_sent_along_with_the_event_is_kept(self, call: Call) -> None:
        call.talk(2)
        start = call.caller.timestamp
        for index in range(6):
            call.arrive(call.caller.event(1, (index + 1) * 160, end=index == 5, start=start))
            call.talk(1)
        assert call.ear.digits == ["1"]
        assert call.ear.audio == speech(50_000, 8 * 160)

    def test_a_lost_event_packet_is_no_lost_voice(self, call: Call) -> None:
        call.talk(2)
        start = call.caller.timestamp
        call.arrive(call.caller.event(1, 160, start=start))
        call.caller.event(1, 320, start=start)
        call.arrive(call.caller.event(1, 480, end=True, start=start))
        call.wait(0.06)
        call.caller.silent(480)
        call.talk(1)
        assert call.ear.digits == ["1"]
        assert len(call.ear.audio) == 2 * 160 + 480 + 160

    def test_a_digit_whose_end_is_lost_is_told_by_the_timer(self, call: Call) -> None:
        call.talk(2)
        call.arrive(call.caller.event(9, 160))
        call.wait(0.19)
        assert call.ear.digits == []
        call.wait(0.01)
        assert call.ear.digits == ["9"]
        assert call.receiver.last_digit is not None
        assert call.receiver.last_digit.duration_ms == 20

    def test_events_that_were_not_agreed_on_are_unknown_packets(self) -> None:
        call = Call(telephone_event_payload_type=None)
        call.talk(1)
        call.arrive(call.caller.event(1, 160, end=True))
        assert call.ear.digits == []
        assert call.statistics.unknown_payload_types == 1


class TestReInvite:
    def test_hold_stops_the_line_and_resume_goes_on_with_it(self, call: Call) -> None:
        call.talk(5)
        call.receiver.update(agreed(direction="inactive"), call.now)
        call.arrive(call.caller.audio(), call.caller.audio())
        assert call.wait(30.0) == b""
        assert call.statistics.ignored_on_hold == 2
        call.receiver.update(agreed(), call.now)
        call.caller.silent(240_000)
        assert call.talk(5) == speech(call.caller.timestamp - 800, 800)

    def test_a_hold_without_loss_counts_no_loss_and_no_gain(self, call: Call) -> None:
        call.talk(20)
        call.receiver.update(agreed(direction="inactive"), call.now)
        for _ in range(10):
            call.arrive(call.caller.audio())
            call.wait(0.02)
        call.receiver.update(agreed(), call.now)
        call.talk(20)
        assert (call.statistics.packets, call.statistics.lost) == (40, 0)

    def test_what_waited_behind_a_gap_is_forgotten_by_hold(self, call: Call) -> None:
        call.talk(5)
        call.caller.audio()
        call.arrive(call.caller.audio())
        call.receiver.update(agreed(direction="sendonly"), call.now)
        call.receiver.update(agreed(), call.now)
        assert call.wait(0.09) == b""
        assert call.talk(1) == speech(50_000 + 7 * 160, 160)

    def test_a_second_hold_does_not_start_the_clock(self, call: Call) -> None:
        call.talk(5)
        call.receiver.update(agreed(direction="inactive"), call.now)
        call.receiver.update(agreed(direction="sendonly"), call.now)
        assert call.wait(5.0) == b""

    def test_a_held_caller_that_still_sends_is_known_to_be_alive(self, call: Call) -> None:
        call.talk(5)
        call.receiver.update(agreed(direction="inactive"), call.now)
        call.wait(20.0)
        call.arrive(call.caller.audio())
        assert call.receiver.latch.heard_at == call.now

    def test_a_refresh_leaves_alone_what_waits_behind_a_gap(self, call: Call) -> None:
        call.talk(1)
        first, second = call.caller.audio(), call.caller.audio()
        call.arrive(second)
        call.receiver.update(agreed(), call.now)
        assert call.arrive(first) == speech(50_160, 320)

    def test_another_reorder_time_and_guard_hold_from_then_on(self, call: Call) -> None:
        call.talk(1)
        call.receiver.update(agreed(reorder_ms=10, relatch_after_s=0.2), call.now)
        call.caller.audio()
        call.arrive(call.caller.audio())
        assert len(call.wait(0.011)) == 320
        rebound = (ADDRESS[0], 31_000)
        for _ in range(12):
            call.arrive(call.caller.audio(), source=rebound)
            call.wait(0.02)
        assert call.receiver.latch.address == rebound

    def test_after_resume_the_clock_runs_although_no_packet_comes(self, call: Call) -> None:
        call.talk(1)
        call.receiver.update(agreed(direction="inactive"), call.now)
        call.wait(10.0)
        call.receiver.update(agreed(), call.now)
        assert len(call.wait(1.1)) == pytest.approx(8000, abs=160)

    def test_a_refresh_that_changes_nothing_is_not_heard(self, call: Call) -> None:
        call.talk(5)
        call.receiver.update(agreed(), call.now)
        assert call.talk(5) == speech(50_800, 800)

    def test_another_codec_and_event_number_are_expected_from_then_on(self, call: Call) -> None:
        call.talk(2)
        call.receiver.update(agreed(codec="PCMA", payload_type=8, telephone_event_payload_type=96), call.now)
        assert call.talk(1, payload_type=0) == b""
        call.caller.payload_type, call.caller.event_type = 8, 96
        call.arrive(call.caller.event(3, 160, end=True))
        assert call.ear.digits == ["3"]
        assert call.talk(1).endswith(speech(call.caller.timestamp - 160, 160))
        assert b"\xd5" in call.wait(0.5)

    def test_media_that_moves_to_another_address_goes_on(self, call: Call) -> None:
        call.talk(2)
        moved = ("192.0.2.50", 7000)
        call.receiver.update(agreed(remote=moved), call.now)
        assert call.arrive(call.caller.audio(), source=moved) == speech(50_320, 160)
        assert call.receiver.latch.address == moved
        assert call.arrive(call.caller.audio()) == b""
        assert call.statistics.rejected_source == 1


class TestStrangers:
    def test_a_stranger_is_not_heard(self, call: Call) -> None:
        call.talk(2)
        intruder = RtpCaller(ssrc=0xBAD)
        for _ in range(50):
            assert call.arrive(intruder.audio(), source=STRANGER) == b""
            call.talk(1)
        assert call.statistics.rejected_source == 50
        assert call.ear.audio == speech(50_000, 52 * 160)

    def test_a_phone_that_moves_to_another_port_is_found_again_within_its_first_second(self, call: Call) -> None:
        call.talk(2)
        moved_at, moved = call.now, ("192.0.2.7", 30_002)
        while call.receiver.latch.address != moved:
            call.arrive(call.caller.audio(), source=moved)
            call.wait(0.02)
        assert call.now - moved_at == pytest.approx(1.0, abs=0.05)
        call.wait(0.021)
        call.arrive(call.caller.audio(), source=moved)
        assert call.ear.audio.endswith(speech(call.caller.timestamp - 320, 320))

    def test_digits_of_a_stranger_are_not_told(self, call: Call) -> None:
        call.talk(2)
        call.arrive(RtpCaller(ssrc=0xBAD).event(5, 800, end=True), source=STRANGER)
        assert call.ear.digits == []


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A caller's packet with some of its bytes changed, or cut off."""
    header = struct.pack(
        ">BBHII",
        draw(st.sampled_from([0x80, 0x80, 0x80, 0xA0, 0x90, 0x81])),
        draw(st.sampled_from([0, 0, 0, 0x80, 13, 101, 229, 96])),
        draw(st.one_of(st.integers(990, 1100), st.integers(0, 0xFFFF))),
        draw(st.one_of(st.integers(50_000, 60_000), st.integers(0, 0xFFFF_FFFF))),
        draw(st.sampled_from([0xCA11, 0xCA11, 0xCA11, 0xBEEF])),
    )
    packet = header + draw(st.sampled_from([bytes(160), bytes(4), b"\x05\x8a\x03\x20", b"", bytes(37)]))
    return packet[: draw(st.integers(0, len(packet) + 40))]


@given(st.lists(st.tuples(mangled(), st.integers(0, 100), st.sampled_from([ADDRESS, ADDRESS, STRANGER])), max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_datagram_raises_and_few_make_no_flood(arrivals: list[tuple[bytes, int, tuple[str, int]]]) -> None:
    call = Call()
    for datagram, wait_ms, source in arrivals:
        call.arrive(datagram, source=source)
        call.wait(wait_ms / 1000)
    elapsed = sum(wait_ms for _, wait_ms, _ in arrivals) * 8
    assert len(call.ear.audio) <= MAX_GAP_TS + 2 * elapsed + 160 * len(arrivals)


def test_when_the_last_packet_was_heard_is_known(call: Call) -> None:
    assert call.receiver.latch.heard_at is None
    call.arrive(call.caller.audio())
    assert call.receiver.latch.heard_at == 100.0
    call.now = 103.0
    call.arrive(call.caller.event(1, 160))
    assert call.receiver.latch.heard_at == 103.0
    call.now = 104.0
    call.arrive(RtpCaller(ssrc=1).audio(), source=STRANGER)
    assert call.receiver.latch.heard_at == 103.0
