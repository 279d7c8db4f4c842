"""Header injection: nothing that a caller, a callee or an order writes begins a line of ours on the wire."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from gateway.call.termination import EndReason
from gateway.sip.message import Request, Response, make_response, parse_message
from tests.support.rest import CONTROL, Operator, dialling_trunks
from tests.support.sip_peer import ack_for, invite
from tests.support.sip_socket import SipSocket
from tests.support.stage import Stage

EVIL = [
    "\r\nX-Evil: 1",
    "\nX-Evil: 1",
    "\rX-Evil: 1",
    "\u2028X-Evil: 1",
    "\x0b\x0c\x85X-Evil: 1",
    "\0",
    '"><sip:evil@x>;',
]
TEMPLATES = {kind: {"X-Told": "{{caller}} {{caller_name}} {{note}}"} for kind in ("invite", "answer", "bye")}


def assert_clean(data: bytes) -> None:
    """No header of the attacker's making, and no line end that is not one of ours."""
    head = data.partition(b"\r\n\r\n")[0].decode()
    for line in head.split("\r\n"):
        assert not line.lower().startswith("x-evil"), head
        is_echo = line.startswith(("From:", "To:"))  # octet by octet, whatever it is (RFC 3261 §8.2.6.2)
        assert is_echo or line.isprintable(), head
        assert not set(line) & set("\r\n\0"), head
    names = [name.lower() for name, _ in parse_message(data).headers]
    for single in ("from", "to", "call-id", "cseq", "contact", "max-forwards"):
        assert names.count(single) <= 1
    assert "x-evil" not in names


