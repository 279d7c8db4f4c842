"""What a connection address (RFC 8866 §5.7) means to somebody who is asked to send audio there."""

from __future__ import annotations

import enum
import ipaddress

_LABEL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_MAX_NAME_LENGTH = 253
_MAX_LABEL_LENGTH = 63
_MAX_ADDRESS_TEXT = 45
"""The longest text of an IPv6 address; longer ones are names or nonsense."""


class TargetKind(enum.Enum):
    """The closed set of things a c= line can point at."""

    UNICAST = "unicast"
    HOST_NAME = "host name"
    HOLD = "hold"
    MULTICAST = "multicast"
    BROADCAST = "broadcast"
    INVALID = "invalid"


def classify_target(address: str) -> TargetKind:
    """Tell what ``address`` is.

    HOLD is ``0.0.0.0`` (RFC 3264 §8.4), its IPv6 sibling ``::``, and a name under ``.invalid``, which RFC 6157
    gives to IPv6 for the same purpose: "send me nothing".
    """
    parsed = _parse_address(address)
    if parsed is None:
        return _classify_name(address)
    if parsed.is_unspecified:
        return TargetKind.HOLD
    if parsed.is_multicast:
        return TargetKind.MULTICAST
    if isinstance(parsed, ipaddress.IPv4Address) and int(parsed) == 0xFFFF_FFFF:
        return TargetKind.BROADCAST
    return TargetKind.UNICAST


def address_type(address: str) -> str:
    """The ``<addrtype>`` that goes before an address of ours: ``IP6`` for IPv6, else ``IP4``."""
    return "IP6" if ":" in address else "IP4"


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    # A zone ("%eth0") is meaningless on another host and is not in SDP's grammar.
    if len(text) > _MAX_ADDRESS_TEXT or "%" in text:
        return None
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _classify_name(text: str) -> TargetKind:
    labels = text.removesuffix(".").split(".")
    if len(text) > _MAX_NAME_LENGTH or not all(_is_label(label) for label in labels):
        return TargetKind.INVALID
    # No top-level domain is a number, so "999.1.1.1" is a mistyped address and not a name.
    if labels[-1].isdigit():
        return TargetKind.INVALID
    return TargetKind.HOLD if labels[-1].lower() == "invalid" else TargetKind.HOST_NAME


def _is_label(label: str) -> bool:
    return 0 < len(label) <= _MAX_LABEL_LENGTH and _LABEL_CHARACTERS.issuperset(label) and label[0] != "-"
