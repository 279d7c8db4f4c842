"""SIP over TLS on loopback with real certificates: calls, identities, and what hostile or mistaken peers do."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gateway.sip.client_requests import ClientRequest
from gateway.sip.events import CallAnswered, CallConfirmed, CallEnded, CallOffered, EndCause, RequestRefused
from gateway.sip.framing import StreamFramer
from gateway.sip.message import Request, Response, parse_message
from gateway.sip.transport.limits import TransportLimits
from gateway.sip.transport.tls import ClientIdentity, ServerIdentity, TlsContexts
from tests.support.certificates import Authority, Pair
from tests.support.sip_peer import ack_for, invite, request
from tests.support.telephone import Telephone
from tests.support.waiting import until

LISTEN = ("udp://127.0.0.1:0", "tls://127.0.0.1:0")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("DNS:gw.example", "IP:127.0.0.1", file="gateway")


class Site:
    """What a test needs to make telephones that speak TLS."""

    def __init__(self, authority: Authority, pair: Pair) -> None:
        self.authority = authority
        self.pair = pair

    def contexts(self, pair: Pair | None = None, *, requires: bool = False, **clients: ClientIdentity) -> TlsContexts:
        own = pair or self.pair
        server = ServerIdentity(own.certificate, own.key, self.authority.ca, requires)
        default = ClientIdentity(ca=self.authority.ca)
        return TlsContexts(server, {"": default, **clients})

    def phone(self, tls: TlsContexts | None = None, **given: Any) -> Telephone:
        return Telephone(listen=LISTEN, tls=tls or self.contexts(), **given)


@pytest.fixture(scope="module")
def site(authority: Authority, pair: Pair) -> Site:
    return Site(authority, pair)


@pytest.mark.parametrize("hangs_up", ["caller", "callee"])
@pytest.mark.parametrize("server_name", ["", "gw.example"])
def test_a_whole_call(run: Callable[..., None], site: Site, hangs_up: str, server_name: str) -> None:
    async def main() -> None:
        async with site.phone() as caller, site.phone() as callee:
            call = caller.call(callee, "tls", server_name=server_name)
            assert isinstance(await caller.told(CallAnswered), CallAnswered)
            await callee.told(CallConfirmed)
            offered = await callee.told(CallOffered)
            assert offered.flow.transport == "tls"
            assert offered.request.via.transport == "TLS"
            assert "transport=tls" in str(offered.request.headers.get("Contact"))
            ender, other = (caller, callee) if hangs_up == "caller" else (callee, caller)
            ender.endpoint.hang_up(call if ender is caller else offered.call)
            assert (await other.told(CallEnded)).cause is EndCause.BYE
            await caller.quiet()
            await callee.quiet()
            assert caller.endpoint.connections == callee.endpoint.connections == 1

    run(main())


@pytest.mark.parametrize("case", ["another name", "expired", "another authority"])
def test_a_peer_that_is_not_who_it_should_be_gets_nothing(
    run: Callable[..., None], site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    shown = {
        "another name": lambda: site.authority.issue("DNS:other.example"),
        "expired": lambda: site.authority.issue("DNS:gw.example", end="20210101000000Z"),
        "another authority": lambda: Authority(tmp_path).issue("DNS:gw.example"),
    }[case]()

    async def main() -> None:
        async with site.phone() as caller, site.phone(site.contexts(shown)) as callee:
            caller.call(callee, "tls", server_name="gw.example")
            assert (await caller.told(CallEnded)).cause is EndCause.FLOW_FAILED
            await until(lambda: callee.endpoint.connections == 0)
            assert not any(isinstance(event, CallOffered) for event in callee.events)

    run(main())
    told = {
        "another name": "for other.example, not for gw.example",
        "expired": "expired",
        "another authority": "issuer",
    }
    assert told[case] in caplog.text


def test_a_trunk_that_is_not_verified_and_one_with_a_name_of_its_own(run: Callable[..., None], site: Site) -> None:
    shown = site.authority.issue("DNS:sbc.example")
    clients = {
        "lax": ClientIdentity(verify=False),
        "named": ClientIdentity(ca=site.authority.ca, server_name="sbc.example"),
    }

    async def main() -> None:
        tls = site.contexts(**clients)
        async with site.phone(tls) as caller, site.phone(site.contexts(shown)) as callee:
            for profile in clients:
                caller.call(callee, "tls", server_name="gw.example", profile=profile)
            await until(lambda: sum(isinstance(event, CallConfirmed) for event in callee.events) == 2)
            assert callee.endpoint.connections == 2, "each profile has its own"

    run(main())


def test_sni_is_sent_and_so_is_the_trunks_certificate(run: Callable[..., None], site: Site) -> None:
    own = site.authority.issue("DNS:us.example")
    names: list[str | None] = []
    contexts = site.contexts(requires=True)
    assert contexts.server is not None
    contexts.server.sni_callback = lambda session, name, context: names.append(name)

    async def main() -> None:
        clients = {"carrier": ClientIdentity(own.certificate, own.key, site.authority.ca)}
        async with site.phone(site.contexts(**clients)) as caller, site.phone(contexts) as callee:
            caller.call(callee, "tls", server_name="gw.example", profile="carrier")
            await callee.told(CallConfirmed)
            (connection,) = callee.endpoint._streams._by_number.values()
            assert ("DNS", "us.example") in connection.certificate["subjectAltName"]
            caller.call(callee, "tls", server_name="gw.example")
            assert (await caller.told(CallEnded)).cause is EndCause.FLOW_FAILED
            rules = {event.rule for event in callee.events if isinstance(event, RequestRefused)}
            assert rules == {"tls_client_certificate"}

    run(main())
    assert names == ["gw.example"] * 2


def test_the_callee_hangs_up_after_the_connection_is_gone(run: Callable[..., None], site: Site) -> None:
    async def main() -> None:
        async with site.phone() as caller, site.phone() as callee:
            caller.call(callee, "tls", server_name="gw.example")
            await callee.told(CallConfirmed)
            for connection in list(caller.endpoint._streams._by_number.values()):
                connection.abort()
            await until(lambda: callee.endpoint.connections == 0)
            callee.endpoint.hang_up((await callee.told(CallOffered)).call)
            assert (await caller.told(CallEnded)).cause is EndCause.BYE, "on a new connection to where its Via said"

    run(main())


def test_half_open_handshakes_are_bounded_for_one_host_and_given_up(run: Callable[..., None], site: Site) -> None:
    async def main() -> None:
        limits = TransportLimits(handshakes_per_host=5, handshake_timeout_s=0.3)
        async with site.phone() as caller, site.phone(limits=limits) as callee:
            there = ("127.0.0.1", callee.endpoint.port("tls"))
            began = time.monotonic()
            links = [await asyncio.open_connection(*there) for _ in range(20)]
            links[0][1].write(b"\x16\x03\x01")
            await until(lambda: callee.endpoint.stats.connections_refused == 15)
            assert callee.endpoint.connections == 5
            await until(lambda: callee.endpoint.connections == 0)
            assert time.monotonic() - began < 4
            rules = [event.rule for event in callee.events if isinstance(event, RequestRefused)]
            assert (rules.count("handshake_limit"), rules.count("handshake_timeout")) == (15, 5)
            caller.call(callee, "tls")
            await caller.told(CallAnswered)
            for _, writer in links:
                writer.close()

    run(main())


def test_a_peer_that_speaks_no_tls_is_cut_off_and_counted(run: Callable[..., None], site: Site) -> None:
    async def main() -> None:
        async with site.phone() as callee:
            reader, writer = await asyncio.open_connection("127.0.0.1", callee.endpoint.port("tls"))
            writer.write(request("OPTIONS").to_bytes())
            assert b"SIP" not in await asyncio.wait_for(reader.read(), 3)
            assert (await callee.told(RequestRefused)).rule == "tls_handshake"
            writer.close()

    run(main())


def test_a_peer_that_never_answers_our_handshake_fails_the_call(run: Callable[..., None], site: Site) -> None:
    async def main() -> None:
        deaf = socket.create_server(("127.0.0.1", 0))
        async with site.phone(limits=TransportLimits(connect_timeout_s=0.3)) as caller, site.phone() as callee:
            callee.endpoint.listening = (type(callee.endpoint.listening[0])("tls", "127.0.0.1", deaf.getsockname()[1]),)
            caller.call(callee, "tls")
            assert (await caller.told(CallEnded)).cause is EndCause.FLOW_FAILED
            await until(lambda: caller.endpoint.connections == 0)
        deaf.close()

    run(main())


async def talk(
    site: Site, port: int, *messages: bytes
) -> tuple[asyncio.StreamWriter, Callable[[], Coroutine[Any, Any, Any]]]:
    """A plain TLS client; the second result reads its next message."""
    context = ssl.create_default_context(cafile=str(site.authority.ca))
    shown = site.authority.issue("DNS:sbc.example")
    context.load_cert_chain(shown.certificate, shown.key)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="gw.example")
    framer = StreamFramer()

    async def receive() -> Request | Response:
        while (message := framer.next_message()) is None:
            framer.receive_data(await asyncio.wait_for(reader.read(65536), 3))
        return parse_message(message)

    for message in messages:
        writer.write(message)
    return writer, receive


@pytest.mark.parametrize("sent_by", ["sbc.example:5081", "other.example:5081"])
def test_a_connection_is_used_the_other_way_only_by_who_its_certificate_is_for(
    run: Callable[..., None], site: Site, sent_by: str
) -> None:
    async def main() -> None:
        async with site.phone() as gateway:
            via = f"SIP/2.0/TLS {sent_by};branch=z9hG4bKa;alias;rport"
            ping = request("OPTIONS", via=via).to_bytes()
            writer, receive = await talk(site, gateway.endpoint.port("tls"), ping)
            assert (await receive()).status == 200
            flow = gateway.endpoint.flow_to(("127.0.0.1", 5081), "tls", server_name=sent_by.partition(":")[0])
            gateway.endpoint.send_request(
                ClientRequest("OPTIONS", "sip:sbc.example", flow, "<sip:a@b>", "<sip:sbc.example>")
            )
            if sent_by.startswith("sbc"):
                asked = await receive()
                assert isinstance(asked, Request)
                assert asked.method == "OPTIONS"
            else:
                await until(lambda: gateway.endpoint.stats.send_failures == 1)
            writer.close()

    run(main())


def test_sips_is_answered_with_sips(run: Callable[..., None], site: Site) -> None:
    async def main() -> None:
        async with site.phone() as gateway:
            via = "SIP/2.0/TLS sbc.example;branch=z9hG4bKa"
            sent = invite(uri="sips:agent@gw.example", via=via, contact="<sips:a@sbc.example>")
            writer, receive = await talk(site, gateway.endpoint.port("tls"), sent.to_bytes())
            answers = [await receive() for _ in range(3)]
            assert [answer.status for answer in answers] == [100, 180, 200]
            port = gateway.endpoint.port("tls")
            assert answers[2].headers.get("Contact") == f"<sips:gateway@127.0.0.1:{port}>"
            writer.write(ack_for(sent, answers[2], via=via + "b").to_bytes())
            await gateway.told(CallConfirmed)
            writer.close()

    run(main())


def test_new_connections_get_the_new_certificate_and_old_ones_live_on(
    run: Callable[..., None], site: Site, tmp_path: Path
) -> None:
    mine = Pair(tmp_path / "c.pem", tmp_path / "k.pem")

    def install(name: str) -> None:
        issued = site.authority.issue(f"DNS:{name}")
        shutil.copy(issued.certificate, mine.certificate)
        shutil.copy(issued.key, mine.key)

    async def main() -> None:
        install("old.example")
        tls = site.contexts(mine)
        async with site.phone() as caller, site.phone(tls) as callee:
            caller.call(callee, "tls", server_name="old.example")
            await callee.told(CallConfirmed)
            install("new.example")
            assert tls.reload(ServerIdentity(mine.certificate, mine.key), {}) == []
            caller.call(callee, "tls", server_name="new.example")
            await until(lambda: sum(isinstance(event, CallConfirmed) for event in callee.events) == 2)
            caller.call(callee, "tls", server_name="old.example")
            await until(lambda: sum(isinstance(event, CallConfirmed) for event in callee.events) == 3)
            assert callee.endpoint.connections == 2

    run(main())


@pytest.mark.parametrize("host", ["sbc.example", "other.example"])
def test_a_connection_opened_anew_to_a_trunk_is_for_one_of_its_targets(
    run: Callable[..., None], site: Site, host: str
) -> None:
    shown = site.authority.issue("DNS:sbc.example")

    async def main() -> None:
        clients = {"carrier": ClientIdentity(ca=site.authority.ca, hosts=("sbc-2.example", host))}
        tls = site.contexts(**clients)
        tls.profile_of = lambda address: "carrier"
        async with site.phone(site.contexts(shown)) as caller, site.phone(tls) as callee:
            caller.call(callee, "tls", server_name="gw.example")
            await callee.told(CallConfirmed)
            for connection in list(caller.endpoint._streams._by_number.values()):
                connection.abort()
            await until(lambda: callee.endpoint.connections == 0)
            callee.endpoint.hang_up((await callee.told(CallOffered)).call)
            if host == "sbc.example":
                assert (await caller.told(CallEnded)).cause is EndCause.BYE
            else:
                await until(lambda: callee.endpoint.stats.send_failures == 1)

    run(main())
