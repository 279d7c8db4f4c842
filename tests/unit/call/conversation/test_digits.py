from __future__ import annotations

from gateway.call.conversation.digits import DigitCollector, message_for_agent


def test_digits_are_one_entry_when_the_caller_pauses() -> None:
    collector = DigitCollector(pause_s=1.5)
    assert collector.receive_digit("1", now=10.0) is None
    assert collector.receive_digit("2", now=11.0) is None
    assert collector.next_deadline() == 12.5
    assert collector.handle_timeout(12.4) is None
    assert collector.handle_timeout(12.5) == "12"
    assert collector.next_deadline() is None
    assert collector.handle_timeout(99.0) is None


def test_the_terminator_completes_the_entry_at_once() -> None:
    collector = DigitCollector(pause_s=1.5)
    collector.receive_digit("4", now=0.0)
    assert collector.receive_digit("#", now=0.2) == "4"
    assert collector.next_deadline() is None


def test_a_terminator_alone_is_an_entry_of_its_own() -> None:
    assert DigitCollector(pause_s=1.5).receive_digit("#", now=0.0) == "#"


def test_without_a_terminator_every_key_is_a_digit() -> None:
    collector = DigitCollector(pause_s=1.0, terminator=None)
    assert collector.receive_digit("#", now=0.0) is None
    assert collector.handle_timeout(1.0) == "#"


def test_the_agent_reads_each_key_apart() -> None:
    assert message_for_agent("10*#").endswith(": 1 0 star pound")
