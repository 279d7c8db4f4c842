"""Call variables: what an INVITE says, by the names that agents' texts and header templates use.

Everything here was written by whoever calls. It is cut to one short line without control characters, and it is for
reading: nothing in it proves anything, except that a trunk answers for the identity it asserts (RFC 3325 §6).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping

from gateway.call.order import CallOrder
from gateway.settings.match import CallFacts
from gateway.settings.templates import CALL_VARIABLES, clean_value
from gateway.sip.address import Address
from gateway.sip.admission import Allow
from gateway.sip.grammar import SipParseError
from gateway.sip.message import Request
from gateway.sip.uri import SipUri, TelUri, Uri, parse_uri
from gateway.trunks.outbound import ACCOUNT_PREFIX

MAX_HISTORY = 10
"""Numbers of History-Info that are told."""


def call_variables(request: Request, admission: Allow, named: Mapping[str, str]) -> dict[str, str]:
    """All variables of a call that came in; a value that is missing or unreadable is "".

    ``named`` are the trunk's own: name to header name.
    """
    identity = _first(_users(request, "P-Asserted-Identity")) if admission.trunk else ""
    found = {
        "caller": _safely(lambda: user_of(request.from_.uri)),
        "callee": _safely(lambda: user_of(request.request_uri)),
        "caller_name": _safely(lambda: request.from_.display_name),
        "identity": identity,
        "diverted_from": _last(_users(request, "Diversion")),
        "history": ", ".join(_users(request, "History-Info")[:MAX_HISTORY]),
        "user_to_user": request.headers.get("User-to-User") or "",
        "trunk": admission.trunk,
        "account": admission.account,
        "sip_call_id": _safely(lambda: request.call_id),
    }
    found |= {name: request.headers.get(header) or "" for name, header in named.items()}
    return {name: clean_value(value) for name, value in found.items()}


def placed_variables(order: CallOrder, *, trunk: str, caller: str) -> dict[str, str]:
    """The same for a call that we place: what the order brought, beside what every call has.

    ``trunk`` is what ``OutboundTrunks.choose`` has answered: a trunk, or an account of ours.
    """
    callee = order.to
    account = trunk.removeprefix(ACCOUNT_PREFIX) if trunk.startswith(ACCOUNT_PREFIX) else ""
    whose = {"trunk": "" if account else trunk, "account": account}
    with contextlib.suppress(SipParseError):
        callee = user_of(parse_uri(order.to)) or callee
    found = {**dict.fromkeys(CALL_VARIABLES, ""), "caller": caller, "callee": callee, **whose, **order.variables}
    return {name: clean_value(value) for name, value in found.items()}


def with_defaults(variables: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    """``variables``, where an agent's own value counts for what the call did not bring, or brought empty."""
    return {**variables, **{name: value for name, value in defaults.items() if not variables.get(name)}}


def facts_of(request: Request, admission: Allow) -> CallFacts:
    """What routes look at."""
    return CallFacts(
        to=_safely(lambda: user_of(request.request_uri)),
        from_=_safely(lambda: user_of(request.from_.uri)),
        trunk=admission.trunk,
        account=admission.account,
        header=request.headers.get_all,
    )


def user_of(uri: Uri) -> str:
    """Number or user of a URI; all of it when it is of a kind that has none."""
    user = str(uri)
    if isinstance(uri, SipUri):
        user = uri.decoded_user or ""
    elif isinstance(uri, TelUri):
        user = uri.digits
    # Octets that are no UTF-8 live on as surrogates, which no log, file or JSON text can carry.
    return user.encode("utf-8", "replace").decode()


def _users(request: Request, name: str) -> list[str]:
    """The users of all addresses in a header, in its order; of one that cannot be read, none.

    Diversion has the latest diversion first (RFC 5806 §4.1), History-Info the oldest entry (RFC 7044 §5).
    """
    try:
        addresses = [Address.parse(element) for element in request.headers.split(name)]
    except SipParseError:
        return []
    return [user for address in addresses if (user := user_of(address.uri))]


def _first(values: Iterable[str]) -> str:
    return next(iter(values), "")


def _last(values: list[str]) -> str:
    return values[-1] if values else ""


def _safely(read: Callable[[], str]) -> str:
    try:
        return read()
    except SipParseError:
        return ""
