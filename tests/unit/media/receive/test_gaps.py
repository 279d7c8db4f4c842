"""The caller's audio as one unbroken line, on literal times."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.media.codec.g711 import PCMA, PCMU
from gateway.media.receive.gaps import MAX_GAP_TS, Timeline
from tests.support.rtp_caller import Ear, speech

SILENCE = b"\xff"
LAG_S = 0.12
"""100 ms after the next packet was due, which is 20 ms after the last."""


class Line:
    """A timeline and its ear. ``say`` places a packet; times are seconds, timestamps start at ``base``."""

    def __init__(self, base: int = 10_000) -> None:
        self.ear = Ear()
        self.timeline = Timeline(PCMU, self.ear.hear, lag_s=0.1)
        self.base = base

    def say(self, at_sample: int, arrival: float, *, samples: int = 160, lost: int = 0) -> bytes:
        """A packet of speech ``at_sample`` behind the base; answers with what it made audible."""
        stamp = (self.base + at_sample) & 0xFFFF_FFFF
        before = len(self.ear.audio)
        self.timeline.add_audio(stamp, speech(at_sample, samples), arrival, lost)
        return self.ear.since(before)

    def fill(self, now: float) -> bytes:
        """A housekeeping round; answers with the silence it made."""
        before = len(self.ear.audio)
        self.timeline.fill(now)
        return self.ear.since(before)


@pytest.fixture
def line() -> Line:
    return Line()


class TestPackets:
    def test_the_first_packet_starts_the_line_wherever_its_timestamp_is(self, line: Line) -> None:
        assert line.say(0, 1.0) == speech(0, 160)

    def test_packets_that_follow_pass_untouched(self, line: Line) -> None:
        line.say(0, 1.0)
        payload = speech(160, 160)
        line.timeline.add_audio(line.base + 160, payload, 1.02)
        assert line.ear.chunks[1] is payload

    def test_lost_audio_is_concealed_for_exactly_its_time(self, line: Line) -> None:
        line.say(0, 1.0)
        heard = line.say(480, 1.06, lost=2)
        assert len(heard) == 320 + 160
        assert heard[:320] != SILENCE * 320
        assert heard[320:] == speech(480, 160)
        assert line.timeline.mending.concealed_samples == 320

    def test_a_pause_without_lost_packets_is_silence_for_exactly_its_time(self, line: Line) -> None:
        line.say(0, 1.0)
        assert line.say(160 + 4001, 1.52) == SILENCE * 4001 + speech(4161, 160)
        assert line.timeline.mending.silence_samples == 4001

    def test_a_pause_is_given_out_a_second_at_a_time(self, line: Line) -> None:
        line.say(0, 1.0)
        line.say(160 + 20_000, 3.52)
        assert [len(chunk) for chunk in line.ear.chunks] == [160, 8000, 8000, 4000, 160]

    def test_the_timestamp_wraps_within_a_packet_and_within_a_gap(self) -> None:
        line = Line(base=0xFFFF_FFFF - 100)
        line.say(0, 1.0)
        assert line.say(160, 1.02) == speech(160, 160)
        line = Line(base=0xFFFF_FFFF - 200)
        line.say(0, 1.0)
        assert line.say(320, 1.04, lost=1)[160:] == speech(320, 160)

    @pytest.mark.parametrize("samples", [1, 37, 80, 240, 320, 480])
    def test_packets_of_any_length(self, line: Line, samples: int) -> None:
        heard = b"".join(line.say(index * samples, 1.0 + index, samples=samples) for index in range(5))
        assert heard == speech(0, 5 * samples)

    def test_an_empty_packet_makes_no_sound_and_moves_nothing(self, line: Line) -> None:
        line.say(0, 1.0)
        assert line.say(160, 1.01, samples=0) == b""
        assert line.say(160, 1.02) == speech(160, 160)
        assert b"" not in line.ear.chunks

    def test_an_empty_packet_in_filled_silence_is_no_new_beginning(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(2.0)
        line.say(160, 2.0, samples=0)
        line.say(8000, 2.0)
        assert len(line.ear.audio) == 8160
        assert line.timeline.mending.rebased == 0

    def test_a_packet_that_overlaps_the_one_before_is_trimmed_to_the_sample(self, line: Line) -> None:
        line.say(0, 1.0)
        assert line.say(100, 1.02) == speech(160, 100)
        assert line.timeline.mending.trimmed_samples == 60

    def test_a_gap_of_exactly_a_second_is_one_chunk(self, line: Line) -> None:
        line.say(0, 1.0)
        line.say(160 + 8000, 2.02)
        assert [len(chunk) for chunk in line.ear.chunks] == [160, 8000, 160]

    def test_the_newest_frame_is_what_conceals_a_loss(self, line: Line) -> None:
        line.timeline.add_audio(line.base, PCMU.encode(np.full(160, 20_000, np.int16)), 1.0)
        line.timeline.add_audio(line.base + 160, PCMU.encode(np.full(160, 50, np.int16)), 1.02)
        concealed = line.say(480, 1.06, lost=1)[:160]
        assert 0 < np.abs(PCMU.decode(concealed)).max() < 100

    def test_after_filled_silence_there_is_nothing_to_repeat(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(2.0)
        resumed = line.say(8160, 2.02, lost=3)
        assert set(resumed[:-160]) == {0xFF}

    def test_in_another_law_there_is_nothing_to_repeat_either(self, line: Line) -> None:
        line.say(0, 1.0)
        line.timeline.use_law(PCMA)
        assert line.say(320, 1.04, lost=1)[:160] == b"\xd5" * 160

    def test_a_timestamp_used_twice_is_audio_all_the_same(self, line: Line) -> None:
        line.say(0, 1.0)
        assert line.say(0, 1.02) == speech(0, 160)
        assert line.say(160, 1.04) == speech(160, 160)


class TestNewBeginnings:
    def test_a_timestamp_that_jumps_beyond_a_minute_goes_on_where_the_line_is(self, line: Line) -> None:
        line.say(0, 1.0)
        assert line.say(MAX_GAP_TS + 161, 1.02) == speech(MAX_GAP_TS + 161, 160)
        assert line.timeline.mending.rebased == 1
        assert line.say(MAX_GAP_TS + 321, 1.04) == speech(MAX_GAP_TS + 321, 160)

    def test_a_timestamp_that_jumps_back_goes_on_where_the_line_is(self, line: Line) -> None:
        line.say(50_000, 1.0)
        assert line.say(0, 1.02) == speech(0, 160)
        assert line.say(160, 1.04) == speech(160, 160)
        assert line.timeline.mending.rebased == 1

    def test_a_rebased_line_neither_fills_nor_trims(self, line: Line) -> None:
        line.say(0, 1.0)
        line.timeline.rebase()
        assert line.say(77_777, 1.02) == speech(77_777, 160)
        assert len(line.ear.audio) == 320

    def test_a_new_beginning_without_audio_is_not_filled_twice(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(6.0)
        heard = len(line.ear.audio)
        line.timeline.rebase()
        line.timeline.add_mark(777, 6.0)
        assert line.fill(6.02) == SILENCE * 160
        assert len(line.ear.audio) == heard + 160

    @pytest.mark.parametrize(("lost", "leap_s"), [(0, 2), (0, 30), (0, 59), (1, 30), (2900, 58)])
    def test_a_gap_longer_than_the_time_that_passed_is_not_filled(self, line: Line, lost: int, leap_s: int) -> None:
        line.say(0, 1.0)
        leap = leap_s * 8000
        assert line.say(160 + leap, 1.02, lost=lost) == speech(160 + leap, 160)
        assert line.timeline.mending.rebased == 1
        assert line.say(320 + leap, 1.04) == speech(320 + leap, 160)

    def test_a_gap_may_exceed_the_time_that_passed_by_what_the_newest_packet_may_have_been_late(
        self, line: Line
    ) -> None:
        line.say(0, 1.0)
        assert line.say(160 + 7900, 1.02) == SILENCE * 7900 + speech(8060, 160)

    def test_small_leaps_without_end_cost_no_audio_and_make_little_silence(self, line: Line) -> None:
        """Each is believable; together they are not."""
        for index in range(3000):
            assert line.say(index * 560, 1.0 + index * 0.02).endswith(speech(index * 560, 160))
        done = line.timeline.mending
        assert done.excess_packets == 0
        assert done.silence_samples <= 8000 + 60 * 80 + 400

    def test_packets_held_for_a_verdict_do_not_outlive_a_new_beginning(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(6.0)
        line.say(160, 6.0)
        line.say(320, 6.02)
        line.timeline.rebase()
        assert set(line.fill(6.5)) == {0xFF}
        assert line.timeline.mending.rebased == 0

    def test_a_minute_that_has_passed_is_believed_again_and_again(self, line: Line) -> None:
        line.say(0, 1.0)
        line.say(160 + MAX_GAP_TS, 61.0)
        assert line.timeline.mending.silence_samples == MAX_GAP_TS
        line.say(320 + 2 * MAX_GAP_TS, 121.0)
        assert line.timeline.mending.silence_samples == 2 * MAX_GAP_TS


class TestRealTime:
    """Nobody makes more audio than time passes, but for two seconds of slack."""

    @pytest.mark.parametrize(("samples", "packets_per_s"), [(160, 500), (160, 3500), (1400, 3500), (8, 8000)])
    def test_a_sender_faster_than_speech_makes_no_more_than_real_time(
        self, line: Line, samples: int, packets_per_s: int
    ) -> None:
        for index in range(6 * packets_per_s):
            now = 1.0 + index / packets_per_s
            line.say(index * samples, now, samples=samples)
            line.fill(now)
        assert 7.5 * 8000 < len(line.ear.audio) <= (2 + 6 * 1.01) * 8000
        packets = 6 * packets_per_s
        assert line.timeline.mending.excess_packets == packets - len(line.ear.audio) // samples

    def test_leaping_timestamps_and_a_flood_together_make_no_more_either(self, line: Line) -> None:
        for index in range(5000):
            now = 1.0 + index * 0.001
            line.say(index * 8000, now, lost=index % 3)
            line.fill(now)
        assert len(line.ear.audio) <= (2 + 5 * 1.01) * 8000

    def test_silence_and_bursts_in_turn_make_no_more_either(self, line: Line) -> None:
        now, at = 1.0, 0
        for _ in range(20):
            for _ in range(200):
                line.say(at, now)
                at += 160
            for _ in range(200):
                now += 0.02
                line.fill(now)
            at += 10 * 8000
        assert len(line.ear.audio) <= (2 + 80 * 1.01) * 8000 + 320

    def test_leaping_marks_make_no_more_either(self, line: Line) -> None:
        line.say(0, 1.0)
        for index in range(1, 500):
            line.timeline.add_mark(line.base + index * 7900, 1.0 + index * 0.02)
            line.fill(1.0 + index * 0.02)
        assert len(line.ear.audio) <= (2 + 10 * 1.01) * 8000
        line.timeline.rebase()
        assert line.say(0, 11.5) == speech(0, 160)

    def test_a_mark_further_ahead_than_time_has_passed_is_ignored(self, line: Line) -> None:
        line.say(0, 1.0)
        line.timeline.add_mark(line.base + 160 + 60_000, 1.02)
        assert line.fill(1.1) == b""

    def test_after_a_flood_the_sender_is_heard_whole_again(self, line: Line) -> None:
        for index in range(1000):
            line.say(index * 160, 1.0 + index * 0.001)
        heard = bytearray()
        for index in range(1000, 1500):
            now = 5.0 + index * 0.02
            line.fill(now)
            heard += line.say(index * 160, now)
        assert heard.endswith(speech(1001 * 160, 499 * 160))

    def test_a_sender_whose_clock_is_fast_loses_nothing_in_half_an_hour(self, line: Line) -> None:
        for index in range(90_000):
            line.say(index * 160, 1.0 + index * 0.02 / 1.006)
        assert line.timeline.mending.excess_packets == 0
        assert len(line.ear.audio) == 90_000 * 160

    def test_a_suspended_process_does_not_make_the_caller_inaudible(self, line: Line) -> None:
        """The clock makes up for the time at once; the budget has seen that time pass."""
        line.timeline.start(1.0)
        line.fill(40.0)
        assert line.say(0, 40.01) == speech(0, 160)
        line.fill(99.0)
        assert line.say(160 + 59 * 8000, 99.01).endswith(speech(160 + 59 * 8000, 160))
        assert line.timeline.mending.excess_packets == 0


class TestClock:
    def test_nothing_is_filled_before_the_first_packet_or_start(self, line: Line) -> None:
        assert line.fill(100.0) == b""
        assert line.timeline.deadline is None

    def test_from_start_on_silence_flows_although_no_packet_ever_comes(self, line: Line) -> None:
        line.timeline.start(10.0)
        assert line.fill(10.139) == b""
        assert line.fill(10.14) == SILENCE * 160
        assert line.fill(11.12) == SILENCE * (8000 - 160)

    def test_the_first_packet_after_silence_follows_on_it(self, line: Line) -> None:
        line.timeline.start(10.0)
        line.fill(11.0)
        assert line.say(0, 11.01) == speech(0, 160)

    def test_usual_jitter_never_looks_like_silence(self, line: Line) -> None:
        line.say(0, 1.0)
        for index in range(1, 200):
            due = 1.0 + index * 0.02
            late = due + (0.08 if index % 2 else 0.0)
            assert line.fill(late) == b""
            line.say(index * 160, late)
        assert line.ear.audio == speech(0, 200 * 160)

    def test_silence_lags_behind_the_time_the_next_packet_was_due(self, line: Line) -> None:
        line.say(0, 1.0)
        assert line.timeline.deadline == pytest.approx(1.0 + LAG_S + 0.02)
        assert line.fill(1.139) == b""
        assert line.fill(1.14) == SILENCE * 160
        assert line.timeline.deadline == pytest.approx(1.16)
        assert line.fill(1.22) == SILENCE * 640

    @pytest.mark.parametrize(
        ("samples", "due_after_s"), [(80, 0.02), (160, 0.02), (320, 0.04), (480, 0.06), (2000, 0.06)]
    )
    def test_after_longer_packets_the_next_is_due_later(self, line: Line, samples: int, due_after_s: float) -> None:
        line.say(0, 1.0, samples=samples)
        line.say(samples, 1.0, samples=samples)
        line.say(2 * samples, 1.0, samples=37)
        due = 1.0 + due_after_s + 0.1
        assert line.fill(due + 0.0199) == b""
        assert line.fill(due + 0.0201) == SILENCE * 160

    def test_at_its_own_deadline_it_always_has_something_to_fill(self, line: Line) -> None:
        line.say(0, 1234.567)
        for _ in range(500):
            deadline = line.timeline.deadline
            assert deadline is not None
            assert line.fill(deadline) == SILENCE * 160

    def test_a_talkspurt_after_filled_silence_takes_its_own_place(self, line: Line) -> None:
        line.say(0, 1.0)
        for step in range(100):
            line.fill(1.0 + step * 0.02)
        resumed = line.say(16_000, 3.0)
        assert resumed.endswith(speech(16_000, 160))
        assert len(line.ear.audio) == 16_000 + 160
        assert line.timeline.mending.trimmed_samples == 0

    def test_audio_for_a_time_already_filled_is_trimmed_to_the_sample(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(1.0 + LAG_S + 0.02)
        assert line.say(100, 1.13) == speech(320, 0)
        assert line.say(260, 1.13) == speech(320, 100)
        assert line.say(420, 1.15) == speech(420, 160)

    def test_audio_for_exactly_the_time_filled_makes_no_sound(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(1.14)
        assert line.say(160, 1.14) == b""
        assert b"" not in line.ear.chunks
        assert line.say(320, 1.16) == speech(320, 160)

    def test_every_pause_is_filled_in_its_time(self, line: Line) -> None:
        for number in range(3):
            start = number * 3.0
            line.say(number * 24_000, 10.0 + start)
            assert line.fill(10.0 + start + 0.139) == b""
            assert line.fill(10.0 + start + 0.141) == SILENCE * 160
            line.fill(10.0 + start + 2.9)

    def test_after_a_stall_of_the_network_the_line_is_neither_longer_nor_shifted(self, line: Line) -> None:
        for index in range(10):
            line.say(index * 160, 1.0 + index * 0.02)
        for step in range(25):
            line.fill(1.18 + step * 0.02)
        for index in range(10, 36):
            line.say(index * 160, 1.70 + index * 0.0001)
        for index in range(36, 60):
            line.say(index * 160, 1.0 + index * 0.02)
        audio = line.ear.audio
        assert len(audio) == 60 * 160
        assert audio[: 10 * 160] == speech(0, 10 * 160)
        assert audio[40 * 160 :] == speech(40 * 160, 20 * 160)

    def test_an_hour_of_silence_does_not_drift(self, line: Line) -> None:
        line.say(0, 1.0)
        now = 1.0
        while now < 3601.0:
            now += 0.0203
            line.fill(now)
        assert abs(len(line.ear.audio) - 160 - (now - 1.0 - LAG_S) * 8000) <= 160

    def test_a_clock_that_leaps_makes_no_more_than_a_minute_of_silence(self, line: Line) -> None:
        line.say(0, 1.0)
        assert line.fill(1_000_000.0) == SILENCE * MAX_GAP_TS
        assert line.fill(1_000_000.04) == SILENCE * 320

    def test_a_sender_whose_clock_is_slow_is_never_trimmed(self, line: Line) -> None:
        for index in range(30_000):
            arrival = 1.0 + index * 0.02 * 1.006
            line.fill(arrival)
            line.say(index * 160, arrival)
        assert len(line.ear.audio) == 30_000 * 160
        assert line.timeline.mending.trimmed_samples == 0

    def test_a_straggler_does_not_stop_the_clock(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(6.0)
        line.say(160, 6.01)
        assert len(line.fill(7.0)) == pytest.approx(8000, abs=160)


class TestFrozenSender:
    """On hold or mute many senders stop their timestamp too, and go on from where they were."""

    def test_a_sender_whose_timestamp_stood_still_is_heard_whole(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(11.0)
        filled = len(line.ear.audio)
        for index in range(1, 51):
            line.say(index * 160, 11.0 + index * 0.02)
        assert line.ear.audio[filled:] == speech(160, 50 * 160)
        assert line.timeline.mending.trimmed_samples == 0
        assert line.timeline.mending.rebased == 1

    def test_a_word_too_short_for_a_verdict_is_heard_when_it_is_over(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(11.0)
        filled = len(line.ear.audio)
        line.say(160, 11.02)
        line.say(320, 11.04)
        for step in range(10):
            line.fill(11.04 + step * 0.02)
        heard = line.ear.audio[filled:].replace(SILENCE, b"")
        assert heard == speech(160, 320)

    def test_single_stragglers_now_and_then_are_late_and_nothing_else(self, line: Line) -> None:
        line.say(0, 1.0)
        for second in range(2, 12):
            line.fill(float(second))
            assert line.say(160 * second, float(second)) == b""
            assert set(line.fill(second + 0.5)) == {0xFF}
        assert line.timeline.mending.rebased == 0

    def test_stragglers_are_forgotten_once_the_sender_has_caught_up(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(2.0)
        line.say(160, 2.0)
        line.say(320, 2.02)
        line.say(8160, 2.03)
        assert set(line.fill(2.5)) == {0xFF}
        assert line.timeline.mending.rebased == 0

    def test_packets_held_for_a_verdict_are_dropped_when_they_catch_up(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(1.5)
        filled = len(line.ear.audio)
        for index in range(1, 30):
            line.say(index * 160, 1.5 + index * 0.001)
        assert len(line.ear.audio) == 30 * 160
        assert line.timeline.mending.trimmed_samples == filled - 160


class TestMarks:
    """Comfort noise and telephone-events: packets without audio that say how far their sender's time went."""

    def test_a_pause_after_a_mark_is_silence_and_no_loss(self, line: Line) -> None:
        line.say(0, 1.0)
        line.timeline.add_mark(line.base + 160, 1.02)
        assert line.say(480, 1.06) == SILENCE * 320 + speech(480, 160)

    def test_audio_behind_a_mark_takes_the_clock_back_to_itself(self, line: Line) -> None:
        line.say(0, 1.0)
        line.timeline.add_mark(line.base + 480, 1.0)
        line.say(160, 1.02)
        assert line.fill(1.159) == b""
        assert line.fill(1.16) == SILENCE * 160

    def test_an_empty_packet_is_a_mark(self, line: Line) -> None:
        line.say(0, 1.0)
        line.say(8160, 2.0, samples=0)
        assert len(line.ear.since(160)) == 0
        assert line.fill(2.001) == SILENCE * 7040

    def test_audio_between_the_marks_of_a_long_event_keeps_its_place(self, line: Line) -> None:
        for index in range(20):
            line.say(index * 160, 1.0 + index * 0.02)
            line.timeline.add_mark(line.base + (index + 1) * 160, 1.0 + index * 0.02)
        assert line.ear.audio == speech(0, 20 * 160)

    def test_the_clock_fills_a_long_event_while_its_packets_come(self, line: Line) -> None:
        line.say(0, 1.0)
        for step in range(1, 51):
            line.timeline.add_mark(line.base + 160 + step * 160, 1.0 + step * 0.02)
            line.fill(1.0 + step * 0.02)
        assert len(line.ear.audio) == pytest.approx(160 + 8000 - LAG_S * 8000, abs=160)
        assert line.say(8160, 2.02).endswith(speech(8160, 160))
        assert len(line.ear.audio) == 8160 + 160

    def test_repeated_ends_of_an_event_do_not_hold_the_clock_back(self, line: Line) -> None:
        line.say(0, 1.0)
        for step in range(10):
            line.timeline.add_mark(line.base + 320, 1.0 + step * 0.02)
        assert len(line.fill(1.2 + 0.02)) >= 640

    def test_a_mark_on_another_clock_is_ignored(self, line: Line) -> None:
        line.say(0, 1.0)
        line.timeline.add_mark(line.base + 2_000_000_000, 1.02)
        line.timeline.add_mark(line.base + 90_000, 1.02)
        assert line.fill(1.1) == b""
        assert line.say(160, 1.1) == speech(160, 160)

    def test_a_mark_before_any_audio_starts_the_clock(self, line: Line) -> None:
        line.timeline.add_mark(123, 1.0)
        assert line.fill(1.32) == SILENCE * 1600


