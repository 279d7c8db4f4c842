"""Whose packets are the caller's."""

from __future__ import annotations

import pytest

from gateway.media.receive.source import Arrival, Rank, RestartProbe, SourceLatch, SsrcGuard

ANNOUNCED = ("192.0.2.7", 4000)
NATTED = ("198.51.100.9", 61000)
OTHER_PORT = (ANNOUNCED[0], 4444)
SIGNALLING = ("198.51.100.20", 62000)
STRANGER = ("203.0.113.66", 5555)


def send(latch: SourceLatch, address: tuple[str, int], sequence: int, now: float, *, ssrc: int = 7) -> bool:
    """One audio packet, as the receiver treats it."""
    admitted = address == latch.address or latch.admit(address, ssrc, sequence, True, now)
    if admitted:
        latch.heard_at = now
    return admitted


def latched_to(address: tuple[str, int], now: float = 0.0) -> SourceLatch:
    latch = SourceLatch(ANNOUNCED, signalling_host=SIGNALLING[0])
    for step in range(3):
        send(latch, address, 65_533 + step, now)
    assert latch.address == address
    return latch


def arrival(sequence: int, at: float) -> Arrival:
    return Arrival(sequence, sequence * 160, b"", True, at)


class TestLatching:
    def test_addresses_are_ranked_by_what_signalling_knows_of_them(self) -> None:
        latch = SourceLatch(ANNOUNCED, signalling_host=SIGNALLING[0])
        ranks = [latch.rank(address) for address in (ANNOUNCED, OTHER_PORT, SIGNALLING, STRANGER)]
        assert ranks == [Rank.ANNOUNCED, Rank.ANNOUNCED_HOST, Rank.SIGNALLING_HOST, Rank.STRANGER]
        assert SourceLatch(None).rank(ANNOUNCED) is Rank.STRANGER

    @pytest.mark.parametrize("address", [ANNOUNCED, OTHER_PORT, SIGNALLING])
    def test_a_known_host_is_latched_with_its_first_audio(self, address: tuple[str, int]) -> None:
        latch = SourceLatch(ANNOUNCED, signalling_host=SIGNALLING[0])
        assert send(latch, address, 1, 0.0)
        assert latch.address == address

    def test_a_known_host_is_heard_but_not_latched_by_anything_else(self) -> None:
        latch = SourceLatch(ANNOUNCED)
        assert latch.admit(ANNOUNCED, 7, 1, False, 0.0)
        assert latch.address is None

    def test_a_phone_behind_address_translation_that_nobody_knows_is_latched_by_its_third_packet(self) -> None:
        latch = SourceLatch(ANNOUNCED)
        assert [send(latch, NATTED, step, step * 0.02) for step in range(3)] == [False, False, True]
        assert latch.address == NATTED

    def test_anyone_is_latched_by_three_packets_while_sdp_has_named_nobody(self) -> None:
        latch = SourceLatch(None)
        assert [send(latch, NATTED, step, step * 0.02) for step in range(3)] == [False, False, True]
        assert latch.address == NATTED

    def test_a_stranger_is_not_latched_while_a_known_host_is_heard_without_audio(self) -> None:
        latch = SourceLatch(ANNOUNCED)
        for step in range(500):
            now = step * 0.02
            if step < 100:
                assert latch.admit(ANNOUNCED, 9, step, False, now)
            if send(latch, STRANGER, step, now):
                break
        assert now == pytest.approx(99 * 0.02 + 5.0)

    def test_two_alternating_strangers_cannot_keep_the_announced_address_out(self) -> None:
        latch = latched_to(STRANGER)
        other = ("203.0.113.67", 5555)
        admitted = []
        for step in range(3):
            send(latch, STRANGER, step, step * 0.02)
            send(latch, other, step, step * 0.02, ssrc=8)
            admitted.append(send(latch, ANNOUNCED, step, step * 0.02, ssrc=9))
            send(latch, OTHER_PORT, step * 5, step * 0.02, ssrc=10)
        assert admitted == [False, False, True]

    def test_strangers_do_not_overwrite_each_others_progress(self) -> None:
        latch = SourceLatch(ANNOUNCED)
        other = ("203.0.113.67", 5555)
        for step in range(3):
            send(latch, NATTED, step, step * 0.02)
            assert not send(latch, other, 100 + step * 7, step * 0.02 + 0.01)
        assert latch.address == NATTED

    def test_a_stranger_that_gave_up_or_broke_its_sequence_leaves_its_place_to_the_next(self) -> None:
        for last, resumed_at in ((2, 0.3), (50, 0.03)):
            latch = SourceLatch(ANNOUNCED)
            send(latch, STRANGER, 1, 0.0)
            send(latch, STRANGER, last, 0.02)
            assert [send(latch, NATTED, step, resumed_at + step * 0.02) for step in range(3)] == [False, False, True]

    @pytest.mark.parametrize(
        ("worse", "better"), [(STRANGER, SIGNALLING), (SIGNALLING, OTHER_PORT), (NATTED, ANNOUNCED)]
    )
    def test_a_better_known_address_takes_over_with_three_packets_at_any_time(
        self, worse: tuple[str, int], better: tuple[str, int]
    ) -> None:
        latch = latched_to(worse)
        admitted = []
        for step in range(3):
            send(latch, worse, step, step * 0.02)
            admitted.append(send(latch, better, step, step * 0.02))
        assert admitted == [False, False, True]
        assert not any(send(latch, worse, 10 + step, 0.1 + step * 0.02) for step in range(20))

    @pytest.mark.parametrize("known", [ANNOUNCED, OTHER_PORT, SIGNALLING])
    def test_a_stranger_takes_over_from_a_known_address_after_five_seconds_of_silence(
        self, known: tuple[str, int]
    ) -> None:
        latch = latched_to(known, now=0.0)
        admitted_at = next(step * 0.02 for step in range(500) if send(latch, STRANGER, step, step * 0.02))
        assert admitted_at == pytest.approx(5.0)

    def test_a_known_address_takes_over_from_a_better_known_one_after_a_second_of_silence(self) -> None:
        latch = latched_to(ANNOUNCED, now=0.0)
        admitted_at = next(step * 0.02 for step in range(500) if send(latch, SIGNALLING, step, step * 0.02))
        assert admitted_at == pytest.approx(1.0)

    def test_a_stranger_is_refused_while_the_caller_is_heard(self) -> None:
        latch = latched_to(NATTED)
        for step in range(500):
            now = step * 0.02
            assert send(latch, NATTED, step, now)
            assert not send(latch, STRANGER, step, now)
        assert latch.relatched == 0

    def test_a_stranger_is_refused_until_another_was_silent_for_a_second(self) -> None:
        latch = latched_to(NATTED, now=0.0)
        admitted_at = next(step * 0.02 for step in range(100) if send(latch, STRANGER, step, step * 0.02))
        assert admitted_at == 1.0
        assert latch.address == STRANGER
        assert latch.relatched == 1

    def test_even_then_a_stranger_shows_three_packets_in_sequence(self) -> None:
        latch = latched_to(NATTED, now=0.0)
        assert not send(latch, STRANGER, 10, 5.00)
        assert not send(latch, STRANGER, 11, 5.02)
        assert not send(latch, STRANGER, 50, 5.04)
        assert not send(latch, STRANGER, 51, 5.06)
        assert send(latch, STRANGER, 52, 5.08)

    def test_two_strangers_do_not_prove_each_other(self) -> None:
        latch = latched_to(NATTED, now=0.0)
        other = ("203.0.113.67", 5555)
        assert not any(send(latch, STRANGER if step % 2 else other, step, 5 + step * 0.02) for step in range(20))

    @pytest.mark.parametrize("address", [STRANGER, SIGNALLING, ANNOUNCED])
    def test_packets_of_another_type_prove_nothing(self, address: tuple[str, int]) -> None:
        latch = latched_to(NATTED, now=0.0)
        assert not any(latch.admit(address, 7, step, False, 6 + step * 0.02) for step in range(20))

    def test_the_silence_before_a_stranger_is_believed_is_a_setting(self) -> None:
        latch = SourceLatch(ANNOUNCED, relatch_after_s=0.3)
        for step in range(3):
            send(latch, NATTED, step, 0.0)
        admitted_at = next(step * 0.1 for step in range(20) if send(latch, STRANGER, step, step * 0.1))
        assert abs(admitted_at - 0.3) < 0.05


