from __future__ import annotations

import asyncio
import struct

from gateway.demo.rtp_leg import RtpLeg
from gateway.measure.packet_log import parse_packet
from gateway.measure.timestamped_socket import open_socket


async def exchange(leg: RtpLeg, packets: int) -> list[bytes]:
    """Starts the leg toward a socket of ours, echoes what comes, and returns the datagrams."""
    peer = open_socket("127.0.0.1")
    received: list[bytes] = []
    done = asyncio.Event()

    def receive() -> None:
        datagram, source = peer.recvfrom(2048)
        received.append(datagram)
        peer.sendto(datagram, source)
        if len(received) >= packets:
            done.set()

    asyncio.get_running_loop().add_reader(peer, receive)
    leg.start(peer.getsockname())
    try:
        async with asyncio.timeout(10):
            await done.wait()
    finally:
        await leg.close()
        asyncio.get_running_loop().remove_reader(peer)
        peer.close()
    return received[:packets]


async def test_it_sends_silence_then_speech_in_order_and_hears_the_answer_with_kernel_times() -> None:
    leg = RtpLeg("127.0.0.1", payload_type=0, telephone_event_payload_type=101)
    voice = [bytes([number]) * 160 for number in range(1, 4)]
    leg.say(voice)
    datagrams = await exchange(leg, 6)
    packets = [parse_packet(0, datagram) for datagram in datagrams]
    assert [packet.payload for packet in packets if packet] == [*voice, *[b"\xff" * 160] * 3]
    assert [packet.timestamp for packet in packets if packet] == [number * 160 for number in range(6)]
    assert not leg.is_speaking
    assert [item.at for item in leg.heard] == sorted(item.at for item in leg.heard)
    assert 0 < leg.heard[0].at - leg.sent[0].at < 1.0


async def test_a_key_press_is_one_rfc_4733_event_with_one_timestamp_and_three_ends() -> None:
    leg = RtpLeg("127.0.0.1", payload_type=8, telephone_event_payload_type=96)
    leg.press("#")
    datagrams = await exchange(leg, 10)
    events = [
        packet
        for packet in (parse_packet(0, datagram) for datagram in datagrams)
        if packet and packet.payload_type == 96
    ]
    assert len(events) == 9
    assert len({packet.timestamp for packet in events}) == 1
    fields = [struct.unpack(">BBH", packet.payload) for packet in events]
    assert {code for code, _, _ in fields} == {11}
    assert [bool(flags & 0x80) for _, flags, _ in fields] == [False] * 6 + [True] * 3
    durations = [duration for _, _, duration in fields]
    assert durations == sorted(durations)
    assert durations[-1] == durations[-3] == 7 * 160
    audio = parse_packet(0, datagrams[9])
    assert audio is not None
    assert audio.payload == b"\xd5" * 160
