"""Whole calls over real loopback sockets with the real pacer thread: structure, not timing."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
import uvloop

from gateway.media.rtp import RtpPacket
from tests.support.media_edge import EdgeRig, Telephone, agreed, edge_rig
from tests.support.network import loopback_address
from tests.support.rtp_caller import speech
from tests.support.waiting import until

ITEM = ("resp", "item")


def assert_unbroken(packets: list[RtpPacket], samples: int = 160) -> None:
    """One stream: one SSRC, every number once and in order, time that follows the frames (stalls may be skipped)."""
    assert len({packet.ssrc for packet in packets}) == 1
    for before, after in pairwise(packets):
        assert (after.sequence - before.sequence) & 0xFFFF == 1
        elapsed = (after.timestamp - before.timestamp) & 0xFFFF_FFFF
        assert elapsed % samples == 0
        assert 0 < elapsed < 400 * samples


async def converse(rig: EdgeRig, calls: int) -> None:
    """Every call hears its own agent and is heard by its own ear."""
    phones = [rig.telephone() for _ in range(calls)]
    ports = [rig.open(phone.address) for phone in phones]
    for number, port in enumerate(ports):
        port.stream.playout.enqueue(ITEM, bytes((number + 1,)) * 1600)
        port.stream.playout.finish(ITEM)
        port.start()
    for _ in range(25):
        for phone, port in zip(phones, ports, strict=True):
            phone.send(phone.caller.audio(), port)
        await asyncio.sleep(0.005)
    for number, (phone, port) in enumerate(zip(phones, ports, strict=True)):
        packets = await phone.hear(15)
        assert_unbroken(packets)
        voice = b"".join(packet.payload for packet in packets)
        assert voice.startswith(bytes((number + 1,)) * 1600 + b"\xff" * 160)
        assert packets[0].marker
        assert not any(packet.marker for packet in packets[1:])
        await until(lambda port=port: len(rig.ears[port].audio) >= 25 * 160)  # type: ignore[misc]
        assert rig.ears[port].audio[: 25 * 160] == speech(50_000, 25 * 160)


async def test_several_calls_at_once_each_hear_and_are_heard() -> None:
    with edge_rig(pairs=10) as rig:
        await converse(rig, 10)


def test_the_same_on_uvloop() -> None:
    async def on_uvloop() -> None:
        with edge_rig(pairs=3) as rig:
            await converse(rig, 3)

    uvloop.run(on_uvloop())


async def test_after_a_flush_at_most_one_more_old_frame_is_on_the_wire() -> None:
    with edge_rig() as rig:
        phone = rig.telephone()
        port = rig.open(phone.address)
        port.stream.playout.enqueue(ITEM, b"a" * 80_000)
        port.start()
        await phone.hear(5)
        (heard,) = port.stream.playout.flush()
        packets = port.stream.sent.packets
        await until(lambda: port.stream.sent.packets >= packets + 5)
        rest = phone.heard()
        assert all(packet.payload == b"\xff" * 160 for packet in rest[1:])
        assert not port.stream.playout.flush()
        assert heard.sent_ms >= 100


async def test_the_ledger_equals_the_speech_on_the_wire() -> None:
    with edge_rig() as rig:
        phone = rig.telephone()
        port = rig.open(phone.address)
        port.stream.playout.enqueue(ITEM, b"a" * 80_000)
        port.start()
        on_the_wire = await phone.hear(7)
        (heard,) = port.stream.playout.flush()
        await until(lambda: not port.stream.playout.pending_ms)
        silent_from = port.stream.sent.packets + 2
        await until(lambda: port.stream.sent.packets >= silent_from)
        on_the_wire += phone.heard()
        spoken = b"".join(packet.payload for packet in on_the_wire).count(b"a")
        assert heard.sent_ms == spoken // 8


@pytest.mark.parametrize("ptime_ms", [10, 30, 40, 60])
async def test_every_packet_length(ptime_ms: int) -> None:
    with edge_rig() as rig:
        phone = rig.telephone()
        port = rig.open(phone.address, ptime_ms=ptime_ms)
        port.stream.playout.enqueue(ITEM, b"a" * 1600)
        port.stream.playout.finish(ITEM)
        port.start()
        packets = await phone.hear(1600 // (ptime_ms * 8) + 3)
        assert_unbroken(packets, ptime_ms * 8)
        assert b"".join(packet.payload for packet in packets).rstrip(b"\xff") == b"a" * 1600


async def test_a_phone_behind_address_translation_is_followed() -> None:
    with edge_rig() as rig:
        announced, real = rig.telephone(), rig.telephone()
        port = rig.open(announced.address)
        port.start()
        await announced.hear(2)
        real.send(real.caller.audio(), port)
        await real.hear(3)
        announced.heard()
        sent = port.stream.sent.packets
        await until(lambda: port.stream.sent.packets >= sent + 3)
        assert announced.heard() == []


async def test_a_stranger_that_sends_first_takes_nothing_from_a_caller_known_by_its_signalling() -> None:
    """The caller sits behind address translation: SDP names an address that cannot be reached."""
    with edge_rig() as rig:
        caller, stranger = rig.telephone(), Telephone(loopback_address())
        rig.telephones.append(stranger)
        assert stranger.address[0] != caller.address[0]
        port = rig.open(("203.0.113.9", 40_000), signalling_host=caller.address[0])
        port.start()
        for _ in range(3):
            stranger.send(stranger.caller.audio(), port)
            caller.send(caller.caller.audio(), port)
        await caller.hear(3)
        for _ in range(10):
            stranger.send(stranger.caller.audio(), port)
        await caller.hear(10)
        assert port.stream.remote == caller.address
        assert stranger.heard() == []


async def test_a_phone_nobody_knows_the_address_of_is_followed_after_three_packets() -> None:
    with edge_rig() as rig:
        phone = rig.telephone()
        port = rig.open(("203.0.113.9", 40_000), signalling_host="203.0.113.9")
        port.start()
        for _ in range(10):
            phone.send(phone.caller.audio(), port)
        await phone.hear(3)
        await until(lambda: len(rig.ears[port].audio) >= 8 * 160)
        assert rig.ears[port].audio[: 8 * 160] == speech(50_000 + 2 * 160, 8 * 160)


async def test_hold_stops_rtp_and_resume_goes_on_with_the_same_stream() -> None:
    with edge_rig() as rig:
        phone = rig.telephone()
        port = rig.open(phone.address)
        port.start()
        before = await phone.hear(3)
        port.stream.update(agreed(phone.address, direction="inactive"), 1.0)
        ticks = port.stream.sent.skipped_frames
        await until(lambda: port.stream.sent.skipped_frames >= ticks + 5)
        before += phone.heard()
        port.stream.update(agreed(phone.address), 1.0)
        after = await phone.hear(3)
        assert after[0].marker
        assert_unbroken(before + after)
        assert (after[0].timestamp - before[-1].timestamp) & 0xFFFF_FFFF >= 6 * 160


async def test_a_port_that_is_opened_again_hears_nothing_of_the_call_before() -> None:
    with edge_rig(pairs=1, quarantine_s=0.0) as rig:
        old, new = rig.telephone(), rig.telephone()
        first = rig.open(old.address)
        first.start()
        await old.hear(2)
        first.close()
        second = rig.open(new.address)
        assert second.local_port == first.local_port
        old.heard()
        second.start()
        await new.hear(3)
        assert old.heard() == []


async def test_calls_that_come_and_go_while_others_talk_disturb_nobody() -> None:
    with edge_rig(pairs=8, quarantine_s=0.0) as rig:
        phone, churner = rig.telephone(), rig.telephone()
        port = rig.open(phone.address)
        port.start()
        packets: list[RtpPacket] = []
        for _ in range(60):
            guest = rig.open(churner.address)
            guest.start()
            await asyncio.sleep(0.002)
            guest.close()
            packets += phone.heard()
        packets += await phone.hear(2)
        assert_unbroken(packets)
        assert rig.engine.pacer.faults == 0
        assert rig.engine.open_ports == 1


async def test_two_telephones_never_share_a_stream() -> None:
    with edge_rig() as rig:
        phones: list[Telephone] = [rig.telephone(), rig.telephone()]
        for phone in phones:
            rig.open(phone.address).start()
        streams = [{packet.ssrc for packet in await phone.hear(2)} for phone in phones]
        assert streams[0].isdisjoint(streams[1])