class TestReInvite:
    def test_a_refresh_with_the_same_address_keeps_the_latch(self) -> None:
        latch = latched_to(NATTED)
        latch.expect(ANNOUNCED, 1.0)
        assert latch.address == NATTED

    def test_a_new_address_is_accepted_and_sent_to_at_once(self) -> None:
        latch = latched_to(ANNOUNCED)
        moved = ("192.0.2.99", 6000)
        latch.expect(moved, 1.0)
        assert latch.address is None
        assert latch.announced == moved
        assert send(latch, moved, 500, 1.02)
        assert latch.address == moved

    def test_packets_still_on_the_way_from_the_old_address_are_heard_but_do_not_latch(self) -> None:
        latch = latched_to(ANNOUNCED)
        latch.expect(("192.0.2.99", 6000), 1.0)
        assert send(latch, ANNOUNCED, 2, 1.02)
        assert latch.address is None

    def test_an_old_address_that_goes_on_sending_is_the_source_after_all(self) -> None:
        latch = latched_to(NATTED)
        latch.expect(("192.0.2.99", 6000), 1.0)
        for step in range(50):
            assert send(latch, NATTED, 2 + step, 1.0 + step * 0.02)
        assert latch.address is None
        assert send(latch, NATTED, 52, 2.0)
        assert latch.address == NATTED


