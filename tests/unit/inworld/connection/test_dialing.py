"""Addresses in turn."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.inworld.connection.dialing import AddressInfo, interleave, open_socket


def info(family: int, host: str) -> AddressInfo:
    return (family, socket.SOCK_STREAM, 6, "", (host, 443))


def test_families_take_turns_beginning_with_the_resolvers_first_choice() -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    found = [info(six, "a"), info(six, "b"), info(six, "c"), info(four, "d"), info(four, "e")]
    assert [address[4][0] for address in interleave(found)] == ["a", "d", "b", "e", "c"]
    assert interleave([]) == []


async def test_a_dead_address_does_not_stop_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = closed.getsockname()[1]

    async def two_addresses(*_args: object, **_options: object) -> list[AddressInfo]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", number)) for number in (dead, port)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two_addresses)
    opened = await open_socket("two.example", port)
    assert opened.getpeername() == ("127.0.0.1", port)
    assert opened.getblocking() is False
    opened.close()
    server.close()
    await server.wait_closed()


async def test_when_every_address_fails_the_last_failure_is_told() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = closed.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await open_socket("127.0.0.1", dead)


async def test_a_name_without_addresses_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*_args: object, **_options: object) -> list[AddressInfo]:
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", none)
    with pytest.raises(OSError, match="no address for nowhere"):
        await open_socket("nowhere", 1)
