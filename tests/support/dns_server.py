"""A name server on loopback, over UDP and TCP, whose zone a test writes; it may be slow, truncate, or say nothing."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Callable
from types import TracebackType

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

SOA = "ns.test. admin.test. 1 3600 600 86400 7"


class DnsServer:
    """``zone`` is {(name, type): [record as text, …]}. ``asked`` counts the questions by (name, type, "udp"|"tcp")."""

    def __init__(self, zone: dict[tuple[str, str], list[str]], *, ttl: int = 60) -> None:
        self.zone = zone
        self.ttl = ttl
        self.asked: Counter[tuple[str, str, str]] = Counter()
        self.is_silent = False
        self.silent_kinds: set[str] = set()
        self.truncates = False
        self.rcode = dns.rcode.NOERROR
        self.delay_s = 0.0
        self.forgeries: list[Callable[[dns.message.Message], dns.message.Message]] = []
        """Made of each answer and sent before it, over UDP."""
        self.octet_s = 0.0
        """Over TCP, how long each octet of an answer takes."""
        self.address = ("127.0.0.1", 0)

    async def __aenter__(self) -> DnsServer:
        loop = asyncio.get_running_loop()
        for attempt in range(20):
            self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=("127.0.0.1", 0))
            self.address = self._udp.get_extra_info("sockname")[:2]
            try:
                self._tcp = await asyncio.start_server(self._serve, *self.address)
                break
            except OSError:  # somebody has that port over TCP
                self._udp.close()
                if attempt == 19:
                    raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.close()
        self._tcp.close()
        await self._tcp.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            answer = self.answer(await reader.readexactly(length), "tcp")
            if answer is not None:
                wire = answer.to_wire()
                await self._write(writer, struct.pack("!H", len(wire)) + wire)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        step = 1 if self.octet_s else len(data)
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            if self.octet_s:
                await asyncio.sleep(self.octet_s)

    def answer(self, wire: bytes, over: str) -> dns.message.Message | None:
        """None: say nothing."""
        query = dns.message.from_wire(wire)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind, over] += 1
        if self.is_silent or kind in self.silent_kinds:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        response.set_rcode(self.rcode)
        if self.truncates and over == "udp":
            response.flags |= dns.flags.TC
            return response
        self._fill(response, name, kind)
        return response

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(8):
            alias = self.zone.get((name, "CNAME"))
            if alias is None:
                break
            response.answer.append(dns.rrset.from_text(name + ".", self.ttl, "IN", "CNAME", alias[0]))
            name = alias[0].rstrip(".").lower()
        records = self.zone.get((name, kind))
        if records:
            response.answer.append(dns.rrset.from_text_list(name + ".", self.ttl, "IN", kind, records))
            return
        if not any(known == name for known, _ in self.zone) and response.rcode() == dns.rcode.NOERROR:
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(dns.rrset.from_text("test.", self.ttl, "IN", "SOA", SOA))

    def total(self, kind: str) -> int:
        """Questions of this type, over either transport."""
        return sum(count for (_, asked, _), count in self.asked.items() if asked == kind)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.answer(data, "udp")
        if answer is None:
            return
        for forge in self._server.forgeries:
            forged = forge(dns.message.from_wire(answer.to_wire()))
            self._transport.sendto(forged.to_wire(), addr)  # type: ignore[attr-defined]
        loop = asyncio.get_running_loop()
        loop.call_later(self._server.delay_s, self._transport.sendto, answer.to_wire(), addr)  # type: ignore[attr-defined]