class TestSsrc:
    def test_the_first_source_is_taken_with_its_first_packet(self) -> None:
        guard = SsrcGuard()
        assert guard.consider(7, arrival(1, 0.0), 0.0) == [arrival(1, 0.0)]
        assert guard.ssrc == 7

    def test_one_stray_packet_does_not_end_a_stream(self) -> None:
        guard = SsrcGuard()
        guard.consider(7, arrival(1, 0.0), 0.0)
        assert guard.consider(8, arrival(50, 0.02), 0.02) == []
        guard.note_present()
        assert guard.ssrc == 7

    def test_two_packets_in_a_row_take_over_and_neither_is_lost(self) -> None:
        guard = SsrcGuard()
        guard.consider(7, arrival(1, 0.0), 0.0)
        assert guard.consider(8, arrival(50, 0.02), 0.0) == []
        assert guard.consider(8, arrival(51, 0.04), 0.0) == [arrival(50, 0.02), arrival(51, 0.04)]
        assert guard.ssrc == 8

    def test_the_last_packet_of_the_old_source_between_the_first_of_the_new_costs_nothing(self) -> None:
        guard = SsrcGuard()
        guard.consider(7, arrival(1, 0.0), 0.0)
        guard.consider(8, arrival(50, 0.02), 0.0)
        guard.note_present()
        assert guard.consider(8, arrival(52, 0.06), 0.03) == []
        packets = guard.consider(8, arrival(51, 0.061), 0.03)
        assert [packet.sequence for packet in packets] == [50, 51, 52]

    def test_two_sources_at_once_do_not_alternate(self) -> None:
        guard = SsrcGuard()
        guard.consider(7, arrival(1, 0.0), 0.0)
        for step in range(100):
            guard.note_present()
            assert guard.consider(8, arrival(step, step * 0.02), step * 0.02) == []
        assert guard.ssrc == 7

    def test_a_silent_source_gives_way_at_once(self) -> None:
        guard = SsrcGuard()
        guard.consider(7, arrival(1, 0.0), 0.0)
        assert guard.consider(8, arrival(50, 0.5), 0.3) == [arrival(50, 0.5)]

    def test_a_third_source_does_not_inherit_what_the_second_has_shown(self) -> None:
        guard = SsrcGuard()
        guard.consider(7, arrival(1, 0.0), 0.0)
        assert guard.consider(8, arrival(50, 0.02), 0.01) == []
        assert guard.consider(9, arrival(60, 0.03), 0.01) == []
        assert guard.consider(9, arrival(61, 0.05), 0.01) == [arrival(60, 0.03), arrival(61, 0.05)]


class TestRestart:
    def test_a_run_in_sequence_proves_a_restart_and_is_kept(self) -> None:
        probe = RestartProbe()
        assert probe.observe(arrival(9000, 1.0), 2) == []
        assert probe.observe(arrival(9001, 1.02), 2) == [arrival(9000, 1.0), arrival(9001, 1.02)]
        assert not probe

    def test_strays_out_of_sequence_prove_nothing(self) -> None:
        probe = RestartProbe()
        assert probe.observe(arrival(9000, 1.0), 2) == []
        assert probe.observe(arrival(30000, 1.02), 2) == []

    def test_a_packet_in_its_place_in_between_clears_the_suspicion(self) -> None:
        probe = RestartProbe()
        probe.observe(arrival(9000, 1.0), 2)
        probe.clear()
        assert probe.observe(arrival(9001, 1.02), 2) == []

    def test_the_run_wraps_with_the_sequence(self) -> None:
        probe = RestartProbe()
        probe.observe(arrival(65535, 1.0), 2)
        assert len(probe.observe(arrival(0, 1.02), 2)) == 2
