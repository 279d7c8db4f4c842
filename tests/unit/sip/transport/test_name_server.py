"""Answers over TCP: the right ones, and those that are too long, too slow, or for somebody else."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.asyncbackend
import dns.exception
import dns.message
import dns.query
import pytest

from gateway.sip.transport.name_server import LONGEST_ANSWER, AnswerTooLongError, NameServer
from tests.support.dns_server import DnsServer


async def ask(server: NameServer, timeout_s: float = 1.0) -> dns.message.Message:
    query = dns.message.make_query("pbx.test", "A")
    return await server.async_query(query, timeout_s, None, 0, True, dns.asyncbackend.get_default_backend())


@asynccontextmanager
async def answering(reply: Callable[[bytes], bytes]) -> AsyncIterator[NameServer]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        writer.write(reply(await reader.readexactly(length)))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield NameServer(*server.sockets[0].getsockname())


async def test_an_answer_is_read_over_tcp() -> None:
    async with DnsServer({("pbx.test", "A"): ["192.0.2.1"]}) as server:
        answer = await ask(NameServer(*server.address))
        assert str(answer.answer[0][0]) == "192.0.2.1"
        assert server.asked["pbx.test", "A", "tcp"] == 1


async def test_one_that_is_too_long_is_not_read() -> None:
    async with answering(lambda _: struct.pack("!H", LONGEST_ANSWER + 1) + b"x" * 9000) as server:
        with pytest.raises(AnswerTooLongError):
            await ask(server)


async def test_one_to_another_question_is_none() -> None:
    def other(question: bytes) -> bytes:
        wire = dns.message.make_response(dns.message.make_query("other.test", "A")).to_wire()
        return struct.pack("!H", len(wire)) + question[:2] + wire[2:]

    async with answering(other) as server:
        with pytest.raises(dns.query.BadResponse):
            await ask(server)


@pytest.mark.parametrize("begun", [b"", b"\0", b"\0\x40abc"])
async def test_one_that_does_not_end_takes_no_longer_than_it_may(begun: bytes) -> None:
    async with answering(lambda _: begun) as server:
        with pytest.raises(dns.exception.Timeout):
            await ask(server, 0.2)


async def test_nonsense_is_a_fault_of_dns() -> None:
    async with answering(lambda _: struct.pack("!H", 40) + b"\xff" * 40) as server:
        with pytest.raises(dns.exception.DNSException):
            await ask(server)
