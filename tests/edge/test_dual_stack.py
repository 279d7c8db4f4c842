"""IPv4 and IPv6 beside each other in one gateway, with whole calls on real sockets of loopback."""

from __future__ import annotations

from gateway.daemon.gateway import Gateway
from gateway.demo.phone import Phone
from gateway.measure import g711
from gateway.sdp.description import parse_description
from tests.support.stage import NOTHING, Stage, leftovers

TONE = [bytes([0x10, 0x90] * 80)] * 400
LISTEN = {"listen": ["udp://127.0.0.1:0", "udp://[::1]:0"]}
TRUNKS = {"demo": {"accept_from": ["127.0.0.0/8", "::1"]}}


def port_of(gateway: Gateway, *, is_ipv6: bool) -> int:
    return next(url.port for url in gateway.sip.listening if url.is_ipv6 is is_ipv6)


async def test_a_call_over_ipv6_while_one_over_ipv4_is_up_with_audio_both_ways_in_both() -> None:
    assert g711.decode(TONE[0]).any(), "something to hear"
    async with Stage(sip=LISTEN, trunks=TRUNKS) as stage:
        six = Phone("::1")
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
