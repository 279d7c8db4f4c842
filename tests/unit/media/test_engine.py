"""The media of all calls together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from gateway.base.errors import CapacityError
from gateway.media.engine import MediaEngine
from tests.support.media_edge import EdgeRig, agreed, edge_rig
from tests.support.rtp_caller import Ear, speech
from tests.support.waiting import until

ITEM = ("resp", "item")


@pytest.fixture
def rig() -> Iterator[EdgeRig]:
    with edge_rig() as rig:
        yield rig


async def test_each_call_gets_a_port_pair_of_its_own(rig: EdgeRig) -> None:
    ports = [rig.open(None) for _ in range(4)]
    assert {port.local_port for port in ports} == {42_000, 42_002, 42_004, 42_006}
    assert rig.engine.open_ports == 4


async def test_a_full_engine_refuses_and_leaks_nothing(rig: EdgeRig) -> None:
    ports = [rig.open(None) for _ in range(4)]
    with pytest.raises(CapacityError):
        rig.open(None)
    assert rig.engine.open_ports == 4
    for port in ports:
        port.close()
    assert (rig.engine.open_ports, rig.engine.pool.in_use) == (0, 0)


async def test_after_many_calls_nothing_is_left() -> None:
    with edge_rig(pairs=3, quarantine_s=0.0) as rig:
        for _ in range(200):
            port = rig.open(None)
            port.start()
            port.close()
        assert (rig.engine.open_ports, rig.engine.pool.in_use, len(rig.engine.pacer)) == (0, 0, 0)
        rig.engine.close()
        assert "media-pacer" not in {thread.name for thread in threading.enumerate()}


async def test_closing_the_engine_closes_every_call_and_ends_the_thread(rig: EdgeRig) -> None:
    phone = rig.telephone()
    ports = [rig.open(phone.address) for _ in range(3)]
    for port in ports:
        port.start()
    await phone.hear(3)
    rig.engine.close()
    rig.engine.close()
    assert all(port.is_closed for port in ports)
    assert not rig.engine.pacer.is_running
    assert rig.engine.open_ports == 0


async def test_an_engine_that_never_had_a_call_closes_too() -> None:
    MediaEngine("127.0.0.1", range(42_000, 42_010)).close()


async def test_housekeeping_fills_the_silence_of_every_call(rig: EdgeRig) -> None:
    ports = [rig.open(None) for _ in range(2)]
    for port in ports:
        port.start()
    await until(lambda: all(len(rig.ears[port].audio) >= 800 for port in ports))
    assert set(rig.ears[ports[0]].audio) == {0xFF}


async def test_a_gap_is_given_up_in_its_time_and_not_at_the_next_round(rig: EdgeRig) -> None:
    phone = rig.telephone()
    port = rig.open(phone.address, reorder_ms=5)
    port.start()
    phone.send(phone.caller.audio(), port)
    phone.caller.audio()
    phone.send(phone.caller.audio(), port)
    await until(lambda: len(rig.ears[port].audio) >= 480)
    assert rig.ears[port].audio[320:480] == speech(50_320, 160)
    assert port.stream.statistics.given_up == 1


async def test_packets_that_waited_while_the_loop_stood_still_are_not_taken_for_silence(rig: EdgeRig) -> None:
    phone = rig.telephone()
    port = rig.open(phone.address)
    port.start()
    phone.send(phone.caller.audio(), port)
    await until(lambda: len(rig.ears[port].audio) == 160)
    for _ in range(20):
        phone.send(phone.caller.audio(), port)
    time.sleep(0.4)  # noqa: ASYNC251 - the stall under test
    await until(lambda: port.stream.statistics.packets == 21)
    assert rig.ears[port].audio[: 21 * 160] == speech(50_000, 21 * 160)


async def test_a_drained_playout_is_told_in_the_loops_thread(rig: EdgeRig) -> None:
    phone = rig.telephone()
    threads: list[str] = []
    port = rig.engine.open(
        agreed(phone.address),
        on_audio=lambda _: None,
        on_digit=lambda _: None,
        on_drained=lambda: threads.append(threading.current_thread().name),
    )
    port.stream.playout.enqueue(ITEM, b"a" * 1600)
    port.start()
    await until(lambda: bool(threads))
    assert threads == [threading.current_thread().name]
    assert port.stream.playout.is_drained


async def test_the_loop_is_left_alone_while_there_is_no_call(rig: EdgeRig) -> None:
    rig.open(None).close()
    await asyncio.sleep(0)
    assert rig.engine._timer is None


async def test_each_call_gets_sockets_of_its_ip_version_and_the_same_ports_serve_both() -> None:
    engine = MediaEngine(["127.0.0.1", "::1"], range(42_100, 42_102))
    ear = Ear()
    given = {"on_audio": ear.hear, "on_digit": ear.digits.append}
    usual, six = engine.open(agreed(None), **given), engine.open(agreed(None), **given, is_ipv6=True)
    assert [port.pair.rtp.getsockname()[0] for port in (usual, six)] == ["127.0.0.1", "::1"]
    assert usual.local_port == six.local_port
    engine.close()


async def test_an_ip_version_that_is_not_spoken_is_refused_with_the_remedy(rig: EdgeRig) -> None:
    ear = Ear()
    with pytest.raises(CapacityError, match=r"IPv6.*sip\.listen"):
        rig.engine.open(agreed(None), on_audio=ear.hear, on_digit=ear.digits.append, is_ipv6=True)
    assert (rig.engine.open_ports, rig.engine.pool.in_use) == (0, 0)
