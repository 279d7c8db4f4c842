"""The small values a settings file is made of: listening addresses, port ranges, networks, secrets.

Each parser takes what the file says and raises :func:`wrong` with what is wrong and what to write instead. The value
itself is never part of the message: whoever reports the fault knows whether it may be shown.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic_core import PydanticCustomError

from gateway.base.redact import Secret
from gateway.sip.flow import TRANSPORTS, default_port
from gateway.sip.grammar import SipParseError
from gateway.sip.uri import SipUri

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

FAULT_TYPE = "setting"
"""The pydantic error type of faults worded here."""

SIP_PORTS = {transport: default_port(transport) for transport in TRANSPORTS}
"""The transports of SIP with the ports they have when none is written."""
TLS_SCHEMES = frozenset({"tls", "wss"})
DNS_PORT = 53
HIGHEST_PORT = 65_535

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63}){0,31}\.?")


def wrong(problem: str, remedy: str) -> PydanticCustomError:
    """A fault: "<value> ``problem``; ``remedy``"."""
    return PydanticCustomError(FAULT_TYPE, "{problem}; {remedy}", {"problem": problem, "remedy": remedy})


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where something listens."""

    scheme: str
    """A transport of SIP, or ``http`` for control."""
    host: str
    """An IP address, without brackets."""
    port: int
    """0 lets the system choose a free port."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.scheme == "http" else f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Advertise:
    """What goes into Via and Contact instead of the local address, for all transports or for each."""

    host: str | None = None
    """For the transports that have none of their own."""
    own: tuple[tuple[str, str, int | None], ...] = ()
    """(transport, host, port or None for the local one)."""

    def find(self, transport: str) -> tuple[str, int | None] | None:
        """Host, and port if it differs from the local one; None when the transport is not advertised."""
        for name, host, port in self.own:
            if name == transport:
                return host, port
        return None if self.host is None else (self.host, None)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that is named, each once."""
        named = ([] if self.host is None else [self.host]) + [host for _, host, _ in self.own]
        return tuple(dict.fromkeys(named))

    def __str__(self) -> str:
        if self.host is not None:
            return self.host
        return ", ".join(f"{name}: {host}" + (f":{port}" if port else "") for name, host, port in self.own)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """An address and port of another machine."""

    host: str
    """An IP address, without brackets."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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
    """``udp://0.0.0.0:5060``, ``tls://[::]:5061``; without a port it is the transport's own."""
    if isinstance(value, ListenAddress):
        return value
    example = "write for example udp://0.0.0.0:5060"
    parts = _split_url(value, example)
    if parts.scheme not in SIP_PORTS or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise wrong("is not a SIP listening address", example)
    return ListenAddress(
        parts.scheme, _bindable_host(parts, example), _port_of(parts, example, SIP_PORTS[parts.scheme])
    )


def check_web_path(value: str) -> str:
    """``/`` or ``/sip``."""
    if re.fullmatch(r"/[A-Za-z0-9._~/-]*", value) is None:
        raise wrong("is not the path of a URL", "write for example / or /sip")
    return value


def check_web_origin(value: str) -> str:
    """``https://phone.example.net``, as browsers write it in Origin."""
    parts = _split_url(value, "write for example https://phone.example.net")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise wrong("is not the origin of a web page", "write for example https://phone.example.net")
    return value.lower()


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


def parse_advertise(value: object) -> Advertise:
    """``203.0.113.10``, or a mapping of transports to ``HOST[:PORT]``."""
    if isinstance(value, Advertise):
        return value
    if not isinstance(value, Mapping):
        return Advertise(parse_advertised_host(value))
    own = []
    for name, text in value.items():
        if name not in SIP_PORTS:
            raise wrong(f"has {name}, which is not a transport", f"use {', '.join(SIP_PORTS)}")
        host, port = _split_host_port(text)
        if port == 0:
            raise wrong(f"has port 0 for {name}", "write the port that peers can reach, or none")
        own.append((str(name), parse_advertised_host(host), port))
    if not own:
        raise wrong("names no transport", "write an address, or {udp: ADDRESS, tls: ADDRESS:PORT}")
    return Advertise(None, tuple(own))


def parse_name_server(value: object) -> ServerAddress:
    """``192.0.2.53``, ``192.0.2.53:5353``, ``[2001:db8::53]:53``."""
    if isinstance(value, ServerAddress):
        return value
    host, port = _split_host_port(value)
    address = _parse_ip(host)
    if address is None or address.is_unspecified or address.is_multicast or port == 0:
        raise wrong("is not the address of a name server", "write for example 192.0.2.53 or 192.0.2.53:53")
    return ServerAddress(str(address), DNS_PORT if port is None else port)


def parse_target(value: object) -> SipUri:
    """``sip:sip.example.net;transport=tls``: where requests are sent. No user: whom to call comes with the call."""
    if isinstance(value, SipUri):
        return value
    example = "write for example sip:sip.example.net;transport=tls"
    if not isinstance(value, str):
        raise wrong("is not a SIP address", example)
    try:
        uri = SipUri.parse(value)
    except SipParseError:
        raise wrong("is not a SIP address", example) from None
    if uri.user is not None or uri.headers is not None:
        raise wrong("names a user or headers", "write the host alone; whom to call comes with each call")
    if uri.transport is not None and uri.transport not in SIP_PORTS:
        raise wrong("uses a transport that is not known", "write transport=udp, tcp or tls")
    if uri.port == 0 or (_parse_ip(uri.host) is None and not _is_host_name(uri.host)):
        raise wrong("names no host that can be reached", example)
    return uri


def parse_password(value: object) -> Secret:
    """A password for digest: any text of one line."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise wrong("is not text", "put it in quotes, or better write ${NAME} or ${file:PATH}")
    if not value or not value.isprintable():
        raise wrong("is empty or has unprintable characters in it", "copy it again")
    return Secret(value)


def parse_token(value: object) -> Secret:
    """A bearer token (RFC 6750 §2.1), long enough not to be guessed; empty, it switches its key off."""
    token = parse_secret(value)
    if token and not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,512}", token.reveal()):
        remedy = "write 16 or more letters, digits and any of . _ ~ + / = -; openssl rand -hex 24 makes one"
        raise wrong("is not fit for a bearer token", remedy)
    return token


def check_sip_user(value: str) -> str:
    """The user part of a SIP address, or a digest user name."""
    if not value or len(value) > 128 or not value.isprintable() or any(one in value for one in ' "<>@\\'):
        raise wrong("is not a user name", "write the part before the @, without spaces and quotes")
    return value


def check_account_name(value: str) -> str:
    """The user that a phone registers as: a number or a word."""
    if not re.fullmatch(r"[A-Za-z0-9_.+-]{1,64}", value):
        raise wrong("is not the name of an account", 'use letters, digits, "+", ".", "_" and "-"')
    return value


def check_header_pattern(value: str) -> str:
    """What a header's value is compared with."""
    if not value or not value.isprintable():
        raise wrong("is not text of one line", 'write what the header must be; "*" stands for any characters')
    return value


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


def _split_host_port(value: object) -> tuple[object, int | None]:
    """``HOST``, ``HOST:PORT``, ``[IPV6]:PORT`` or a bare IPv6 address."""
    if not isinstance(value, str) or _parse_ip(value) is not None:
        return value, None
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", value.strip())
    if found is None or int(found[3] or 0) > HIGHEST_PORT:
        raise wrong("is not an address with or without a port", "write for example 203.0.113.10:5060")
    return found[1] or found[2], None if found[3] is None else int(found[3])


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
