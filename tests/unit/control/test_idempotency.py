from __future__ import annotations

import pytest

from gateway.control.idempotency import KEPT_S, IdempotencyKeys
from gateway.control.problems import Problem


def test_a_key_finds_its_call_for_a_day_and_only_for_who_sent_it() -> None:
    now = [0.0]
    keys = IdempotencyKeys(clock=lambda: now[0])
    keys.note("ops", "k1", b"{}", "c-1")
    assert keys.find("ops", "k1", b"{}") == "c-1"
    assert keys.find("other", "k1", b"{}") is None
    now[0] = KEPT_S
    assert keys.find("ops", "k1", b"{}") is None
    assert len(keys) == 0


def test_another_body_under_the_same_key_is_refused() -> None:
    keys = IdempotencyKeys()
    keys.note("ops", "k1", b"{}", "c-1")
    with pytest.raises(Problem, match="new key") as refused:
        keys.find("ops", "k1", b'{"to": 1}')
    assert (refused.value.status, refused.value.rule) == (422, "idempotency_key_reused")


def test_keys_are_bounded_the_oldest_going_first() -> None:
    keys = IdempotencyKeys(max_keys=3)
    for number in range(5):
        keys.note("ops", f"k{number}", b"", f"c-{number}")
    assert len(keys) == 3
    assert keys.find("ops", "k1", b"") is None
    assert keys.find("ops", "k4", b"") == "c-4"


def test_a_flood_of_one_owners_keys_forgets_nobody_elses_order() -> None:
    now = [0.0]
    keys = IdempotencyKeys(clock=lambda: now[0], max_keys=3)
    keys.note("ops", "k", b"", "c-1")
    for number in range(1000):
        keys.note("other", f"k{number}", b"", f"c-{number}")
    assert keys.find("ops", "k", b"") == "c-1"
    assert len(keys) == 4
    now[0] = KEPT_S
    keys.find("ops", "k", b"")
    assert len(keys) == 0


@pytest.mark.parametrize("key", ["", "x" * 256, "line\nend"])
def test_a_key_is_short_and_printable(key: str) -> None:
    with pytest.raises(Problem, match="printable"):
        IdempotencyKeys().find("ops", key, b"")
