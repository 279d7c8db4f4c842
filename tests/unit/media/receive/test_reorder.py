"""The reorder buffer on literal times."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.media.receive.reorder import MAX_DROPOUT, MAX_HELD, MAX_MISORDER, Placement, ReorderBuffer


def buffer(first: int = 100, wait_s: float = 0.04) -> ReorderBuffer[str]:
    started: ReorderBuffer[str] = ReorderBuffer(wait_s)
    started.start(first)
    return started


def test_a_packet_whose_turn_it_is_passes_by() -> None:
    reorder = buffer(100)
    assert reorder.passes(100)
    assert reorder.passes(101)
    assert not reorder.passes(103)
    assert reorder.next_sequence & 0xFFFF == 102


def test_nothing_passes_by_while_a_packet_is_held() -> None:
    reorder = buffer(100)
    reorder.insert(101, "b", 1.0)
    assert not reorder.passes(100)
    reorder.insert(100, "a", 1.01)
    assert reorder.release(1.01) == [(0, "a"), (0, "b")]
    assert reorder.passes(102)


def test_nothing_passes_by_after_a_block_until_the_next_release() -> None:
    reorder = buffer(100)
    reorder.block()
    assert not reorder.passes(100)
    reorder.insert(100, "a", 1.0)
    reorder.release(1.0)
    assert reorder.passes(101)


def test_a_gap_is_given_up_when_its_time_is_over_and_not_before() -> None:
    reorder = buffer(100, wait_s=0.04)
    assert reorder.insert(102, "c", 1.0) is Placement.TAKEN
    assert reorder.deadline == 1.04
    assert reorder.release(1.039) == []
    assert reorder.release(1.04) == [(2, "c")]
    assert reorder.deadline is None


def test_each_gap_waits_from_the_arrival_of_the_packet_behind_it() -> None:
    reorder = buffer(100, wait_s=0.04)
    reorder.insert(101, "b", 1.00)
    reorder.insert(103, "d", 1.02)
    assert reorder.release(1.04) == [(1, "b")]
    assert reorder.deadline == 1.06
    assert reorder.release(1.06) == [(1, "d")]


def test_the_longest_waiting_packet_sets_the_deadline_whatever_its_place() -> None:
    reorder = buffer(100, wait_s=0.04)
    reorder.insert(105, "f", 1.00)
    reorder.insert(102, "c", 1.03)
    assert reorder.release(1.04) == [(2, "c"), (2, "f")]


def test_a_packet_after_its_place_was_given_up_is_late_once_then_a_duplicate() -> None:
    reorder = buffer(100)
    reorder.insert(101, "b", 1.0)
    reorder.release(2.0)
    assert reorder.insert(100, "a", 2.1) is Placement.LATE
    assert reorder.insert(100, "a", 2.1) is Placement.DUPLICATE


def test_copies_are_told_apart_by_where_the_first_one_is() -> None:
    reorder = buffer(100)
    reorder.passes(100)
    reorder.insert(102, "c", 1.0)
    assert reorder.insert(102, "c", 1.0) is Placement.HELD_ALREADY
    assert reorder.insert(100, "a", 1.0) is Placement.DUPLICATE


def test_a_packet_from_before_the_first_is_late() -> None:
    reorder = buffer(100)
    reorder.passes(100)
    assert reorder.insert(99, "z", 1.0) is Placement.LATE


def test_numbers_far_away_are_strange() -> None:
    reorder = buffer(1000)
    assert reorder.insert(1000 + MAX_DROPOUT, "x", 1.0) is Placement.TAKEN
    assert reorder.insert(1001 + MAX_DROPOUT, "x", 1.0) is Placement.STRANGE
    assert reorder.insert(1000 - MAX_MISORDER - 1, "x", 1.0) is Placement.STRANGE
    assert reorder.insert(1000 - MAX_MISORDER, "x", 1.0) is Placement.LATE


def test_the_sequence_number_wraps() -> None:
    reorder = buffer(65534)
    assert reorder.passes(65534)
    reorder.insert(0, "c", 1.0)
    reorder.insert(65535, "b", 1.0)
    assert reorder.release(1.0) == [(0, "b"), (0, "c")]
    assert reorder.passes(1)
    assert reorder.next_sequence - reorder.first == 4


def test_a_flood_of_early_packets_is_let_go_before_its_time() -> None:
    reorder = buffer(0)
    released = []
    for sequence in range(1, MAX_HELD + 2):
        reorder.insert(sequence, str(sequence), 1.0)
        released += reorder.release(1.0)
    assert released[0] == (1, "1")
    assert len(released) == MAX_HELD + 1


def test_the_highest_number_seen_counts_what_is_held() -> None:
    reorder = buffer(100)
    assert reorder.highest == reorder.first - 1
    reorder.passes(100)
    reorder.insert(104, "e", 1.0)
    assert reorder.highest == reorder.first + 4


def test_starting_anew_forgets_what_was_held() -> None:
    reorder = buffer(100)
    reorder.insert(101, "b", 1.0)
    reorder.start(9000)
    assert reorder.deadline is None
    assert reorder.release(9.0) == []
    assert reorder.passes(9000)


def test_numbers_given_up_before_a_new_beginning_are_nothing_to_it() -> None:
    reorder = buffer(100)
    reorder.insert(105, "f", 1.0)
    reorder.release(2.0)
    reorder.start(100)
    for sequence in range(100, 106):
        reorder.passes(sequence)
    assert reorder.insert(103, "d", 3.0) is Placement.DUPLICATE


def test_what_is_remembered_of_lost_packets_is_bounded() -> None:
    reorder = buffer(0)
    for number in range(1, 2000):
        reorder.insert((number * 30) & 0xFFFF, "x", float(number))
        reorder.release(number + 0.5)
    assert len(reorder._given_up) <= 600
    assert reorder.insert((1999 * 30 - 1) & 0xFFFF, "y", 9999.0) is Placement.LATE


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 30)), max_size=120), st.integers(0, 65535))
def test_items_come_out_in_order_once_and_none_is_unaccounted_for(steps: list[tuple[int, int]], first: int) -> None:
    reorder: ReorderBuffer[int] = ReorderBuffer(0.04)
    reorder.start(first)
    now, out, lost, refused, taken = 0.0, [], 0, 0, 0
    for sequence, wait_ms in steps:
        now += wait_ms / 1000
        if reorder.passes((first + sequence) & 0xFFFF):
            out.append(sequence)
            taken += 1
            continue
        placement = reorder.insert((first + sequence) & 0xFFFF, sequence, now)
        taken += placement is Placement.TAKEN
        refused += placement is not Placement.TAKEN
        for skipped, item in reorder.release(now):
            lost += skipped
            out.append(item)
        assert reorder.deadline is None or reorder.deadline > now
    for skipped, item in reorder.release(now + 1):
        lost += skipped
        out.append(item)
    assert out == sorted(set(out))
    assert len(out) == taken
    assert taken + refused == len(steps)
    assert reorder.next_sequence - reorder.first == lost + len(out)
