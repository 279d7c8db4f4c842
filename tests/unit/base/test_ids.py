from __future__ import annotations

from gateway.base.ids import BRANCH_COOKIE, IdSource


def test_a_seed_repeats_every_identifier() -> None:
    first, second = IdSource(seed=7), IdSource(seed=7)
    assert [first.tag(), first.branch(), first.call_id(), first.ssrc()] == [
        second.tag(),
        second.branch(),
        second.call_id(),
        second.ssrc(),
    ]


def test_without_a_seed_nothing_repeats() -> None:
    ids = IdSource()
    assert len({ids.tag() for _ in range(2000)}) == 2000
    assert len({ids.ssrc() for _ in range(2000)}) > 1990


def test_a_branch_starts_with_the_rfc_3261_cookie() -> None:
    branch = IdSource().branch()
    assert branch.startswith(BRANCH_COOKIE)
    assert len(branch) == len(BRANCH_COOKIE) + 16


def test_an_ssrc_fits_32_bits_and_is_never_zero() -> None:
    ids = IdSource(seed=1)
    assert all(0 < ids.ssrc() < 1 << 32 for _ in range(1000))
