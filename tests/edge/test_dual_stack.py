"""IPv4 and IPv6 beside each other in one gateway, with whole calls on real sockets of loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.call.order import CallOrder
from gateway.call.states import CallState
from gateway.daemon.gateway import Gateway
from gateway.measure import g711
from gateway.sdp.description import parse_description
from tests.support.called_phone import CalledPhone
from tests.support.network import free_sip_port
from tests.support.stage import NOTHING, Stage, leftovers, settings_with
from tests.support.waiting import until

TONE = [bytes([0x10, 0x90] * 80)] * 400
LISTEN = {"listen": ["udp://127.0.0.1:0", "udp://[::1]:0"]}
TRUNKS = {"demo": {"accept_from": ["127.0.0.0/8", "::1"]}}


def port_of(gateway: Gateway, *, is_ipv6: bool) -> int:
    return next(url.port for url in gateway.sip.listening if url.is_ipv6 is is_ipv6)


async def test_a_call_over_ipv6_while_one_over_ipv4_is_up_with_audio_both_ways_in_both() -> None:
    assert g711.decode(TONE[0]).any(), "something to hear"
    async with Stage(sip=LISTEN, trunks=TRUNKS) as stage:
        six = CalledPhone("::1")
        await six.start()
        await stage.phone.dial("127.0.0.1", port_of(stage.gateway, is_ipv6=False))
        await six.dial("::1", port_of(stage.gateway, is_ipv6=True))
        answers = [parse_description(phone.answer or b"") for phone in (stage.phone, six)]
        assert [answer.media[0].connection_address for answer in answers] == ["127.0.0.1", "::1"]
        assert stage.gateway.media.open_ports == 2
        for phone in (stage.phone, six):
            phone.say(TONE)
            await phone.wait_until(lambda phone=phone: any(map(phone.is_voice, phone.heard)), 5)
            await phone.wait_until(lambda phone=phone: len(phone.sent) > 50, 5)
        for phone in (stage.phone, six):
            phone.hang_up()
        await stage.phone.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)
        figures = [event.details["media"] for event in stage.events if event.name.value == "call.ended"]
        assert len(figures) == 2
        assert all(media["packets_received"] > 20 and media["packets_sent"] > 20 for media in figures)
        await six.stop()


async def heard_by(phone: CalledPhone, offered_at: str) -> None:
    """Takes the call that has come in, and hears the greeting over the IP version it was offered in."""
    offered = await phone.wait_offered()
    assert parse_description(offered.offer or b"").media[0].connection_address == offered_at
    phone.ring()
    phone.accept()
    await phone.wait_until(lambda: any(map(phone.is_voice, phone.heard)), 5)


DIALLING = {"accept_from": ["127.0.0.0/8", "::1"], "allow_destinations": ["*", "sip:*@::1", "sip:*@127.0.0.1"]}


@asynccontextmanager
async def six_beside(targets: list[str], **fields: object) -> AsyncIterator[tuple[Stage, CalledPhone]]:
    """A gateway whose usual IP version is 4, with a telephone of IPv6 alone; ``{six}`` is where that one listens."""
    six = CalledPhone("::1")
    await six.start()
    where = six.uri.partition("@")[2]
    trunk = {**DIALLING, "targets": [target.format(six=where) for target in targets], **fields}
    async with Stage(sip=LISTEN, trunks={"demo": trunk}) as stage:
        try:
            yield stage, six
            six.hang_up()
            await six.wait_until(lambda: leftovers(stage.gateway) == NOTHING, 5)
        finally:
            await six.stop()


async def test_a_target_of_ipv6_alone_is_called_by_a_gateway_that_begins_with_ipv4() -> None:
    async with six_beside(["sip:{six}"]) as (stage, six):
        assert not stage.gateway.media.pool.is_ipv6
        stage.gateway.desk.place(CallOrder("1001", "demo"))
        await heard_by(six, "::1")


async def test_a_hop_of_the_other_version_is_asked_with_an_offer_of_its_own() -> None:
    async with six_beside([f"sip:127.0.0.1:{free_sip_port('127.0.0.1')}", "sip:{six}"]) as (stage, six):
        stage.gateway.desk.place(CallOrder("1001", "demo"))
        await heard_by(six, "::1")
        assert six.offered is not None
        assert six.offered.request.via.host == "::1"
        assert stage.gateway.media.pool.in_use == 0, "the port of the first offer is free again"


async def test_a_redirect_to_the_other_version_is_followed_with_an_offer_of_its_own() -> None:
    async with six_beside(["sip:127.0.0.9"]) as (stage, six):
        stage.gateway.desk.place(CallOrder(stage.phone.uri, "demo"))
        first = await stage.phone.wait_offered()
        assert parse_description(first.offer or b"").media[0].connection_address == "127.0.0.1"
        stage.phone.refuse(302, headers=(("Contact", f"<{six.uri}>"),))
        await heard_by(six, "::1")


async def test_without_a_listener_of_its_version_a_target_is_refused_by_name_before_any_invite() -> None:
    trunk = {**DIALLING, "targets": ["sip:[::1]:5099;transport=tcp"]}
    async with Stage(trunks={"demo": trunk}) as stage:
        call = stage.gateway.desk.place(CallOrder("1001", "demo"))
        await stage.phone.wait_until(lambda: call.is_ended, 5)
        assert call.replies[-1]["cause"] in ("media_ip_version", "trunks.unresolved")
        assert leftovers(stage.gateway)["ports"] == 0


async def test_a_phone_of_an_account_is_called_in_the_ip_version_it_registered_by() -> None:
    office = {"sip": LISTEN, "accounts": {"acme": {"password": "right"}}, "node": {"name": "office", "max_calls": 5}}
    async with Stage(**office) as stage:
        carrier = {
            "targets": [f"sip:[::1]:{port_of(stage.gateway, is_ipv6=True)}"],
            "username": "acme",
            "password": "right",
            "register": True,
            "options_s": 0,
        }
        inworld = {"url": stage.emulator.url, "api_key": "a2V5"}
        listen = {"listen": ["udp://[::1]:0"]}
        phone = Gateway(settings_with(stage.emulator.url, inworld=inworld, sip=listen, trunks={"carrier": carrier}))
        await phone.start()
        try:
            await until(lambda: phone.registrations.registered == 1)
            record = stage.gateway.desk.place(CallOrder("acme", "demo"))
            await until(lambda: stage.gateway.desk.state(record) is CallState.TALKING)
            await asyncio.sleep(0.5)
            stage.gateway.desk.end(record.identity.call_id)
            await until(lambda: leftovers(stage.gateway) == NOTHING)
            assert record.media["packets_received"] > 10
            assert record.media["packets_sent"] > 10
        finally:
            await phone.stop()
