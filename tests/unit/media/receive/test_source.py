"""Whose packets are the caller's."""

from __future__ import annotations

from gateway.media.receive.source import Arrival, RestartProbe, SourceLatch, SsrcGuard

ANNOUNCED = ("192.0.2.7", 4000)
NATTED = ("198.51.100.9", 61000)
STRANGER = ("203.0.113.66", 5555)


def send(latch: SourceLatch, address: tuple[str, int], sequence: int, now: float, *, ssrc: int = 7) -> bool:
    """One audio packet, as the receiver treats it."""
    admitted = address == latch.address or latch.admit(address, ssrc, sequence, True, now)
    if admitted:
        latch.heard_at = now
    return admitted


def latched_to(address: tuple[str, int], now: float = 0.0) -> SourceLatch:
    latch = SourceLatch(ANNOUNCED)
    assert send(latch, address, 1, now)
    assert latch.address == address
    return latch


def arrival(sequence: int, at: float) -> Arrival:
    return Arrival(sequence, sequence * 160, b"", True, at)


class TestLatching:
    def test_the_announced_address_is_taken_at_once_whatever_it_sends(self) -> None:
        latch = SourceLatch(ANNOUNCED)
        assert latch.admit(ANNOUNCED, 7, 1, False, 0.0)
        assert latch.address == ANNOUNCED

    def test_a_phone_behind_address_translation_is_latched_by_its_first_expected_packet(self) -> None:
        latch = SourceLatch(ANNOUNCED)
        assert not latch.admit(NATTED, 7, 1, False, 0.0)
        assert latch.address is None
        assert latch.admit(NATTED, 7, 2, True, 0.02)
        assert latch.address == NATTED

    def test_anyone_is_latched_while_sdp_has_named_nobody(self) -> None:
        latch = SourceLatch(None)
        assert send(latch, NATTED, 1, 0.0)
        assert latch.address == NATTED

    def test_a_stranger_is_refused_while_the_caller_is_heard(self) -> None:
        latch = latched_to(NATTED)
        for step in range(500):
            now = step * 0.02
            assert send(latch, NATTED, step, now)
            assert not send(latch, STRANGER, step, now)
        assert latch.relatched == 0

    def test_a_stranger_is_refused_until_the_caller_was_silent_for_a_second(self) -> None:
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

    def test_packets_of_another_type_prove_nothing(self) -> None:
        latch = latched_to(NATTED, now=0.0)
        assert not any(latch.admit(STRANGER, 7, step, False, 5 + step * 0.02) for step in range(20))

    def test_the_announced_address_takes_over_from_whoever_came_first_without_waiting(self) -> None:
        latch = latched_to(STRANGER, now=0.0)
        admitted = []
        for step in range(3):
            send(latch, STRANGER, 100 + step, step * 0.02)
            admitted.append(send(latch, ANNOUNCED, step, step * 0.02))
        assert admitted == [False, False, True]
        assert latch.address == ANNOUNCED

    def test_the_silence_before_a_stranger_is_believed_is_a_setting(self) -> None:
        latch = SourceLatch(ANNOUNCED, relatch_after_s=0.3)
        send(latch, NATTED, 1, 0.0)
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
        assert send(latch, NATTED, 2, 1.5)
        assert latch.address is None
        assert send(latch, NATTED, 3, 2.0)
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