class Callee:
    """A socket that is called: it keeps every datagram as it came, and answers INVITEs by ``status``."""

    def __init__(self, status: int = 486, headers: Any = ()) -> None:
        self.seen: list[bytes] = []
        self._status, self._headers = status, headers
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data, source = await loop.sock_recvfrom(self._socket, 65_535)
            self.seen.append(data)
            message = parse_message(data)
            if isinstance(message, Request) and message.method != "ACK":
                invites = [one for one in self.seen if one.startswith(b"INVITE")]
                status = self._status if message.method == "INVITE" and len(invites) == 1 else 486
                status = 200 if message.method in {"BYE", "CANCEL"} else status
                answer = make_response(message, status, to_tag="callee", headers=self._headers)
                await loop.sock_sendto(self._socket, answer.to_bytes(), source)

    async def __aenter__(self) -> Callee:
        self._task = asyncio.create_task(self.serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
async def test_no_field_of_an_order_begins_a_header(evil: str) -> None:
    async with (
        Callee() as callee,
        Stage(trunks=dialling_trunks(headers=TEMPLATES), control=CONTROL) as stage,
        Operator(stage) as operator,
    ):
        to = f"sip:bob@{callee.address}"
        orders: list[dict[str, Any]] = [
            {"to": to, "from": f"1001{evil}"},
            {"to": f"sip:bob{evil}@{callee.address}"},
            {"to": to + evil},
            {"to": to, "headers": {f"X-Mine{evil}": "1"}},
            {"to": to, "headers": {"X-Mine": f"1{evil}"}},
            {"to": to, "headers": {"X-Mine": "{{note}}"}, "variables": {"note": f"1{evil}"}},
            {"to": to, "variables": {f"note{evil}": "1"}},
            {"to": to, "headers": {"Via": "SIP/2.0/UDP evil"}},
            {"to": to, "headers": {"v": "SIP/2.0/UDP evil"}},
            {"to": to, "headers": {"Route": "<sip:evil>"}},
            {"to": to, "metadata": {"a": evil}},
        ]
        taken = 0
        for order in orders:
            response = await operator.http.post("/v1/calls", json=order)
            assert response.status_code in {202, 403, 422}, response.text
            taken += response.status_code == 202
        await stage.phone.wait_until(lambda: stage.gateway.directory.live == 0, 10)
        assert 2 <= taken <= 5
        assert len([one for one in callee.seen if one.startswith(b"INVITE")]) >= 2
        for data in callee.seen:
            assert_clean(data)


@pytest.mark.parametrize(
    "written",
    [
        ('"a\\\r\n X-Evil: 1" <sip:caller@example.com>', "sip:agent@gw"),
        ("<sip:caller%0D%0AX-Evil%3A%201@example.com>", "sip:agent%0D%0AX-Evil:%201@gw"),
        ('"\u2028X-Evil: 1" <sip:caller%00@example.com>', "sip:agent%E2%80%A8X-Evil@gw"),
        ('"{{trunk}}{{note}}" <sip:{{callee}}@example.com>', "sip:agent@gw"),
    ],
    ids=["folded", "escaped line ends", "unicode line ends", "a template"],
)
async def test_no_name_of_a_caller_begins_a_header(written: tuple[str, str]) -> None:
    trunk = {"accept_from": ["127.0.0.0/8"], "headers": TEMPLATES, "variables": {"note": "X-Note"}}
    async with Stage(trunks={"demo": trunk}) as stage:
        caller = SipSocket(stage, "127.0.0.9")
        seen: list[bytes] = []
        try:
            from_, uri = written
            sent = invite(uri=uri, headers=[("X-Note", "1%0d%0aX-Evil: 1\u2028")])
            name, port = caller.socket.getsockname()
            data = sent.to_bytes().replace(b"198.51.100.7:5060;branch", f"{name}:{port};branch".encode())
            data = data.replace(b"From: <sip:caller@example.com>", f"From: {from_}".encode())
            url = stage.gateway.sip.listening[0]
            caller.socket.sendto(data, (url.host, url.port))
            async with asyncio.timeout(10):
                while not any(one.startswith(b"SIP/2.0 200") for one in seen):
                    seen.append(await asyncio.get_running_loop().sock_recv(caller.socket, 65_535))
            answer = parse_message(seen[-1])
            assert isinstance(answer, Response)
            told = answer.headers.get("X-Told") or ""
            assert told.isprintable()
            assert "{{trunk}}" in told or "{{" not in from_, "what a caller writes is no template"
            caller.socket.sendto(ack_for(sent, answer).to_bytes(), (url.host, url.port))
            stage.gateway.directory.end_all(EndReason.SHUTDOWN)
            async with asyncio.timeout(5):
                while not seen[-1].startswith(b"BYE"):
                    seen.append(await asyncio.get_running_loop().sock_recv(caller.socket, 65_535))
        finally:
            caller.close()
        for one in seen:
            assert_clean(one)


@pytest.mark.parametrize(
    "contact",
    ["<sip:bob%0D%0AX-Evil:1@{at}>", "<sip:bob@{at};x=%0D%0AX-Evil>", "<sip:bob@{at}?X-Evil=1&Route=%3Csip:evil%3E>"],
)
async def test_no_contact_of_a_redirect_begins_a_header(contact: str) -> None:
    async with Callee() as other:
        headers = [("Contact", contact.format(at=other.address))]
        async with (
            Callee(302, headers) as callee,
            Stage(trunks=dialling_trunks(), control=CONTROL) as stage,
            Operator(stage) as operator,
        ):
            await operator.call(f"sip:bob@{callee.address}")
            await stage.phone.wait_until(lambda: stage.gateway.directory.live == 0, 10)
            assert callee.seen
            for data in callee.seen + other.seen:
                assert_clean(data)


async def test_no_transfer_target_begins_a_header() -> None:
    async with Stage(trunks=dialling_trunks(), control=CONTROL) as stage, Operator(stage) as operator:
        await stage.dial()
        (call,) = (await operator.get("/v1/calls"))["calls"]
        await stage.phone.wait_until(lambda: "call.answered" in stage.names(), 5)
        for to in (
            "sip:bob@127.0.0.1\r\nX-Evil: 1",
            "sip:bob@127.0.0.1?Replaces=x%3Bto-tag%3D1",
            "sip:bob@127.0.0.1>;X-Evil=1,<sip:evil@x",
            "sip:bob@evil.example",
            "+4490012345",
            "sip:bob@127.0.0.1;maddr=10.0.0.1",
        ):
            response = await operator.http.post(f"/v1/calls/{call['id']}/transfer", json={"to": to})
            assert response.status_code in {403, 422}, to
        assert await operator.state(call["id"]) == "talking"
