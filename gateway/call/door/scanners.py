"""Requests of programs that look for gateways which let strangers call at somebody else's expense."""

from __future__ import annotations

import re

from gateway.call.variables import user_of
from gateway.sip.grammar import SipParseError
from gateway.sip.message import Request

_PROGRAMS = (
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipsak",
    "sip-scan",
    "sipscan",
    "sipcli",
    "sip crack",
    "sipcrack",
    "svcrack",
    "svmap",
    "svwar",
    "sundayddr",
    "vaxsipuseragent",
    "vaxipuseragent",
    "pplsip",
    "iwar",
    "siparmyknife",
    "smap",
    "nmap",
    "zgrab",
    "masscan",
)
"""What they call themselves, in User-Agent or in the name of the caller."""

_FARMED_NUMBERS = re.compile(r"[+0-9#*]{0,12}?(?:972(?:59|58|5|1)[0-9]{7}|441904911[0-9]{3})")
"""Numbers of premium rate that scanners dial behind every prefix they can think of, to see whether one gets out."""

_TARGETS = frozenset({"nm", "sipvicious", "sipsak"})
"""Users that only scanners ask for: ``sip:nm`` is what nmap's probe calls."""


def names_scanner(request: Request) -> bool:
    """True when the request says itself that it is a scanner's."""
    said = f"{request.headers.get('User-Agent') or ''}\n{_display_name(request)}".lower()
    return any(program in said for program in _PROGRAMS)


def dials_like_scanner(request: Request) -> bool:
    """True for a target that only scanners call. A phone of ours may call it too: ask for strangers only."""
    try:
        user = user_of(request.request_uri)
    except SipParseError:
        return False
    return user in _TARGETS or _FARMED_NUMBERS.fullmatch(user) is not None


def _display_name(request: Request) -> str:
    try:
        return request.from_.display_name or ""
    except SipParseError:
        return ""