class TestHold:
    def test_a_paused_line_is_not_filled(self, line: Line) -> None:
        line.say(0, 1.0)
        line.timeline.pause()
        assert line.fill(50.0) == b""
        assert line.timeline.deadline is None

    def test_silence_filled_before_a_pause_does_not_delay_it_after(self, line: Line) -> None:
        line.say(0, 1.0)
        line.fill(9.0)
        line.timeline.pause()
        line.timeline.start(50.0)
        assert line.fill(50.14) == SILENCE * 160

    def test_after_a_pause_the_line_goes_on_without_the_time_of_the_pause(self, line: Line) -> None:
        line.say(0, 1.0)
        line.timeline.pause()
        line.timeline.start(50.0)
        assert line.fill(50.02) == b""
        assert line.say(123_456, 50.04) == speech(123_456, 160)


def test_another_law_means_another_silence() -> None:
    line = Line()
    line.say(0, 1.0)
    line.timeline.use_law(PCMA)
    assert line.fill(1.14) == b"\xd5" * 160
    assert line.timeline.is_recent(line.base + 100)


def test_the_recent_past_is_what_was_said_in_the_last_seconds() -> None:
    line = Line()
    line.say(100_000, 1.0)
    end = line.base + 100_160
    recent = [line.timeline.is_recent(end + offset) for offset in (-80_001, -79_999, -1, 0, 160)]
    assert recent == [False, True, True, False, False]


def test_every_sample_given_out_is_accounted_for(line: Line) -> None:
    end = 0
    for second, (gap, lost) in enumerate([(0, 0), (500, 0), (0, 0), (320, 2), (-60, 0), (700_000, 0), (0, 0)]):
        line.say(end + gap, 1.0 + second, lost=lost)
        end += gap + 160
    done = line.timeline.mending
    assert (done.trimmed_samples, done.concealed_samples, done.silence_samples, done.rebased) == (60, 320, 500, 1)
    assert done.excess_packets == 0
    assert len(line.ear.audio) == 7 * 160 - 60 + 320 + 500
