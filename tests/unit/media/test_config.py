"""What SDP agreed on, as the media core reads it."""

from __future__ import annotations

import pytest

from gateway.media.config import StreamConfig


def config(**changes: object) -> StreamConfig:
    values = {"codec": "PCMU", "payload_type": 0, "telephone_event_payload_type": 101, "remote": ("192.0.2.7", 4000)}
    return StreamConfig(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ptime_ms", "frame_bytes"),
    [(10, 80), (20, 160), (25, 160), (30, 240), (40, 320), (60, 480), (5, 80), (0, 80), (200, 480)],
)
def test_the_frame_is_the_nearest_multiple_of_10_ms_not_above_ptime(ptime_ms: int, frame_bytes: int) -> None:
    assert config(ptime_ms=ptime_ms).frame_bytes == frame_bytes


@pytest.mark.parametrize(
    ("direction", "may_send", "may_receive"),
    [("sendrecv", True, True), ("sendonly", True, False), ("recvonly", False, True), ("inactive", False, False)],
)
def test_the_direction_is_ours(direction: str, may_send: bool, may_receive: bool) -> None:
    agreed = config(direction=direction)
    assert (agreed.may_send, agreed.may_receive) == (may_send, may_receive)


def test_an_ipv6_address_is_written_as_packets_write_it() -> None:
    assert config(remote=("2001:DB8:0:0::7", 4000)).announced == ("2001:db8::7", 4000)


@pytest.mark.parametrize(
    "remote",
    [None, ("phone.example.net", 4000), ("0.0.0.0", 4000), ("::", 4000), ("224.0.1.1", 4000), ("192.0.2.7", 0)],
)
def test_what_cannot_be_sent_to_is_no_announced_address(remote: tuple[str, int] | None) -> None:
    assert config(remote=remote).announced is None


@pytest.mark.parametrize(
    ("host", "written"),
    [(None, None), ("2001:DB8:0:0::7", "2001:db8::7"), ("192.0.2.1", "192.0.2.1"), ("sip.example.net", None)],
)
def test_the_host_of_the_signalling_is_written_as_packets_write_it(host: str | None, written: str | None) -> None:
    assert config(signalling_host=host).signalling_address == written


def test_the_law_goes_with_the_codec() -> None:
    assert config(codec="PCMA").law.silence == 0xD5
