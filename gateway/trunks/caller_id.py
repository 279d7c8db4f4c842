"""Who a trunk is told is calling: From, P-Asserted-Identity, Privacy, and the number somebody diverted from."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sip.address import Address
from gateway.sip.grammar import escape_user
from gateway.sip.headers import HeaderFields, canonical_name
from gateway.sip.uri import SipUri
from gateway.trunks.destination import OutboundRefused

ANONYMOUS_FROM = '"Anonymous" <sip:anonymous@anonymous.invalid>'
"""What From says of a caller who stays unnamed (RFC 3323 §4.1.1.3)."""

DEFAULT_USER = "gateway"
"""Who calls, registers or asks when neither the call nor the trunk says so."""

_MADE_HERE = frozenset(
    "Accept Allow Allow-Events Authorization Call-ID Contact Content-Disposition Content-Encoding Content-Length "  # noqa: SIM905
    "Content-Type CSeq Expires From Max-Forwards MIME-Version Min-SE P-Asserted-Identity P-Preferred-Identity Path "
    "Privacy Proxy-Authorization Proxy-Require RAck Record-Route Remote-Party-ID Replaces Require Route RSeq "
    "Session-Expires Supported Timestamp To User-Agent Via".split()
)
"""Headers that the gateway makes from its settings or its state: a call may not bring its own."""

MAX_HEADERS = 32
"""Of one call, beside those that the gateway makes."""
MAX_VALUE_CHARACTERS = 1_024
"""Of one header."""


@dataclass(frozen=True, slots=True)
class CallerId:
    """``user`` is a number or name, unescaped; ``domain`` a host name, or an address (IPv6 without brackets)."""

    user: str
    domain: str
    display_name: str = ""
    is_private: bool = False
    is_asserted: bool = False

    @property
    def identity(self) -> str:
        """The caller as an address, whatever is shown of it."""
        return str(Address(self.display_name, SipUri("sip", escape_user(self.user), None, self.domain)))

    @property
    def from_(self) -> str:
        """For From, without a tag. A private caller is nobody there (RFC 3323 §4.1.1.3)."""
        return ANONYMOUS_FROM if self.is_private else self.identity

    @property
    def headers(self) -> HeaderFields:
        """P-Asserted-Identity (RFC 3325 §9.1) and Privacy: the trunk knows who calls and is to tell nobody."""
        fields: list[tuple[str, str]] = []
        if self.is_asserted:
            fields.append(("P-Asserted-Identity", self.identity))
        if self.is_private:
            fields.append(("Privacy", "id"))
        return tuple(fields)


def check_own_headers(headers: HeaderFields) -> HeaderFields:
    """Headers of the one who dials: Diversion (RFC 5806), History-Info (RFC 7044), X-… and the like pass as they are.

    Raises OutboundRefused with the rule ``headers`` for those that the gateway makes itself, and for what is too much.
    """
    if len(headers) > MAX_HEADERS:
        raise OutboundRefused("headers", f"more than {MAX_HEADERS} headers", status=400)
    for name, value in headers:
        if canonical_name(name) in _MADE_HERE:
            raise OutboundRefused("headers", f"{canonical_name(name)} is a header that the gateway makes", status=400)
        if len(value) > MAX_VALUE_CHARACTERS or not value.isprintable():
            raise OutboundRefused("headers", f"{name} is too long or not one printable line", status=400)
    return headers
