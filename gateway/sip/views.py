"""Typed views on the headers of a message: what each means, read when first asked for (RFC 3261 §20)."""

from __future__ import annotations

from typing import NamedTuple

from gateway.sip.address import Address
from gateway.sip.grammar import MAX_UINT32, WHITESPACE, SipParseError, excerpt, is_token, parse_number
from gateway.sip.headers import Headers
from gateway.sip.via import Via


class CSeq(NamedTuple):
    """Command sequence (RFC 3261 §20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """``4711 INVITE``; the number must fit 32 bits."""
        number, _, method = text.replace("\t", " ").partition(" ")
        method = method.strip(" ")
        if not is_token(method):
            raise SipParseError(f"malformed CSeq {excerpt(text)}")
        return cls(parse_number(number, MAX_UINT32, "CSeq"), method)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


class MessageViews:
    """Typed views on the headers, read when first asked for and kept until a header changes.

    Each raises SipParseError when its header is missing or malformed, unless it says otherwise.
    """

    __slots__ = ()
    headers: Headers

    @property
    def vias(self) -> tuple[Via, ...]:
        """All hops, the latest first. Empty when there is none."""
        return self.headers.view("vias", _read_vias)

    @property
    def via(self) -> Via:
        """The topmost Via."""
        return self.headers.view("via", _read_top_via)

    @property
    def from_(self) -> Address:
        """Who the request is from."""
        return self.headers.view("from", _read_from)

    @property
    def to(self) -> Address:
        """Who the request was meant for at first."""
        return self.headers.view("to", _read_to)

    @property
    def call_id(self) -> str:
        """Call-ID, octet by octet."""
        return self.headers.view("call_id", _read_call_id)

    @property
    def cseq(self) -> CSeq:
        """CSeq."""
        return self.headers.view("cseq", _read_cseq)

    @property
    def contacts(self) -> tuple[Address, ...]:
        """Contact addresses; empty when there is none, and for ``Contact: *``."""
        return self.headers.view("contacts", _read_contacts)

    @property
    def routes(self) -> tuple[Address, ...]:
        """Route: the proxies still to visit."""
        return self.headers.view("routes", _read_routes)

    @property
    def record_routes(self) -> tuple[Address, ...]:
        """Record-Route: the proxies that want to stay on the path."""
        return self.headers.view("record_routes", _read_record_routes)

    @property
    def max_forwards(self) -> int | None:
        """Hops left, 0 to 255; None when the header is absent."""
        return self.headers.view("max_forwards", _read_max_forwards)

    @property
    def content_type(self) -> str | None:
        """Media type of the body in lower case without parameters (``application/sdp``); None when absent."""
        return self.headers.view("content_type", _read_content_type)

    def seconds(self, name: str) -> int | None:
        """A header that is a number of seconds, such as Retry-After, without the comment and parameters behind it
        (RFC 3261 §20.33). None, and never an error, when it is absent or senseless."""
        text = (self.headers.get(name) or "").partition(";")[0].partition("(")[0]
        try:
            return parse_number(text.strip(WHITESPACE), MAX_UINT32, name)
        except SipParseError:
            return None


def _required(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if not value:
        raise SipParseError(f"Missing {name} header field")
    return value


def _read_vias(headers: Headers) -> tuple[Via, ...]:
    elements = headers.split("Via")
    return (headers.view("via", _read_top_via), *map(Via.parse, elements[1:])) if elements else ()


def _read_top_via(headers: Headers) -> Via:
    vias = headers.split("Via")
    if not vias:
        raise SipParseError("Missing Via header field")
    return Via.parse(vias[0])


def _read_from(headers: Headers) -> Address:
    return Address.parse(_required(headers, "From"))


def _read_to(headers: Headers) -> Address:
    return Address.parse(_required(headers, "To"))


def _read_call_id(headers: Headers) -> str:
    value = _required(headers, "Call-ID")
    if " " in value or "\t" in value:
        raise SipParseError(f"malformed Call-ID {excerpt(value)}")
    return value


def _read_cseq(headers: Headers) -> CSeq:
    return CSeq.parse(_required(headers, "CSeq"))


def _addresses(headers: Headers, name: str) -> tuple[Address, ...]:
    return tuple(Address.parse(element) for element in headers.split(name))


def _read_contacts(headers: Headers) -> tuple[Address, ...]:
    return () if headers.get("Contact") == "*" else _addresses(headers, "Contact")


def _read_routes(headers: Headers) -> tuple[Address, ...]:
    return _addresses(headers, "Route")


def _read_record_routes(headers: Headers) -> tuple[Address, ...]:
    return _addresses(headers, "Record-Route")


def _read_max_forwards(headers: Headers) -> int | None:
    value = headers.get("Max-Forwards")
    return None if value is None else parse_number(value, 255, "Max-Forwards")


def _read_content_type(headers: Headers) -> str | None:
    value = headers.get("Content-Type")
    return None if value is None else value.partition(";")[0].replace(" ", "").replace("\t", "").lower()
