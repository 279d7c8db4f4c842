"""The measuring side itself, against SIPp as an answering side that echoes RTP: what is said must be heard again."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.measure import g711, speech
from gateway.measure.processes import ChildProcess
from tests.support.audio import expect_quiet, expect_recording, expect_tone
from tests.support.baresip import Baresip
from tests.support.capture import Capture
from tests.support.network import free_sip_port, free_tcp_port, free_udp_port, loopback_address
from tests.support.pcap import read_pcap, rtp_flows, sip_messages
from tests.support.peers import require
from tests.support.sipp import Sipp

pytestmark = pytest.mark.interop

PHRASE = speech.synthesise(1.0, seed=51)


@pytest.fixture
def echo_side(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """SIPp as the called party, echoing RTP; its address and port."""
    require("sipp")
    address = loopback_address()
    port = free_sip_port(address)
    words = ["-i", address, "-mi", address, "-p", str(port), "-bind_local", "-rtp_echo", "-nostdin", "-timeout", "60"]
    with ChildProcess("answering-sipp", ["sipp", "-sn", "uas", *words], tmp_path):
        yield address, port


def test_what_sipp_streams_is_in_the_capture_in_both_directions(echo_side: tuple[str, int], tmp_path: Path) -> None:
    require("tcpdump")
    address = loopback_address()
    voice = np.concatenate([speech.silence(0.5), PHRASE, speech.silence(1.0)])
    with Capture(tmp_path, address) as capture:
        phone = Sipp(
            "conversation_pcmu",
            tmp_path / "sipp",
            address=address,
            target=echo_side,
            audio={"voice": g711.encode(voice)},
            options=["-d", "2600"],
        )
        try:
            phone.expect_success()
        finally:
            phone.stop()
    datagrams = capture.datagrams()
    assert [text.split(" ", 1)[0] for _, text in sip_messages(datagrams) if not text.startswith("SIP")] == [
        "INVITE",
        "ACK",
        "BYE",
    ]
    flows = rtp_flows(datagrams)
    assert {flow.source[0] for flow in flows} == {address, echo_side[0]}
    for flow in flows:
        heard = flow.samples()
        assert expect_recording(heard, PHRASE, likeness=0.98) == pytest.approx(0.5, abs=0.001)
        expect_quiet(heard, 1.6, 2.4)
        with pytest.raises(AssertionError, match="likeness"):
            expect_recording(heard, speech.synthesise(1.0, seed=52), likeness=0.7)
        with pytest.raises(AssertionError, match="440 Hz"):
            expect_tone(heard, 440, at_least_s=0.3)


def test_baresip_plays_and_records(echo_side: tuple[str, int], tmp_path: Path) -> None:
    require("baresip")
    voice = np.concatenate([speech.silence(0.5), PHRASE, speech.silence(10)])
    telephone = Baresip(tmp_path / "phone", address=loopback_address(), codec="PCMU", voice=voice)
    try:
        telephone.dial(f"sip:anybody@{echo_side[0]}:{echo_side[1]}")
        telephone.wait_for_event("CALL_ESTABLISHED")
        with pytest.raises(AssertionError, match="said only"):
            telephone.wait_for_event("CALL_CLOSED", timeout_s=2.5)
        telephone.hang_up()
        telephone.wait_for(lambda event: event.get("type") == "CALL_CLOSED" or event.get("token") == "hangup")
    finally:
        telephone.stop()
    assert expect_recording(telephone.said(), PHRASE, likeness=0.99) == pytest.approx(0.5, abs=0.1)
    expect_recording(telephone.heard(), PHRASE, likeness=0.95)


def test_a_scenario_that_does_not_go_as_written_is_a_failure(tmp_path: Path) -> None:
    require("sipp")
    nobody = loopback_address()
    phone = Sipp("options", tmp_path, address=loopback_address(), target=(nobody, free_sip_port(nobody)), timeout_s=2)
    try:
        with pytest.raises(AssertionError, match="SIPp ended with"):
            phone.expect_success()
    finally:
        phone.stop()


def test_a_missing_peer_fails_on_ci_and_is_skipped_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"peers\.sh"):
        require("no-such-telephone")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no-such-telephone"):
        require("no-such-telephone")


def test_a_capture_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    rtp = struct.pack(">BBHII", 0x80, 0, 1, 160, 7) + g711.encode(speech.tone(440, 0.02))
    udp = struct.pack(">HHHH", 4000, 4002, 8 + len(rtp), 0) + rtp
    ip = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([127, 0, 0, 1]), bytes([127, 0, 0, 2])
    )
    frame = bytes(12) + b"\x08\x00" + ip + udp
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    record = struct.pack("<IIII", 100, 500, len(frame), len(frame)) + frame
    (tmp_path / "c.pcap").write_bytes(head + record + record[:40])
    (datagram,) = read_pcap(tmp_path / "c.pcap")
    assert (datagram.at_ns, datagram.source, datagram.destination) == (
        100_000_500_000,
        ("127.0.0.1", 4000),
        ("127.0.0.2", 4002),
    )
    (flow,) = rtp_flows([datagram])
    assert (flow.ssrc, len(flow.samples())) == (7, 800)
    assert read_pcap_of_nothing(tmp_path) == []


def read_pcap_of_nothing(directory: Path) -> list[object]:
    (directory / "empty.pcap").write_bytes(b"")
    return list(read_pcap(directory / "empty.pcap"))


def test_ports_are_free() -> None:
    assert free_tcp_port() > 0
    assert free_udp_port() > 0
