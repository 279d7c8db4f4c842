"""Requests written by hand, sent from any address of loopback, and what comes back."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.sip.digest import Credentials, DigestClient
from gateway.sip.message import Request, Response, parse_message
from tests.support.sip_peer import invite, request
from tests.support.stage import Stage


class SipSocket:
    """A UDP socket on an address of loopback, for requests written by hand."""

    def __init__(self, stage: Stage, host: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        url = stage.gateway.sip.listening[0]
        self._gateway = (url.host, url.port)
        self.host = host

    def close(self) -> None:
        self.socket.close()

    async def ask(self, sent: Request, within_s: float = 0.3) -> Response | None:
        """Sends it and answers with the first final response, or None."""
        via = sent.headers.get("Via") or ""
        name, port = self.socket.getsockname()
        sent.headers.set("Via", via.replace("198.51.100.7:5060", f"{name}:{port}") + ";rport")
        self.socket.sendto(sent.to_bytes(), self._gateway)
        try:
            async with asyncio.timeout(within_s):
                while True:
                    data = await asyncio.get_running_loop().sock_recv(self.socket, 4096)
                    message = parse_message(data)
                    if isinstance(message, Response) and message.status >= 200:
                        return message
        except TimeoutError:
            return None

    def reply(self, response: Response) -> None:
        """Answers a request of the gateway."""
        self.socket.sendto(response.to_bytes(), self._gateway)

    async def prove(self, password: str, method: str = "INVITE", **changes: Any) -> tuple[Request, Response | None]:
        """Asks, and once more with credentials."""
        make = invite if method == "INVITE" else lambda **given: request(method, **given)
        asked = await self.ask(make(**changes))
        assert asked is not None
        assert asked.status == 401, asked
        digest = DigestClient(Credentials("1001", Secret(password)), IdSource())
        sent = make(**changes)
        headers = digest.answer(asked, method, sent.uri, sent.body)
        assert headers is not None
        sent = make(**changes, headers=headers)
        return sent, await self.ask(sent, 5)

    async def hear_request(self, within_s: float = 5) -> Request:
        """The next request that comes in."""
        async with asyncio.timeout(within_s):
            while True:
                message = parse_message(await asyncio.get_running_loop().sock_recv(self.socket, 4096))
                if isinstance(message, Request):
                    return message
