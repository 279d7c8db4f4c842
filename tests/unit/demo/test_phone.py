from __future__ import annotations

import pytest

from gateway.demo.phone import Phone
from gateway.demo.rtp_leg import Heard
from gateway.measure.packet_log import ReceivedPacket
from tests.support.stage import Stage


def heard(payload: bytes) -> Heard:
    return Heard(0.0, ReceivedPacket(0, 1, 160, 0, 1, payload))


def test_silence_is_no_voice() -> None:
    assert not Phone.is_voice(heard(b"\xff" * 160))
    assert Phone.is_voice(heard(b"\xff" * 159 + b"\x10"))


async def test_it_calls_hears_is_heard_and_notices_being_hung_up_on() -> None:
    async with Stage() as stage:
        phone = stage.phone
        await stage.dial()
        assert 0 < phone.answered_at - phone.dialled_at < 5
        await phone.wait_until(lambda: any(map(phone.is_voice, phone.heard)), 5)
        phone.say([bytes([0x10, 0x90] * 80)] * 5)
        await phone.wait_until(lambda: not phone.is_speaking, 5)
        assert phone.last_voice_before(phone.sent[-1].at + 1) <= phone.sent[-1].at
        await stage.gateway.stop()
        await phone.wait_until(lambda: phone.ended_at is not None, 5)


async def test_being_refused_says_why() -> None:
    async with Stage(routes=[{"to": "somebody", "agent": "demo"}]) as stage:
        with pytest.raises(RuntimeError, match="404"):
            await stage.dial()


async def test_waiting_for_what_never_happens_ends() -> None:
    phone = Phone("127.0.0.1")
    with pytest.raises(TimeoutError):
        await phone.wait_until(lambda: False, 0.02)
    await phone.stop()
