from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from gateway.demo.recording import heard_samples, write_stereo
from gateway.demo.rtp_leg import Heard, Sent
from gateway.measure import g711, speech
from gateway.measure.packet_log import ReceivedPacket


def heard(frames: list[bytes], *, at: float, first_timestamp: int, skip: int | None = None) -> list[Heard]:
    packets = []
    for number, payload in enumerate(frames):
        if number != skip:
            timestamp = (first_timestamp + number * 160) & 0xFFFFFFFF
            packets.append(Heard(at + number * 0.02, ReceivedPacket(0, number, timestamp, 0, 1, payload)))
    return packets


def test_a_lost_packet_is_a_hole_and_not_a_shift() -> None:
    tone = speech.tone(440, 0.2)
    frames = g711.frames(g711.encode(tone))
    whole = heard_samples(heard(frames, at=0.0, first_timestamp=0xFFFFFF00), "PCMU")
    holed = heard_samples(heard(frames, at=0.0, first_timestamp=0xFFFFFF00, skip=3), "PCMU")
    assert len(whole) == len(holed) == 10 * 160
    assert not holed[480:640].any()
    assert np.array_equal(holed[640:], whole[640:])


def test_both_directions_lie_side_by_side_as_they_happened(tmp_path: Path) -> None:
    said = [
        Sent(10.0 + number * 0.02, payload)
        for number, payload in enumerate(g711.frames(g711.encode(speech.tone(440, 0.1))))
    ]
    answer = g711.frames(g711.encode(speech.tone(880, 0.1)))
    path = tmp_path / "both.wav"
    write_stereo(path, said, heard(answer, at=10.05, first_timestamp=7), "PCMU")
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        stereo = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    assert stereo[:800, 0].any()
    assert not stereo[:400, 1].any()
    assert stereo[400:1200, 1].any()
