"""Which way media flows on one stream (RFC 8866 §6.7), and how an answer turns it round (RFC 3264 §6.1)."""

from __future__ import annotations

from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

DIRECTIONS: dict[str, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}
"""The attribute names that state a direction. They are case-sensitive, as all attribute names are."""

_BY_CLAIM: dict[tuple[bool, bool], Direction] = {
    (True, True): "sendrecv",
    (True, False): "sendonly",
    (False, True): "recvonly",
    (False, False): "inactive",
}


def direction_of(*, sends: bool, receives: bool) -> Direction:
    """The direction of a party that sends, receives, both or neither."""
    return _BY_CLAIM[sends, receives]


def sends(direction: Direction) -> bool:
    """True when the party that states this direction sends media."""
    return direction in {"sendrecv", "sendonly"}


def receives(direction: Direction) -> bool:
    """True when the party that states this direction takes media."""
    return direction in {"sendrecv", "recvonly"}


def answer_direction(peer: Direction, wanted: Direction) -> Direction:
    """Ours, given the peer's: we send only what it receives, receive only what it sends, and no more than we want."""
    return direction_of(
        sends=sends(wanted) and receives(peer),
        receives=receives(wanted) and sends(peer),
    )
