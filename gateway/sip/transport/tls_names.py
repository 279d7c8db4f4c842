"""Whose certificate it is (RFC 5922 §7): the names a peer's certificate speaks for."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Mapping
from typing import Any

Certificate = Mapping[str, Any]
"""A verified certificate as ``ssl`` decodes it."""


def names_of(certificate: Certificate) -> tuple[str, ...]:
    """SIP domains, host names and IP addresses, in lower case (RFC 5922 §7.1).

    ``sip:`` URIs are what SIP wants and stand first. The common name counts only where there are no alternative names.
    """
    alternatives = certificate.get("subjectAltName", ())
    uris = [_domain_of(value) for kind, value in alternatives if kind == "URI"]
    hosts = [value.lower() for kind, value in alternatives if kind in ("DNS", "IP Address")]
    names = [name for name in uris if name] + hosts
    if not alternatives:
        subject = (pair for group in certificate.get("subject", ()) for pair in group)
        names = [value.lower() for kind, value in subject if kind == "commonName"]
    return tuple(names)


def covers(certificate: Certificate, name: str) -> bool:
    """Whether the certificate is for ``name``, a SIP domain or an IP address.

    RFC 5922 §7.2 lets no wildcard count. Carriers present them all the same (``*.example.com``), and so one that stands
    for exactly one label is taken here, as RFC 6125 §6.4.3 does.
    """
    address = _canonical_address(name)
    wanted = name.lower().rstrip(".")
    for candidate in names_of(certificate):
        if address is not None:
            if _canonical_address(candidate) == address:
                return True
        elif _matches(candidate, wanted):
            return True
    return False


def _matches(pattern: str, name: str) -> bool:
    if not pattern.startswith("*."):
        return pattern.rstrip(".") == name
    label, dot, rest = name.partition(".")
    return bool(label and dot) and rest == pattern[2:] and "." in rest


def _domain_of(uri: str) -> str:
    """The domain of a ``sip:`` URI without a user; "" for every other one (RFC 5922 §7.1)."""
    scheme, _, rest = uri.lower().partition(":")
    return "" if scheme not in ("sip", "sips") or "@" in rest else rest


def _canonical_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(text.strip())
    return None
