"""A SIP telephone of a few lines on a plain UDP socket, for what finished phones never do: say the same thing twice."""

from __future__ import annotations

import secrets
import socket
import time

from tests.support.network import loopback_address


class SipPhone:
    """Writes requests by hand and collects whatever comes back."""

    def __init__(self, gateway: tuple[str, int]) -> None:
        self.address = loopback_address()
        self._gateway = gateway
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, 0))
        self._port = self._socket.getsockname()[1]
        self._call_id = secrets.token_hex(8)
        self._tag = secrets.token_hex(4)
        self.received: list[str] = []

    def request(self, method: str, *, cseq: int, branch: str, to_tag: str = "", uri: str = "", body: str = "") -> bytes:
        """A request of its one call."""
        target = uri or f"sip:agent@{self._gateway[0]}"
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address}:{self._port};branch=z9hG4bK{branch};rport",
            f"From: <sip:caller@{self.address}>;tag={self._tag}",
            f"To: <sip:agent@{self._gateway[0]}>{f';tag={to_tag}' if to_tag else ''}",
            f"Call-ID: {self._call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:caller@{self.address}:{self._port}>",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        return "\r\n".join(lines).encode()

    def offer(self, rtp_port: int) -> str:
        """A plain G.711 offer."""
        lines = ["v=0", f"o=- 1 1 IN IP4 {self.address}", "s=-", f"c=IN IP4 {self.address}", "t=0 0"]
        return "\r\n".join([*lines, f"m=audio {rtp_port} RTP/AVP 0 8", "a=sendrecv", ""])

    def send(self, message: bytes) -> None:
        self._socket.sendto(message, self._gateway)

    def collect(self, duration_s: float) -> list[str]:
        """Everything that comes within some time."""
        deadline = time.monotonic() + duration_s
        collected = []
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                collected.append(self._socket.recv(65535).decode())
            except TimeoutError:
                break
        self.received += collected
        return collected

    def wait_for_status(self, status: int, cseq: str, timeout_s: float = 15.0) -> str:
        """The first response with a status to a request."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for message in self.collect(0.1):
                if message.startswith(f"SIP/2.0 {status} ") and header_of(message, "CSeq") == cseq:
                    return message
        raise AssertionError(f"no {status} to {cseq} within {timeout_s:g} s; received: {self.received}")

    def close(self) -> None:
        self._socket.close()


def header_of(message: str, name: str) -> str:
    """The first header of a name."""
    for line in message.split("\r\n")[1:]:
        field, _, value = line.partition(":")
        if field.strip().lower() == name.lower():
            return value.strip()
    raise AssertionError(f"no {name} in:\n{message}")


def to_tag_of(message: str) -> str:
    return header_of(message, "To").partition(";tag=")[2].partition(";")[0]
