"""A name server as it is asked here: what it may answer over TCP has a bound that DNS itself does not set."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import dns.exception
import dns.message
import dns.nameserver
import dns.query

LONGEST_ANSWER = 8192
"""Octets. Honest answers about SIP are shorter; to read one of 64 kB takes the loop away from calls for a tenth of a
second."""


class AnswerTooLongError(dns.exception.FormError):
    """More than we read, and none of it was: this name server is asked no more for the name."""


class NameServer(dns.nameserver.Do53Nameserver):
    """Over UDP as dnspython does it: answers to other questions, or from elsewhere, are passed over."""

    async def async_query(  # noqa: PLR0917 - the base class has them
        self,
        request: dns.message.QueryMessage,
        timeout: float,  # noqa: ASYNC109 - the base class has it
        source: str | None,
        source_port: int,
        max_size: bool,
        backend: Any,
        one_rr_per_rrset: bool = False,
        ignore_trailing: bool = False,
    ) -> dns.message.Message:
        """``max_size``: over TCP, for the answer over UDP was cut short."""
        if not max_size:
            return await super().async_query(
                request, timeout, source, source_port, max_size, backend, one_rr_per_rrset, ignore_trailing
            )
        try:
            async with asyncio.timeout(timeout):
                answer = dns.message.from_wire(await self._ask(request.to_wire()))
        except TimeoutError:
            raise dns.exception.Timeout(timeout=timeout) from None  # type: ignore[no-untyped-call]
        if not request.is_response(answer):
            raise dns.query.BadResponse
        return answer

    async def _ask(self, question: bytes) -> bytes:
        """RFC 1035 §4.2.2: each message after its length."""
        reader, writer = await asyncio.open_connection(self.address, self.port)
        try:
            writer.write(struct.pack("!H", len(question)) + question)
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            if length > LONGEST_ANSWER:
                raise AnswerTooLongError(f"an answer of {length} octets")  # type: ignore[no-untyped-call]
            return await reader.readexactly(length)
        finally:
            writer.transport.abort()
