"""Text with ``{{name}}`` in it, and the headers that are made from such text.

What fills the places comes from callers. It is cut and cleaned of control characters when it is read, and again here,
so that no value can begin a header line of its own (header injection).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.settings.values import wrong
from gateway.sip.grammar import is_token
from gateway.sip.headers import canonical_name

MAX_VALUE_CHARACTERS = 256
"""Longest value of a variable; longer ones are cut."""
MAX_HEADER_CHARACTERS = 1024
"""Longest header that is made from a template; longer ones are cut."""

CALL_VARIABLES = (
    "caller",
    "callee",
    "caller_name",
    "identity",
    "diverted_from",
    "history",
    "user_to_user",
    "trunk",
    "account",
    "sip_call_id",
)
"""What every call has, though it may be empty; ``call.variables`` says where each comes from."""

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}")
_ANY_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

_KEPT_BY_THE_STACK = frozenset(
    (  # noqa: SIM905 - fifty quoted names are harder to read
        "Accept Accept-Contact Accept-Encoding Accept-Language Allow Allow-Events Authentication-Info Authorization "
        "Call-ID Contact Content-Disposition Content-Encoding Content-Language Content-Length Content-Type CSeq Event "
        "Expires From Max-Forwards MIME-Version Min-Expires Min-SE Path Proxy-Authenticate Proxy-Authorization "
        "Proxy-Require RAck Reason Record-Route Refer-To Replaces Require Retry-After Route RSeq Server Service-Route "
        "Session-Expires SIP-ETag SIP-If-Match Subscription-State Supported To Unsupported User-Agent Via "
        "WWW-Authenticate"
    ).split()
)
"""Headers that dialogs, transactions and negotiation rest upon: a template may not touch them."""


def check_variable_name(value: str) -> str:
    """A name that ``{{…}}`` can hold."""
    if not _VARIABLE.fullmatch(value):
        raise wrong("is not a name for a variable", 'use letters, digits and "_", a letter first')
    return value


def check_header_name(value: str) -> str:
    """The name of a header, any."""
    if not is_token(value) or len(value) > 64:
        raise wrong("is not the name of a header", "write it as it stands before the colon, such as X-Campaign")
    return value


def check_own_header(value: str) -> str:
    """The name of a header that a template may set."""
    check_header_name(value)
    if canonical_name(value) in _KEPT_BY_THE_STACK:
        raise wrong("is a header that the gateway sets itself", "use another, such as X-Campaign")
    return value


def template_fault(text: str) -> str | None:
    """What is wrong with a text whose every ``{{…}}`` should hold a name; None when nothing is."""
    for found in _ANY_PLACE.finditer(text):
        if not _PLACE.fullmatch(found[0]):
            return 'has {{…}} without a name in it; write {{name}} with letters, digits and "_"'
    return None


def check_header_template(value: str) -> str:
    """A header's value: one line of such text."""
    if not value or len(value) > MAX_HEADER_CHARACTERS or not _clean(value, MAX_HEADER_CHARACTERS) == value:
        raise wrong("is not one line of text", "write it without line ends and control characters")
    return value


def placeholders(text: str) -> list[str]:
    """The names in ``text``, each once, in order."""
    return list(dict.fromkeys(found[1] for found in _PLACE.finditer(text)))


def render(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with each ``{{name}}`` replaced; a variable that a call does not have is empty.

    What is put in is never looked at for places again.
    """
    if "{{" not in text:
        return text
    return _PLACE.sub(lambda found: variables.get(found[1], ""), text)


def render_headers(templates: Mapping[str, str], variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Headers ready to be sent, in the order of the settings; one that turns out empty is left out."""
    cleaned = {name: clean_value(value) for name, value in variables.items()}
    rendered = ((name, _clean(render(text, cleaned), MAX_HEADER_CHARACTERS)) for name, text in templates.items())
    return tuple((name, value) for name, value in rendered if value)


def clean_value(text: str) -> str:
    """What a stranger wrote, fit for a header, a log and an agent's instructions: one line, printable, short."""
    return _clean(text, MAX_VALUE_CHARACTERS)


def _clean(text: str, longest: int) -> str:
    # Octets that are no UTF-8 live on as surrogates, which no log, file or JSON text can carry.
    text = text[: 4 * longest].encode("utf-8", "replace").decode()
    kept = (character if character.isprintable() else " " if character.isspace() else "" for character in text)
    return "".join(kept)[:longest].strip()
