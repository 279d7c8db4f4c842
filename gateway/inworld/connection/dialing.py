"""A TCP socket to a name: every address gets its turn, and none may use up the others' time."""

from __future__ import annotations

import asyncio
import itertools
import socket
from typing import Any

ATTEMPT_S = 3.0
"""For one address: a family without a route must leave time for the other."""

AddressInfo = tuple[int, int, int, str, Any]


async def open_socket(host: str, port: int) -> socket.socket:
    """A connected, non-blocking socket. Raises OSError (also for names) or TimeoutError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in interleave(list(found)):
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        try:
            async with asyncio.timeout(ATTEMPT_S):
                await loop.sock_connect(opened, address)
            return opened
        except OSError as error:  # TimeoutError is one
            opened.close()
            failure = error if str(error) else TimeoutError(f"{address[0]} did not answer within {ATTEMPT_S:g} s")
        except BaseException:
            opened.close()
            raise
    raise failure


def interleave(addresses: list[AddressInfo]) -> list[AddressInfo]:
    """Families in turn, the resolver's first choice first (RFC 8305 §4)."""
    families: dict[int, list[AddressInfo]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    rounds = itertools.zip_longest(*families.values())
    return [address for turn in rounds for address in turn if address is not None]
