"""Whoever fails too often is kept out for a while; an office behind one address is not, for one phone in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.call.door.bans import KNOWN_FOR_S, MAX_ENTRIES, BanChange, BanEvent, BanRule, Bans

RULE = BanRule(failures=3, within_s=60, for_s=600)
ATTACKER, OFFICE = "203.0.113.66", "198.51.100.7"


def make(rule: BanRule | None = RULE) -> tuple[Bans, list[BanEvent]]:
    told: list[BanEvent] = []
    return Bans(rule, told.append), told


def fail(bans: Bans, source: str, times: int, now: float = 0.0, username: str = "1001") -> None:
    for _ in range(times):
        bans.failed(source, username, now)


def test_so_many_failures_in_that_time_ban_the_source_and_both_ends_are_told() -> None:
    bans, told = make()
    fail(bans, ATTACKER, 2)
    assert not bans.bans(ATTACKER, 0.0)
    fail(bans, ATTACKER, 1, 59.9, "1002")
    assert bans.bans(ATTACKER, 60.0)
    assert not bans.bans(OFFICE, 60.0)
    assert told == [BanEvent(BanChange.BANNED, ATTACKER, "", 600)]
    assert bans.bans(ATTACKER, 659.8)
    assert not bans.bans(ATTACKER, 660.0)
    assert told[1:] == [BanEvent(BanChange.RELEASED, ATTACKER, "", 0.0)]
    assert bans.entries == 0


def test_failures_that_are_far_apart_are_slips() -> None:
    bans, told = make()
    for number in range(20):
        bans.failed(ATTACKER, "1001", number * 61.0)
    assert told == []


def test_an_office_where_somebody_has_proved_a_password_is_never_silenced() -> None:
    bans, told = make()
    bans.succeeded(OFFICE, "1001", 0.0)
    fail(bans, OFFICE, 3, 10.0, "1002")
    assert not bans.bans(OFFICE, 10.0)
    assert bans.refuses(OFFICE, "1002", 10.0)
    assert not bans.refuses(OFFICE, "1001", 10.0)
    assert told == [BanEvent(BanChange.BANNED, OFFICE, "1002", 600)]
    assert not bans.refuses(OFFICE, "1002", 610.0)


def test_a_source_that_is_trusted_otherwise_is_not_silenced_either() -> None:
    bans, _ = make()
    for _ in range(5):
        bans.failed(OFFICE, "1002", 0.0, is_trusted=True)
    assert not bans.bans(OFFICE, 0.0)
    assert bans.refuses(OFFICE, "1002", 0.0)


def test_a_source_is_known_for_an_hour_after_the_last_proof() -> None:
    bans, _ = make()
    assert not bans.is_known(OFFICE, 0.0)
    bans.succeeded(OFFICE, "1001", 0.0)
    assert bans.is_known(OFFICE, KNOWN_FOR_S - 1)
    assert not bans.is_known(OFFICE, KNOWN_FOR_S)


def test_a_proof_forgives_what_came_before() -> None:
    bans, told = make()
    fail(bans, OFFICE, 2)
    bans.succeeded(OFFICE, "1001", 1.0)
    fail(bans, OFFICE, 2, 2.0)
    assert told == []


def test_without_a_rule_nobody_is_banned_and_whoever_is_goes_free() -> None:
    bans, told = make(None)
    fail(bans, ATTACKER, 100)
    assert not bans.bans(ATTACKER, 0.0)
    bans.apply(RULE)
    fail(bans, ATTACKER, 3)
    assert bans.bans(ATTACKER, 0.0)
    bans.apply(None)
    assert not bans.bans(ATTACKER, 0.0)
    assert [event.change for event in told] == [BanChange.BANNED, BanChange.RELEASED]
    assert bans.entries == 0


def test_more_sources_than_are_remembered_push_out_the_oldest() -> None:
    sources = 2 * MAX_ENTRIES
    bans, told = make(BanRule(failures=1, within_s=60, for_s=600))
    for number in range(sources):
        bans.failed(f"source {number}", "1001", number * 0.001)
    assert len(bans) == MAX_ENTRIES
    other, _ = make()
    for number in range(sources):
        other.failed(f"source {number}", "1001", 0.0)
        other.succeeded(f"friend {number}", "1001", 0.0)
    assert other.entries == 2 * MAX_ENTRIES
    assert sum(event.change is BanChange.BANNED for event in told) == sources
    assert sum(event.change is BanChange.RELEASED for event in told) == sources - MAX_ENTRIES


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(min_value=0, max_value=400)), max_size=60))
def test_every_ban_ends_on_time_and_is_told_once_at_each_end(steps: list[tuple[str, float]]) -> None:
    bans, told = make()
    now, banned_at = 0.0, dict[str, float]()
    for source, pause in steps:
        now += pause
        for name, at in list(banned_at.items()):
            assert bans.bans(name, now) == (now < at + RULE.for_s)
            if now >= at + RULE.for_s:
                del banned_at[name]
        if source not in banned_at:
            bans.failed(source, "1001", now)
            if bans.bans(source, now):
                banned_at[source] = now
    bans.expire(now + RULE.for_s)
    assert len(bans) == 0
    for source in "ab":
        changes = [event.change for event in told if event.source == source]
        assert changes == [BanChange.BANNED, BanChange.RELEASED] * (len(changes) // 2)
