"""The sockets of one call."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator

import pytest

from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.base.ids import IdSource
from gateway.media.engine import MediaEngine
from gateway.media.port import RECEIVE_BYTES
from gateway.media.send.playout import ItemHeard
from tests.support.media_edge import EdgeRig, agreed, edge_rig
from tests.support.rtp_caller import Ear, speech
from tests.support.waiting import until

ITEM = ("resp", "item")


@pytest.fixture
def rig() -> Iterator[EdgeRig]:
    with edge_rig() as rig:
        yield rig


async def test_nothing_is_sent_or_heard_before_the_call_is_up(rig: EdgeRig) -> None:
    phone = rig.telephone()
    port = rig.open(phone.address)
    phone.send(phone.caller.audio(), port)
    await until(lambda: port.early_datagrams == 1)
    assert phone.heard() == []
    assert rig.ears[port].audio == b""
    assert port.stream.last_received is None


async def test_a_datagram_becomes_audio(rig: EdgeRig) -> None:
    phone = rig.telephone()
    port = rig.open(phone.address)
    port.start()
    for _ in range(5):
        phone.send(phone.caller.audio(), port)
    await until(lambda: len(rig.ears[port].audio) >= 800)
    assert rig.ears[port].audio[:800] == speech(50_000, 800)


async def test_rtcp_is_read_and_counted(rig: EdgeRig) -> None:
    phone = rig.telephone()
    port = rig.open(phone.address)
    port.start()
    phone.send(bytes.fromhex("80c80006") + bytes(24), port, rtcp=True)
    await until(lambda: port.rtcp_datagrams == 1)
    assert port.stream.statistics.packets == 0


async def test_an_oversized_datagram_is_refused(rig: EdgeRig) -> None:
    phone = rig.telephone()
    port = rig.open(phone.address)
    port.start()
    phone.send(phone.caller.audio(samples=RECEIVE_BYTES), port)
    await until(lambda: port.oversized == 1)
    phone.send(phone.caller.audio(samples=RECEIVE_BYTES - 13), port)
    await until(lambda: port.stream.statistics.packets == 1)


async def test_what_leaves_comes_from_the_announced_port(rig: EdgeRig) -> None:
    phone = rig.telephone()
    port = rig.open(phone.address)
    port.start()
    await until(lambda: port.stream.sent.packets >= 1)
    loop = asyncio.get_running_loop()
    _, source = await asyncio.wait_for(loop.sock_recvfrom(phone.socket, 2048), 10)
    assert source == (rig.address, port.local_port)


async def test_a_callback_that_raises_does_not_reach_the_loop(rig: EdgeRig, caplog: pytest.LogCaptureFixture) -> None:
    loop_faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: loop_faults.append(context))

    def fail(_: bytes) -> None:
        raise RuntimeError("broken call")

    phone = rig.telephone()
    port = rig.open(phone.address, on_audio=fail)
    port.start()
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            phone.send(phone.caller.audio(), port)
        await until(lambda: port.faults >= 3)
    assert loop_faults == []
    assert len(caplog.records) == 1, "logged once, then only counted"


async def test_a_send_the_network_refuses_is_counted_and_not_heard(rig: EdgeRig) -> None:
    port = rig.open(("255.255.255.255", 9))  # broadcast needs a permission that a call does not have
    port.stream.playout.enqueue(ITEM, b"a" * 320)
    port.start()
    await until(lambda: port.send_errors >= 3)
    assert port.stream.playout.ledger(ITEM) == ItemHeard(ITEM, 0, 40)


async def test_nobody_listening_at_the_other_end_is_no_error(rig: EdgeRig) -> None:
    phone = rig.telephone()
    port = rig.open(phone.address)
    port.start()
    phone.close()
    await until(lambda: port.stream.sent.packets >= 5)
    assert port.faults == 0


async def test_a_re_invite_with_another_ptime_changes_the_pace(rig: EdgeRig) -> None:
    phone = rig.telephone()
    port = rig.open(phone.address)
    port.start()
    port.stream.update(agreed(phone.address, ptime_ms=60), 1.0)
    await until(lambda: port._paced is not None and port._paced.frame_ms == 60)
    phone.heard()
    packets = await phone.hear(3)
    assert {len(packet.payload) for packet in packets[1:]} == {480}


async def test_after_close_nothing_is_sent_or_heard_and_the_sockets_are_gone(rig: EdgeRig) -> None:
    phone = rig.telephone()
    port = rig.open(phone.address)
    port.start()
    await phone.hear(1)
    port.close()
    sent = port.stream.sent.packets
    assert (port.pair.rtp.fileno(), port.pair.rtcp.fileno()) == (-1, -1)
    port.close()
    port.start()
    assert port.handle_timeout(time.monotonic() + 3.0) is None
    heard = len(rig.ears[port].audio)
    await asyncio.sleep(0.05)
    assert port.stream.sent.packets == sent
    assert len(rig.ears[port].audio) == heard < 8000
    assert port.is_closed
    assert rig.engine.pool.in_use == 0


async def test_a_call_may_close_its_port_from_within_its_own_callback(rig: EdgeRig) -> None:
    phone = rig.telephone()
    heard: list[bytes] = []

    def hang_up(chunk: bytes) -> None:
        heard.append(chunk)
        port.close()

    port = rig.open(phone.address, on_audio=hang_up)
    port.start()
    for _ in range(3):
        phone.send(phone.caller.audio(), port)
    await until(lambda: port.is_closed)
    await asyncio.sleep(0.03)
    assert len(heard) == 1
    assert port.faults == 0


async def test_a_call_whose_peer_turns_out_to_speak_the_other_ip_version_changes_sockets() -> None:
    engine = MediaEngine(["127.0.0.1", "::1"], range(42_200, 42_204), ids=IdSource(5))
    ear = Ear()
    port = engine.open(agreed(None), on_audio=ear.hear, on_digit=ear.digits.append)
    assert not port.speak_ip_of("192.0.2.1")
    old = port.pair
    assert port.speak_ip_of("2001:db8::1")
    assert (port.pair.is_ipv6, old.rtp.fileno(), engine.pool.in_use) == (True, -1, 0)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"early", ("::1", port.local_port))
        await until(lambda: port.early_datagrams == 1)
    port.start()
    with pytest.raises(LocalProtocolError):
        port.speak_ip_of("192.0.2.1")
    port.close()
    assert engine.open_ports == 0
    engine.close()


async def test_a_version_without_ports_leaves_the_call_as_it_was(rig: EdgeRig) -> None:
    port = rig.open(None)
    with pytest.raises(CapacityError):
        port.speak_ip_of("2001:db8::1")
    assert not port.pair.is_ipv6
    phone = rig.telephone()
    phone.send(phone.caller.audio(), port)
    await until(lambda: port.early_datagrams == 1)
