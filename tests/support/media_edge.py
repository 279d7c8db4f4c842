"""A media engine on loopback and a telephone of plain sockets, for tests of the edge."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

from gateway.base.ids import IdSource
from gateway.media.config import StreamConfig
from gateway.media.engine import MediaEngine
from gateway.media.port import MediaPort
from gateway.media.rtp import RtpPacket, parse_packet
from tests.support.network import loopback_address
from tests.support.rtp_caller import Ear, RtpCaller
from tests.support.waiting import until


class Telephone:
    """A UDP socket with a caller's packets."""

    def __init__(self, address: str) -> None:
        self.caller = RtpCaller()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.setblocking(False)
        self.address: tuple[str, int] = self.socket.getsockname()

    def send(self, packet: bytes, to: MediaPort, *, rtcp: bool = False) -> None:
        """One datagram to the gateway."""
        pair = to.pair
        self.socket.sendto(packet, (pair.rtcp if rtcp else pair.rtp).getsockname())

    def heard(self) -> list[RtpPacket]:
        """Everything that has arrived."""
        packets = []
        with contextlib.suppress(BlockingIOError):
            while True:
                packets.append(parse_packet(self.socket.recv(2048)))
        return packets

    async def hear(self, packets: int) -> list[RtpPacket]:
        """Wait for that many packets."""
        collected: list[RtpPacket] = []

        def has_enough() -> bool:
            collected.extend(self.heard())
            return len(collected) >= packets

        await until(has_enough)
        return collected

    def close(self) -> None:
        self.socket.close()


class EdgeRig:
    """An engine of few ports, telephones, and what each call heard."""

    def __init__(self, *, pairs: int = 4, quarantine_s: float = 2.0) -> None:
        self.address = loopback_address()
        self.engine = MediaEngine(
            self.address, range(42_000, 42_000 + 2 * pairs), ids=IdSource(5), quarantine_s=quarantine_s
        )
        self.telephones: list[Telephone] = []
        self.ears: dict[MediaPort, Ear] = {}

    def telephone(self) -> Telephone:
        self.telephones.append(Telephone(self.address))
        return self.telephones[-1]

    def open(
        self, remote: tuple[str, int] | None, on_audio: Callable[[bytes], None] | None = None, **changes: object
    ) -> MediaPort:
        """A call that has not started yet."""
        ear = Ear()
        port = self.engine.open(agreed(remote, **changes), on_audio=on_audio or ear.hear, on_digit=ear.digits.append)
        self.ears[port] = ear
        return port

    def close(self) -> None:
        self.engine.close()
        for telephone in self.telephones:
            telephone.close()


def agreed(remote: tuple[str, int] | None, **changes: object) -> StreamConfig:
    """PCMU with telephone-events at 101."""
    values = {"codec": "PCMU", "payload_type": 0, "telephone_event_payload_type": 101, "remote": remote}
    return StreamConfig(**(values | changes))  # type: ignore[arg-type]


@contextlib.contextmanager
def edge_rig(**settings: float) -> Iterator[EdgeRig]:
    """A rig that is closed whatever happens."""
    rig = EdgeRig(**settings)  # type: ignore[arg-type]
    try:
        yield rig
    finally:
        rig.close()
