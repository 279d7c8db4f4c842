"""RFC 3264 §6.1: the direction of an answer, case by case."""

from __future__ import annotations

import itertools

import pytest

from gateway.sdp.direction import DIRECTIONS, Direction, answer_direction, direction_of, receives, sends


@pytest.mark.parametrize(
    ("peer", "wanted", "ours"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
        ("recvonly", "sendonly", "sendonly"),
        ("inactive", "sendonly", "inactive"),
        ("sendrecv", "recvonly", "recvonly"),
        ("sendonly", "recvonly", "recvonly"),
        ("recvonly", "recvonly", "inactive"),
        ("sendrecv", "inactive", "inactive"),
    ],
)
def test_answer_direction(peer: Direction, wanted: Direction, ours: Direction) -> None:
    assert answer_direction(peer, wanted) == ours


def test_an_answer_never_claims_more_than_both_sides_allow() -> None:
    for peer, wanted in itertools.product(DIRECTIONS.values(), repeat=2):
        ours = answer_direction(peer, wanted)
        assert sends(ours) <= (receives(peer) and sends(wanted))
        assert receives(ours) <= (sends(peer) and receives(wanted))


def test_direction_of_is_the_inverse_of_its_claims() -> None:
    for direction in DIRECTIONS.values():
        assert direction_of(sends=sends(direction), receives=receives(direction)) == direction
