"""SIP over WebSocket on loopback, with the client of the websockets library as the browser, and with raw sockets."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from gateway.sip.client_requests import ClientRequest
from gateway.sip.events import (
    CallConfirmed,
    CallEnded,
    CallOffered,
    EndCause,
    ReofferRefused,
    RequestAnswered,
    RequestRefused,
)
from gateway.sip.message import parse_message
from gateway.sip.transport.limits import TransportLimits
from gateway.sip.transport.tls import ServerIdentity, TlsContexts
from tests.support.certificates import Authority
from tests.support.sip_peer import OFFER, ack_for, invite, request
from tests.support.telephone import Telephone
from tests.support.waiting import until

SIP = [Subprotocol("sip")]
VIA = "SIP/2.0/WS df7jal23ls0d.invalid;rport;branch=z9hG4bK"
CONTACT = "<sip:alice@df7jal23ls0d.invalid;transport=ws>"


def gateway(**given: Any) -> Telephone:
    return Telephone(**{"listen": ("udp://127.0.0.1:0", "ws://127.0.0.1:0"), **given})


def browser(callee: Telephone, path: str = "", **given: Any) -> connect:
    url = f"ws://127.0.0.1:{callee.endpoint.port('ws')}{path}"
    return connect(url, **{"subprotocols": SIP, "compression": None, "ping_interval": None, **given})


async def receive(link: ClientConnection) -> Any:
    data = await asyncio.wait_for(link.recv(), 3)
    return parse_message(data.encode() if isinstance(data, str) else data)


async def call(link: ClientConnection, callee: Telephone) -> Any:
    """An INVITE as a browser sends it, answered and acknowledged; returns the 200."""
    sent = invite(via=VIA + "1", contact=CONTACT)
    await link.send(sent.to_bytes().decode())
    answers = [await receive(link) for _ in range(3)]
    assert [answer.status for answer in answers] == [100, 180, 200]
    await link.send(ack_for(sent, answers[2], via=VIA + "2").to_bytes().decode())
    await callee.told(CallConfirmed)
    return answers[2]


def test_a_call_of_a_browser_whose_hosts_are_invalid(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with gateway() as callee, browser(callee) as link:
            ok = await call(link, callee)
            assert ok.via.received == "127.0.0.1"
            assert ok.headers.get("Contact") == f"<sip:gateway@127.0.0.1:{callee.endpoint.port('ws')};transport=ws>"
            offered = await callee.told(CallOffered)
            assert offered.flow.transport == "ws"
            callee.endpoint.reoffer(offered.call, OFFER)
            asked = await receive(link)
            assert (asked.method, asked.uri) == ("INVITE", "sip:alice@df7jal23ls0d.invalid;transport=ws")
            assert asked.via.transport == "WS"
            callee.endpoint.hang_up(offered.call)
            assert (await receive(link)).method == "BYE"

    run(main())


@pytest.mark.parametrize("case", ["closed", "lost"])
def test_a_request_under_way_fails_with_the_browsers_connection(run: Callable[..., None], case: str) -> None:
    async def main() -> None:
        async with gateway() as callee, browser(callee) as link:
            await call(link, callee)
            offered = await callee.told(CallOffered)
            callee.endpoint.reoffer(offered.call, OFFER)
            await receive(link)
            if case == "closed":
                await link.close()
            else:
                link.transport.abort()
            assert (await callee.told(ReofferRefused)).status == 503, "at once, not after 64*T1"
            callee.endpoint.hang_up(offered.call)
            await callee.quiet()
            assert (await callee.told(CallEnded)).cause is EndCause.HUNG_UP

    run(main())


def test_wss_shows_the_certificate_and_says_so_in_via(run: Callable[..., None], tmp_path: Any) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("IP:127.0.0.1")
    tls = TlsContexts(ServerIdentity(pair.certificate, pair.key))

    async def main() -> None:
        context = ssl.create_default_context(cafile=str(authority.ca))
        async with Telephone(listen=("wss://127.0.0.1:0/sip",), tls=tls) as callee:
            url = f"wss://127.0.0.1:{callee.endpoint.port('wss')}/sip"
            async with connect(url, subprotocols=SIP, ssl=context, compression=None) as link:
                await link.send(invite(via=VIA.replace("/WS", "/WSS") + "1", contact=CONTACT).to_bytes())
                ringing = [await receive(link) for _ in range(2)][1]
                assert (await callee.told(CallOffered)).flow.is_secure
                assert "transport=ws>" in ringing.headers.get("Contact")

    run(main())


@pytest.mark.parametrize(
    ("path", "given", "status", "rule"),
    [
        ("/elsewhere", {}, 404, "websocket_path"),
        ("", {"subprotocols": None}, 400, "websocket_subprotocol"),
        ("", {"subprotocols": [Subprotocol("xmpp")]}, 400, "websocket_subprotocol"),
        ("", {"origin": "https://evil.example"}, 403, "websocket_origin"),
    ],
)
def test_a_browser_that_is_turned_away_reads_why(
    run: Callable[..., None], path: str, given: dict[str, Any], status: int, rule: str
) -> None:
    async def main() -> None:
        async with gateway(origins=["https://phone.example"]) as callee:
            with pytest.raises(InvalidStatus) as caught:
                async with browser(callee, path, **given):
                    pass
            response = caught.value.response
            assert response.status_code == status
            assert len(response.body or b"") > 20, "in words"
            assert (await callee.told(RequestRefused)).rule == rule
            await until(lambda: callee.endpoint.connections == 0)

    run(main())


def test_compression_is_not_agreed_to(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with gateway() as callee, browser(callee, compression="deflate") as link:
            assert link.protocol.extensions == []
            await call(link, callee)

    run(main())


def test_pings_of_either_kind_are_answered(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with gateway() as callee, browser(callee) as link:
            assert await asyncio.wait_for(await link.ping(), 3) >= 0
            await link.send("\r\n\r\n")
            assert await asyncio.wait_for(link.recv(), 3) == "\r\n"
            assert callee.endpoint.stats.keep_alives == 1

    run(main())


def test_a_slow_upgrade_is_given_up_and_bounded(run: Callable[..., None]) -> None:
    async def main() -> None:
        limits = TransportLimits(handshakes_per_host=4, handshake_timeout_s=0.3)
        async with gateway(limits=limits) as callee:
            links = [await asyncio.open_connection("127.0.0.1", callee.endpoint.port("ws")) for _ in range(10)]
            began = time.monotonic()
            await until(lambda: callee.endpoint.stats.connections_refused == 6)
            for octet in b"GET / HTTP/1.1\r\nHost: gw\r\n":
                links[0][1].write(bytes([octet]))
                await asyncio.sleep(0.02)
            await until(lambda: callee.endpoint.connections == 0)
            assert time.monotonic() - began < 4
            async with browser(callee) as link:
                await call(link, callee)
            for _, writer in links:
                writer.close()

    run(main())


MASKED_EMPTY_FRAGMENT = b"\x00\x80\0\0\0\0"
HALF_OPEN = {
    "nothing": [],
    "half a head": [b"\x81"],
    "a frame that never ends": [b"\x81\xfe\x20\x00\0\0\0\0", *[b"x"] * 200],
    "a text of empty fragments": [b"\x01\x80\0\0\0\0", *[MASKED_EMPTY_FRAGMENT] * 200],
    "pings alone": [b"\x89\x80\0\0\0\0"] * 200,
    "line ends alone": [b"\x81\x84\0\0\0\0\r\n\r\n"] * 200,
}


@pytest.mark.parametrize("drip", HALF_OPEN.values(), ids=HALF_OPEN)
def test_an_upgrade_that_no_message_follows_is_not_kept(run: Callable[..., None], drip: list[bytes]) -> None:
    async def main() -> None:
        async with gateway(limits=TransportLimits(first_message_timeout_s=0.4)) as callee, browser(callee) as link:
            assert callee.endpoint.connections == 1
            began = time.monotonic()
            for octets in drip:
                if not callee.endpoint.connections:
                    break
                link.transport.write(octets)
                await asyncio.sleep(0.02)
            await until(lambda: callee.endpoint.connections == 0, 5)
            assert time.monotonic() - began < 4, "dripping wins no time"
            link.transport.abort()

    run(main())


def test_a_giant_message_ends_the_connection(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with gateway() as callee, browser(callee) as link:
            await link.send(b"x" * 500_000)
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(link.recv(), 3)
            assert link.close_code == 1009
            assert (await callee.told(RequestRefused)).rule == "websocket_broken"

    run(main())


def test_nonsense_in_a_frame_harms_nobody(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with gateway() as callee, browser(callee) as link:
            await link.send(b"\x00\xff nonsense")
            await link.send(request("OPTIONS", via=VIA + "1").to_bytes() + b"more behind it")
            assert (await receive(link)).status == 200
            assert callee.endpoint.user_agent.stats.unreadable_messages == 1

    run(main())


def test_many_connections_from_one_host_are_bounded(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with gateway(limits=TransportLimits(connections_per_host=3)) as callee:
            links = [await browser(callee) for _ in range(3)]
            with pytest.raises((OSError, EOFError, Exception)):
                await asyncio.wait_for(browser(callee).__aenter__(), 3)
            assert callee.endpoint.connections == 3
            assert (await callee.told(RequestRefused)).rule == "connections_per_host"
            for link in links:
                await link.close()
            await until(lambda: callee.endpoint.connections == 0)

    run(main())


def test_while_draining_every_transport_says_503_to_options(run: Callable[..., None], tmp_path: Any) -> None:
    pair = Authority(tmp_path).issue("IP:127.0.0.1")
    tls = TlsContexts(ServerIdentity(pair.certificate, pair.key))
    listen = [f"{transport}://127.0.0.1:0" for transport in ("udp", "tcp", "tls", "ws", "wss")]

    async def main() -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with Telephone(listen=listen, tls=tls) as callee, Telephone() as caller:
            callee.endpoint.user_agent.draining = True
            flow = caller.endpoint.flow_to(("127.0.0.1", callee.endpoint.port("udp")))
            caller.endpoint.send_request(ClientRequest("OPTIONS", "sip:x@y", flow, "<sip:a@b>", "<sip:x@y>"))
            assert (await caller.told(RequestAnswered)).response.status == 503
            for transport in ("tcp", "tls"):
                secured = context if transport == "tls" else None
                port = callee.endpoint.port(transport)  # type: ignore[arg-type]
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=secured)
                writer.write(
                    request("OPTIONS", via=f"SIP/2.0/{transport.upper()} a.example;branch=z9hG4bKx").to_bytes()
                )
                assert (await asyncio.wait_for(reader.readline(), 3)).startswith(b"SIP/2.0 503 ")
                writer.close()
            for transport in ("ws", "wss"):
                secured = context if transport == "wss" else None
                url = f"{transport}://127.0.0.1:{callee.endpoint.port(transport)}"  # type: ignore[arg-type]
                async with connect(url, subprotocols=SIP, ssl=secured) as link:
                    await link.send(request("OPTIONS", via=VIA + "1").to_bytes())
                    assert (await receive(link)).status == 503

    run(main())
