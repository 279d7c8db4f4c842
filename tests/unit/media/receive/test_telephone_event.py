"""RFC 4733: one press of a key is one digit, whatever the network and the sender did to its packets."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.receive.telephone_event import DIGITS, SILENCE_S, DigitPressed, TelephoneEventDecoder


def block(event: int, duration: int, *, end: bool = False) -> bytes:
    return struct.pack(">BBH", event, 0x8A if end else 0x0A, duration)


class Keypad:
    """Feeds a decoder packet by packet, 20 ms apart, and collects what it tells."""

    def __init__(self) -> None:
        self.decoder = TelephoneEventDecoder()
        self.now = 10.0
        self.pressed: list[DigitPressed] = []

    @property
    def digits(self) -> str:
        return "".join(press.digit for press in self.pressed)

    def packet(self, start: int, payload: bytes, *, marker: bool = False) -> None:
        self.pressed += self.decoder.receive(start & 0xFFFF_FFFF, payload, marker, self.now)
        self.now += 0.02

    def press(self, event: int, start: int, *, packets: int = 5, ends: int = 3, marker: bool = True) -> None:
        """A whole press as a good sender sends it."""
        for index in range(packets):
            self.packet(start, block(event, (index + 1) * 160), marker=marker and index == 0)
        for _ in range(ends):
            self.packet(start, block(event, (packets + 1) * 160, end=True))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.pressed += self.decoder.handle_timeout(self.now)


@pytest.fixture
def keypad() -> Keypad:
    return Keypad()


def test_a_press_is_one_digit_with_its_duration_told_at_its_end(keypad: Keypad) -> None:
    keypad.press(5, 1000, ends=0)
    assert keypad.pressed == []
    keypad.packet(1000, block(5, 960, end=True))
    assert keypad.pressed == [DigitPressed("5", 120)]


def test_an_end_repeated_three_times_is_one_digit(keypad: Keypad) -> None:
    keypad.press(5, 1000, ends=3)
    keypad.wait(1.0)
    assert keypad.digits == "5"


def test_all_sixteen_keys(keypad: Keypad) -> None:
    for code in range(16):
        keypad.press(code, 5000 * (code + 1))
    assert keypad.digits == "0123456789*#ABCD" == DIGITS


def test_the_same_key_twice_is_two_digits(keypad: Keypad) -> None:
    keypad.press(7, 1000)
    keypad.press(7, 4000)
    assert keypad.digits == "77"


def test_the_marker_is_never_needed(keypad: Keypad) -> None:
    keypad.press(1, 1000, marker=False)
    keypad.press(1, 4000, marker=False)
    assert keypad.digits == "11"


def test_only_the_end_arrived(keypad: Keypad) -> None:
    keypad.packet(1000, block(9, 800, end=True))
    assert keypad.pressed == [DigitPressed("9", 100)]


def test_a_missing_end_is_noticed_when_the_next_key_goes_down(keypad: Keypad) -> None:
    keypad.press(1, 1000, ends=0)
    keypad.packet(4000, block(2, 160))
    assert keypad.digits == "1"
    keypad.packet(4000, block(2, 320, end=True))
    assert keypad.digits == "12"


def test_a_missing_end_of_a_repeated_key_is_noticed_by_its_timestamp(keypad: Keypad) -> None:
    keypad.press(1, 1000, ends=0, marker=False)
    keypad.press(1, 4000, marker=False)
    assert keypad.digits == "11"


def test_a_missing_end_is_noticed_when_no_packet_comes(keypad: Keypad) -> None:
    keypad.press(1, 1000, packets=3, ends=0)
    assert keypad.decoder.deadline == pytest.approx(keypad.now - 0.02 + SILENCE_S)
    keypad.wait(SILENCE_S - 0.03)
    assert keypad.digits == ""
    keypad.wait(0.02)
    assert keypad.pressed == [DigitPressed("1", 60)]
    assert keypad.decoder.deadline is None


def test_an_end_that_comes_after_the_timeout_is_no_second_digit(keypad: Keypad) -> None:
    keypad.press(1, 1000, ends=0)
    keypad.wait(0.5)
    keypad.packet(1000, block(1, 5000, end=True))
    assert keypad.digits == "1"


def test_a_late_end_of_the_key_before_does_not_disturb_the_present_one(keypad: Keypad) -> None:
    keypad.press(1, 1000)
    keypad.packet(4000, block(2, 160))
    keypad.packet(1000, block(1, 960, end=True))
    keypad.packet(4000, block(2, 320))
    keypad.packet(4000, block(2, 480, end=True))
    assert keypad.pressed == [DigitPressed("1", 120), DigitPressed("2", 60)]


def test_a_straggler_of_a_press_never_seen_does_not_end_the_present_one(keypad: Keypad) -> None:
    keypad.packet(4000, block(2, 160))
    keypad.packet(1000, block(1, 160))
    keypad.packet(4000, block(2, 320, end=True))
    assert keypad.digits == "2"


def test_packets_out_of_order_within_a_press(keypad: Keypad) -> None:
    keypad.packet(1000, block(3, 480))
    keypad.packet(1000, block(3, 160))
    keypad.packet(1000, block(3, 800, end=True))
    keypad.packet(1000, block(3, 640))
    assert keypad.pressed == [DigitPressed("3", 100)]


def test_a_key_held_down_is_told_after_a_second_once(keypad: Keypad) -> None:
    for index in range(200):
        keypad.packet(1000, block(4, (index + 1) * 160))
        assert keypad.digits == ("4" if index >= 49 else "")
    keypad.packet(1000, block(4, 32_160, end=True))
    assert keypad.pressed == [DigitPressed("4", 1000)]


def test_segments_of_a_very_long_press_are_one_digit(keypad: Keypad) -> None:
    for segment in range(3):
        start = 1000 + segment * 0xFFFF
        for duration in range(160, 0xFFFF, 1600):
            keypad.packet(start, block(4, duration))
    for _ in range(3):
        keypad.packet(1000 + 2 * 0xFFFF, block(4, 0xFFFF, end=True))
    assert keypad.digits == "4"


def test_the_marker_begins_a_new_press_of_the_same_key_even_within_the_time_of_the_last(keypad: Keypad) -> None:
    keypad.packet(1000, block(8, 480), marker=True)
    keypad.packet(1300, block(8, 160), marker=True)
    keypad.packet(1300, block(8, 480, end=True))
    assert keypad.pressed == [DigitPressed("8", 60), DigitPressed("8", 60)]


def test_a_sender_that_moves_the_timestamp_with_every_packet_presses_one_key(keypad: Keypad) -> None:
    for index in range(6):
        keypad.packet(1000 + index * 160, block(8, (index + 1) * 160), marker=index == 0)
    keypad.packet(1000 + 6 * 160, block(8, 7 * 160, end=True))
    assert keypad.digits == "8"


def test_several_presses_in_one_packet(keypad: Keypad) -> None:
    keypad.packet(1000, block(1, 400) + block(2, 400) + block(3, 80))
    assert keypad.digits == "12"
    keypad.packet(1800, block(3, 400, end=True))
    assert keypad.digits == "123"
    assert keypad.pressed[-1] == DigitPressed("3", 50)


def test_the_timestamp_may_wrap_between_presses(keypad: Keypad) -> None:
    keypad.press(1, 0xFFFF_FF00, ends=0)
    keypad.press(2, 0x1000)
    assert keypad.digits == "12"


def test_the_same_timestamp_with_another_key_is_another_press(keypad: Keypad) -> None:
    keypad.press(1, 1000, ends=0)
    keypad.press(2, 1000)
    assert keypad.digits == "12"


def test_events_that_are_no_keys_and_broken_blocks_are_counted_and_ignored(keypad: Keypad) -> None:
    keypad.packet(1000, block(16, 400, end=True))
    keypad.packet(2000, b"\x01\x0a\x00")
    keypad.packet(3000, b"")
    assert keypad.digits == ""
    assert keypad.decoder.ignored == 3


@given(st.lists(st.tuples(st.integers(0, 0xFFFF_FFFF), st.binary(max_size=20), st.booleans()), max_size=50))
def test_any_payloads_give_digits_or_nothing(packets: list[tuple[int, bytes, bool]]) -> None:
    keypad = Keypad()
    for start, payload, marker in packets:
        keypad.packet(start, payload, marker=marker)
    keypad.wait(1.0)
    assert len(keypad.digits) <= sum(len(payload) // 4 for _, payload, _ in packets)
    assert keypad.decoder.deadline is None


@given(
    keys=st.lists(st.integers(0, 15), min_size=1, max_size=6),
    fates=st.lists(st.sampled_from(["arrives", "lost", "twice"]), min_size=60, max_size=60),
    late=st.lists(st.integers(0, 2), min_size=60, max_size=60),
)
def test_each_press_counts_once_when_any_of_its_packets_arrives(
    keys: list[int], fates: list[str], late: list[int]
) -> None:
    """Packets within a press may be lost, doubled or come up to two places late."""
    sent = [
        (position, 1000 + 4000 * position, block(key, min(index + 1, 6) * 160, end=index > 5))
        for position, key in enumerate(keys)
        for index in range(9)
    ]
    arriving = sorted(
        (index + 2.5 * late[index], *packet) for index, packet in enumerate(sent) if fates[index] != "lost"
    )
    keypad = Keypad()
    for _, _, start, payload in arriving:
        keypad.packet(start, payload)
    for index, (_, start, payload) in enumerate(sent):
        if fates[index] == "twice":
            keypad.packet(start, payload)
    keypad.wait(1.0)
    arrived = {position for _, position, _, _ in arriving}
    assert sorted(keypad.digits) == sorted(DIGITS[keys[position]] for position in arrived)


def test_of_a_packet_only_four_blocks_are_read(keypad: Keypad) -> None:
    keypad.packet(1000, b"".join(block(5 + index % 2, 160, end=True) for index in range(500)))
    assert keypad.digits == "5656"
    assert keypad.decoder.ignored == 496


def test_a_second_of_fast_dialling_at_once_is_told_and_what_exceeds_it_counted(keypad: Keypad) -> None:
    keypad.now = 10.0
    for index in range(50):
        keypad.pressed += keypad.decoder.receive(1000 + index * 800, block(index % 10, 400, end=True), True, 10.0)
    assert keypad.digits == "01234567890123456789"
    assert keypad.decoder.excess == 30
    keypad.now = 10.5
    keypad.press(11, 90_000)
    assert keypad.digits.endswith("#")


@given(st.lists(st.integers(0, 400), min_size=1, max_size=200))
def test_nothing_that_is_dialled_twenty_times_a_second_or_slower_is_rationed(extra_ms: list[int]) -> None:
    decoder, now, told = TelephoneEventDecoder(), 5.0, 0
    for index, pause_ms in enumerate(extra_ms):
        now += 0.0501 + pause_ms / 1000
        told += len(decoder.receive(1000 + index * 800, block(index % 16, 400, end=True), True, now))
    assert (told, decoder.excess) == (len(extra_ms), 0)
