"""The small values a settings file is made of: listening addresses, port ranges, networks, secrets.

Each parser takes what the file says and raises :func:`wrong` with what is wrong and what to write instead. The value
itself is never part of the message: whoever reports the fault knows whether it may be shown.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic_core import PydanticCustomError

from gateway.base.redact import Secret

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

FAULT_TYPE = "setting"
"""The pydantic error type of faults worded here."""

SIP_SCHEMES = ("udp", "tcp")
LATER_SIP_SCHEMES = ("tls", "ws", "wss")
SIP_PORT = 5060
HIGHEST_PORT = 65_535

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63}){0,31}\.?")


def wrong(problem: str, remedy: str) -> PydanticCustomError:
    """A fault: "<value> ``problem``; ``remedy``"."""
    return PydanticCustomError(FAULT_TYPE, "{problem}; {remedy}", {"problem": problem, "remedy": remedy})


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where something listens."""

    scheme: str
    """``udp`` or ``tcp`` for SIP, ``http`` for control."""
    host: str
    """An IP address, without brackets."""
    port: int
    """0 lets the system choose a free port."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.scheme == "http" else f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports for media, both ends included. RTP takes the even ones, RTCP the odd one above (RFC 3550 §11)."""

    first: int
    last: int

    @property
    def pairs(self) -> int:
        """How many RTP/RTCP pairs fit, which is how many calls."""
        return (self.last - self.first + 1) // 2

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def parse_sip_listen(value: object) -> ListenAddress:
    """``udp://0.0.0.0:5060``, ``tcp://[::]:5060``; without a port it is 5060."""
    if isinstance(value, ListenAddress):
        return value
    example = "write for example udp://0.0.0.0:5060"
    parts = _split_url(value, example)
    if parts.scheme in LATER_SIP_SCHEMES:
        raise wrong(f"uses {parts.scheme}, which is not in this version", example)
    if parts.scheme not in SIP_SCHEMES or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise wrong("is not a SIP listening address", example)
    return ListenAddress(parts.scheme, _bindable_host(parts, example), _port_of(parts, example, SIP_PORT))


def parse_control_listen(value: object) -> ListenAddress:
    """``127.0.0.1:8080`` or ``[::1]:8080``."""
    if isinstance(value, ListenAddress):
        return value
    example = "write for example 127.0.0.1:8080 or [::1]:8080"
    if not isinstance(value, str) or "/" in value:
        raise wrong("is not <address>:<port>", example)
    parts = _split_url(f"http://{value}", example)
    return ListenAddress("http", _bindable_host(parts, example), _port_of(parts, example, None))


def parse_port_range(value: object) -> PortRange:
    """``20000-29999``."""
    if isinstance(value, PortRange):
        return value
    match = re.fullmatch(r"([0-9]{1,5})\s*-\s*([0-9]{1,5})", value.strip()) if isinstance(value, str) else None
    if match is None:
        raise wrong("is not a range of ports", "write for example 20000-29999")
    first, last = int(match[1]), int(match[2])
    if first < 1024 or last > HIGHEST_PORT:
        raise wrong("leaves the ports 1024-65535", "write for example 20000-29999")
    if first % 2:
        raise wrong("starts at an odd port, and RTP uses even ones", f"write {first + 1}-{max(last, first + 2)}")
    if last <= first:
        raise wrong("holds no pair of ports", f"write {first}-{min(first + 9999, HIGHEST_PORT)}")
    return PortRange(first, last)


def parse_network(value: object) -> Network:
    """``198.51.100.0/24``, or an address, which is the network of itself."""
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    example = "write an address or network such as 198.51.100.0/24"
    if not isinstance(value, str):
        raise wrong("is not a network", example)
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        pass
    try:
        outer = ipaddress.ip_network(value, strict=False)
    except ValueError:
        if _is_host_name(value):
            raise wrong("is not a network, and names are not looked up", example) from None
        raise wrong("is not a network", example) from None
    raise wrong("is an address inside a network", f"write the network {outer} or the address without /") from None


def parse_media_address(value: object) -> str:
    """The IP address that SDP tells callers to send audio to."""
    address = _parse_ip(value)
    if address is None or address.is_unspecified or address.is_multicast:
        raise wrong("is not an IP address that callers can send to", "write for example 203.0.113.10")
    return str(address)


def parse_advertised_host(value: object) -> str:
    """The IP address or host name that goes into Via and Contact."""
    address = _parse_ip(value)
    if address is not None and not (address.is_unspecified or address.is_multicast):
        return str(address)
    if address is None and isinstance(value, str) and _is_host_name(value):
        return value
    raise wrong("is not an address that peers can reach", "write an address or host name alone, such as 203.0.113.10")


def parse_provider_url(value: object) -> str:
    """A WebSocket URL: encrypted, unless the server is on this very machine."""
    example = "write for example wss://api.inworld.ai/api/v1/realtime/session"
    parts = _split_url(value, example)
    if parts.scheme not in {"ws", "wss"}:
        raise wrong("is not a WebSocket URL", example)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise wrong("has credentials or a fragment in it", "write the URL without them; the key goes into api_key")
    host = parts.hostname or ""
    _port_of(parts, example, 443)
    if parts.scheme == "ws" and not is_loopback(host):
        raise wrong("would send calls and the key in the clear", "write wss://; ws:// is for 127.0.0.1 only")
    return str(value)


def parse_secret(value: object) -> Secret:
    """A credential: printable ASCII, or empty."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise wrong("is not text", "put it in quotes, or better write ${NAME} or ${file:PATH}")
    text = value.strip()
    if not (text.isascii() and (text.isprintable())) or " " in text:
        hint = "write the key alone" if re.match(r"(?i)(basic|bearer)\s", text) else "copy the key again"
        raise wrong("has spaces or unprintable characters in it", hint)
    return Secret(text)


def is_loopback(host: str) -> bool:
    """True for an address of this machine only, and for the name ``localhost``."""
    address = _parse_ip(host)
    return address.is_loopback if address is not None else host.lower() == "localhost"


def _parse_ip(value: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not isinstance(value, str):
        return None
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def _is_host_name(value: str) -> bool:
    return _HOST_NAME.fullmatch(value) is not None and not value.rstrip(".").rpartition(".")[2].isdigit()


def _split_url(value: object, example: str) -> SplitResult:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        parts = None
    if parts is None or not parts.hostname or any(character.isspace() for character in str(value)):
        raise wrong("is not a URL with a host", example)
    return parts


def _bindable_host(parts: SplitResult, example: str) -> str:
    address = _parse_ip(parts.hostname)
    if address is None or parts.username is not None:
        raise wrong("does not name an IP address to listen on", example)
    return str(address)


def _port_of(parts: SplitResult, example: str, default: int | None) -> int:
    try:
        port = parts.port
    except ValueError:
        port = -1
    if port is None:
        port = default
    if port is None or port < 0:
        raise wrong("has no port of 0-65535", example)
    return port
