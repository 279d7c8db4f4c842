"""Port pairs on real loopback sockets, on literal times."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from gateway.base.errors import CapacityError, GatewayError
from gateway.base.ids import IdSource
from gateway.media.port_pool import PortPair, PortPool
from tests.support.network import loopback_address

ADDRESS = loopback_address()
"""A loopback address of this run's own: the same ports on it are free of all other tests."""


def pool(ports: range, *, quarantine_s: float = 2.0, address: str = ADDRESS) -> PortPool:
    return PortPool(address, ports, IdSource(3), quarantine_s=quarantine_s)


@pytest.fixture
def taken() -> Iterator[list[PortPair]]:
    """Pairs to close at the end, whatever happened."""
    pairs: list[PortPair] = []
    yield pairs
    for pair in pairs:
        pair.close()


def test_a_pair_is_an_even_port_and_the_odd_one_above(taken: list[PortPair]) -> None:
    pair = pool(range(41_000, 41_010)).acquire(0.0)
    taken.append(pair)
    assert pair.port % 2 == 0
    assert pair.rtp.getsockname() == (ADDRESS, pair.port)
    assert pair.rtcp.getsockname() == (ADDRESS, pair.port + 1)
    assert not pair.rtp.getblocking()
    assert not pair.rtcp.getblocking()


@pytest.mark.parametrize(
    ("ports", "size"), [(range(41_000, 41_010), 5), (range(41_001, 41_010), 4), (range(41_001, 41_003), 0)]
)
def test_pairs_lie_wholly_within_the_range(ports: range, size: int) -> None:
    assert pool(ports).size == size


def test_every_pair_is_handed_out_once_and_in_no_guessable_order(taken: list[PortPair]) -> None:
    pairs = pool(range(41_000, 41_040))
    taken += [pairs.acquire(0.0) for _ in range(20)]
    ports = [pair.port for pair in taken]
    assert sorted(ports) == list(range(41_000, 41_040, 2))
    assert ports != sorted(ports)
    assert pairs.in_use == 20


def test_a_full_pool_says_so_with_the_remedy(taken: list[PortPair]) -> None:
    pairs = pool(range(41_000, 41_004))
    taken += [pairs.acquire(0.0), pairs.acquire(0.0)]
    with pytest.raises(CapacityError, match=r"41000-41003: 2 in use.*widen media\.ports"):
        pairs.acquire(0.0)


def test_a_pair_that_another_program_has_is_passed_over(taken: list[PortPair]) -> None:
    for stolen in (41_000, 41_001):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            thief.bind((ADDRESS, stolen))
            pairs = pool(range(41_000, 41_004))
            first = pairs.acquire(0.0)
            taken.append(first)
            assert first.port == 41_002
            with pytest.raises(CapacityError, match="1 taken by other programs"):
                pairs.acquire(0.0)
            assert pairs.bind_retries >= 1
            first.close()
        again = pairs.acquire(0.0)
        taken.append(again)
        assert again.port == 41_000
        again.close()


def test_a_used_pair_rests_before_it_is_used_again(taken: list[PortPair]) -> None:
    pairs = pool(range(41_000, 41_002), quarantine_s=2.0)
    pair = pairs.acquire(10.0)
    pairs.release(pair, 20.0)
    assert (pairs.in_use, pairs.resting, pairs.free(20.0)) == (0, 1, 0)
    with pytest.raises(CapacityError, match="1 resting"):
        pairs.acquire(21.9)
    again = pairs.acquire(22.0)
    taken.append(again)
    assert again.port == 41_000
    assert (pairs.in_use, pairs.resting) == (1, 0)


def test_a_released_pair_is_closed(taken: list[PortPair]) -> None:
    pairs = pool(range(41_000, 41_002))
    pair = pairs.acquire(0.0)
    pairs.release(pair, 0.0)
    assert (pair.rtp.fileno(), pair.rtcp.fileno()) == (-1, -1)
    pair.close()


def test_an_address_that_is_not_ours_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(
        GatewayError, match=r"cannot bind media ports on 192\.0\.2\.1.*address of this machine"
    ) as caught:
        pool(range(41_000, 41_002), address="192.0.2.1").acquire(0.0)
    assert not isinstance(caught.value, CapacityError)


def test_no_file_descriptors_left_is_a_lack_of_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    pairs = pool(range(41_000, 41_002))
    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(CapacityError, match="ulimit"):
        pairs.acquire(0.0)
    assert pairs.in_use == 0


def test_ipv6_by_the_address_to_bind(taken: list[PortPair]) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        pair = pool(range(41_100, 41_110), address="::1").acquire(0.0)
    except GatewayError:
        pytest.skip("no IPv6 loopback here")
    taken.append(pair)
    assert pair.rtp.family == socket.AF_INET6


def test_packets_ask_for_the_service_of_telephone_audio(taken: list[PortPair]) -> None:
    pair = pool(range(41_000, 41_010)).acquire(0.0)
    taken.append(pair)
    assert pair.rtp.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xB8


def test_the_same_ports_serve_both_ip_versions_at_once(taken: list[PortPair]) -> None:
    six, four = pool(range(41_100, 41_102), address="::"), pool(range(41_100, 41_102), address="0.0.0.0")
    taken += [six.acquire(0.0), four.acquire(0.0)]
    assert [pair.is_ipv6 for pair in taken] == [True, False]
    assert [pair.port for pair in taken] == [41_100, 41_100]
