"""Header fields in the order they came: (canonical name, raw value), compact forms expanded (RFC 3261 §7.3).

Values are raw text, unfolded and stripped; what they mean is read lazily by the typed views of ``message``, which are
kept here beside the fields and forgotten as soon as a field changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, cast

from gateway.base.errors import LocalProtocolError
from gateway.sip.grammar import MAX_LIST_ELEMENTS, WHITESPACE, SipParseError, is_token, split_list

View = TypeVar("View")

Header = tuple[str, str]
"""Name and raw value of one header field."""
HeaderList = Iterable[Header]
"""Header fields to send, in order, from whoever has them."""
HeaderFields = tuple[Header, ...]
"""Header fields that are kept: they do not change."""

_KNOWN_NAMES = (  # noqa: SIM905 - seventy quoted names are harder to read
    "Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authentication-Info "
    "Authorization Call-ID Call-Info Contact Content-Disposition Content-Encoding Content-Language Content-Length "
    "Content-Type CSeq Date Diversion Error-Info Event Expires From History-Info Identity In-Reply-To Max-Forwards "
    "MIME-Version Min-Expires Min-SE Organization P-Asserted-Identity P-Preferred-Identity Path Priority Privacy "
    "Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason Record-Route Refer-To Referred-By Reject-Contact "
    "Remote-Party-ID Replaces Reply-To Request-Disposition Require Retry-After Route RSeq Server Service-Route "
    "Session-Expires SIP-ETag SIP-If-Match Subject Subscription-State Supported Timestamp To Unsupported User-Agent "
    "Via Warning WWW-Authenticate"
).split()

_COMPACT_FORMS = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
"""Every compact form that IANA has registered."""

_CANONICAL = {name.lower(): name for name in _KNOWN_NAMES} | _COMPACT_FORMS
_AS_WRITTEN = {name: name for name in _KNOWN_NAMES} | _CANONICAL
"""Spellings that need no case folding, which are nearly all that come."""


def canonical_name(name: str) -> str:
    """The registered spelling of a header name, long form; an unregistered name stays as it is."""
    return _AS_WRITTEN.get(name) or _CANONICAL.get(name.lower(), name)


def _key(name: str) -> str:
    """What two spellings of one header name have in common."""
    known = _AS_WRITTEN.get(name)
    if known is not None:
        return known
    lowered = name.lower()
    return _CANONICAL.get(lowered, lowered)


class Headers:
    """An ordered multimap with case-insensitive names.

    What we write into it is checked here, so that no value of ours can start a header of its own (header injection);
    what was parsed goes in by ``from_wire`` unchecked.
    """

    __slots__ = ("_fields", "_index", "_views")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = [_checked(name, value) for name, value in fields]
        self._index: dict[str, list[str]] | None = None
        self._views: dict[str, object] = {}

    @classmethod
    def from_wire(cls, fields: list[tuple[str, str]]) -> Headers:
        """Takes over a list of (canonical name, stripped value) that a parser has made."""
        headers = cls.__new__(cls)
        headers._fields = fields
        headers._index = None
        headers._views = {}
        return headers

    def get(self, name: str) -> str | None:
        """The first raw value."""
        values = self._values(name)
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """Every raw value, in order, not split at commas."""
        return list(self._values(name))

    def count(self, name: str) -> int:
        """How many fields have this name."""
        return len(self._values(name))

    def split(self, name: str) -> list[str]:
        """Comma-separated elements over all fields of this name. Only for headers that are lists."""
        values = self._values(name)
        if len(values) == 1:
            return split_list(values[0])
        elements: list[str] = []
        for value in values:
            elements += split_list(value)
            if len(elements) > MAX_LIST_ELEMENTS:
                raise SipParseError(f"more than {MAX_LIST_ELEMENTS} elements in {name}")
        return elements

    def add(self, name: str, value: str) -> None:
        """Appends a field."""
        self._fields.append(_checked(name, value))
        self._changed()

    def set(self, name: str, value: str) -> None:
        """Leaves exactly one field of this name, where the first one stood, else at the end."""
        field = _checked(name, value)
        key = _key(name)
        position = next((at for at, (present, _) in enumerate(self._fields) if _key(present) == key), None)
        if position is None:
            self._fields.append(field)
        else:
            tail = [other for other in self._fields[position + 1 :] if _key(other[0]) != key]
            self._fields[position:] = [field, *tail]
        self._changed()

    def replace_first(self, name: str, element: str) -> None:
        """Replaces the first comma-separated element of this name (the topmost Via), and touches nothing behind it."""
        key = _key(name)
        for position, (present, value) in enumerate(self._fields):
            if _key(present) == key:
                rest = split_list(value)[1:]
                self._fields[position] = _checked(present, ", ".join([element, *rest]))
                self._changed()
                return
        raise LocalProtocolError(f"no {name} to replace")

    def remove(self, name: str) -> None:
        """Drops every field of this name; nothing happens when there is none."""
        key = _key(name)
        self._fields = [field for field in self._fields if _key(field[0]) != key]
        self._changed()

    def copy(self) -> Headers:
        """An independent copy."""
        return Headers.from_wire(list(self._fields))

    def view(self, name: str, read: Callable[[Headers], View]) -> View:
        """What ``read`` makes of these fields, remembered under ``name`` until a field changes."""
        if name not in self._views:
            self._views[name] = read(self)
        return cast(View, self._views[name])

    def __contains__(self, name: str) -> bool:
        return bool(self._values(name))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"

    def _values(self, name: str) -> list[str]:
        index = self._index
        if index is None:
            index = {}
            for present, value in self._fields:
                index.setdefault(_key(present), []).append(value)
            self._index = index
        return index.get(_key(name), [])

    def _changed(self) -> None:
        self._index = None
        self._views.clear()


def _checked(name: str, value: str) -> tuple[str, str]:
    if name not in _AS_WRITTEN and not is_token(name):
        raise LocalProtocolError(f"{name!a} is not a header name")
    check_outgoing(value, name)
    return canonical_name(name), value.strip(WHITESPACE)


def check_outgoing(text: str, what: str) -> None:
    """Refuses text that would break a line, or that has no bytes."""
    if "\r" in text or "\n" in text:
        raise LocalProtocolError(f"line end in {what}: {text!a}")
    if not text.isascii():
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise LocalProtocolError(f"{what} cannot be written as UTF-8: {text!a}") from None
