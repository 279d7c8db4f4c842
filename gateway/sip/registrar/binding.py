"""One contact of an account, and what a REGISTER asks for one (RFC 3261 §10.3, RFC 3327 §5.3, RFC 5626 §6)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.sip.address import Address
from gateway.sip.flow import Flow
from gateway.sip.grammar import MAX_UINT32, SipParseError, excerpt, parse_number, quote_string, unquote_string
from gateway.sip.routing import without_method
from gateway.sip.uri import SipUri

MAX_CONTACT_CHARS = 1024
"""Of a contact's URI. Browsers' are the longest, and have some 200."""

MAX_INSTANCE_CHARS = 256
MAX_REG_ID = 2**31 - 1

BAD_EXPIRES_S = 3600
"""What a malformed expires parameter counts as (RFC 3261 §20.19 and §10.2.1.1)."""

_Q = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Binding:
    """A phone that can be reached now. Call it over ``flow``, with ``uri`` as Request-URI and ``path`` as Route.

    ``q`` is its own preference, 0 to 1. ``instance`` and ``reg_id`` name device and flow (RFC 5626); ``reg_id`` is
    None without outbound. Times are monotonic seconds.
    """

    account: str
    uri: str
    flow: Flow
    expires_at: float
    q: float = 1.0
    path: tuple[str, ...] = ()
    instance: str = ""
    reg_id: int | None = None
    call_id: str = ""
    cseq: int = 0
    registered_at: float = 0.0
    user_agent: str = ""

    def contact(self, now: float) -> str:
        """As the 200 lists it."""
        parts = [f"<{self.uri}>;expires={max(0, round(self.expires_at - now))}"]
        if self.q != 1.0:
            parts.append(f"q={self.q:g}")
        if self.instance:
            parts.append(f"+sip.instance={quote_string(self.instance)}")
        if self.reg_id is not None:
            parts.append(f"reg-id={self.reg_id}")
        return ";".join(parts)

    def is_of(self, wanted: WantedContact) -> bool:
        """The same contact: of one device and flow where both say so, else of an equivalent URI."""
        if self.reg_id is not None or wanted.reg_id is not None:
            return self.reg_id == wanted.reg_id and self.instance == wanted.instance
        return SipUri.parse(self.uri).equivalent(wanted.uri)


@dataclass(frozen=True, slots=True)
class WantedContact:
    """One element of a Contact header. ``expires_s`` is None when it says nothing of its own."""

    uri: SipUri
    expires_s: int | None
    q: float
    instance: str
    reg_id: int | None

    @classmethod
    def of(cls, address: Address, *, is_outbound: bool) -> WantedContact:
        """``is_outbound``: the phone understands RFC 5626; else its reg-id means nothing. Raises SipParseError."""
        uri = address.uri
        if not isinstance(uri, SipUri):
            raise SipParseError(f"Contact is not a sip: or sips: URI: {excerpt(str(uri))}")
        instance = unquote_string(address.params.get("+sip.instance") or "")
        if len(str(uri)) > MAX_CONTACT_CHARS or len(instance) > MAX_INSTANCE_CHARS or "\0" in instance:
            raise SipParseError("Contact is too long")
        reg_id = _read_reg_id(address) if is_outbound and instance else None
        # What may not stand in a Request-URI would be refused there each time we call.
        return cls(without_method(uri), _read_expires(address), _read_q(address), instance, reg_id)


def parse_expires(text: str) -> int:
    """Seconds; BAD_EXPIRES_S for what is no number."""
    try:
        return parse_number(text, MAX_UINT32, "expires")
    except SipParseError:
        return BAD_EXPIRES_S


def _read_expires(address: Address) -> int | None:
    value = address.params.get("expires")
    return None if value is None else parse_expires(unquote_string(value))


def _read_q(address: Address) -> float:
    value = address.params.get("q")
    return float(value) if value and _Q.fullmatch(value) else 1.0


def _read_reg_id(address: Address) -> int | None:
    value = address.params.get("reg-id")
    if value is None:
        return None
    number = parse_number(value, MAX_REG_ID, "reg-id")
    if number == 0:
        raise SipParseError("reg-id is 0")
    return number
