"""Via (RFC 3261 §20.42): the path a request took, and the way its response goes back (RFC 3581)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from gateway.base.ids import BRANCH_COOKIE
from gateway.sip.grammar import (
    ABNF_TOKEN,
    MAX_PORT,
    WHITESPACE,
    Params,
    SipParseError,
    excerpt,
    format_host_port,
    format_params,
    parse_host_port,
    parse_number,
    parse_params,
)

_SENT_PROTOCOL = re.compile(rf"({ABNF_TOKEN})[ \t]*+/[ \t]*+({ABNF_TOKEN})[ \t]*+/[ \t]*+({ABNF_TOKEN})[ \t]++")


@dataclass(frozen=True, slots=True)
class Via:
    """One hop. ``transport`` is in upper case; an IPv6 ``host`` is held without its brackets."""

    transport: str
    host: str
    port: int | None = None
    params: Params = field(default_factory=dict)
    protocol: str = "SIP/2.0"

    @classmethod
    def parse(cls, text: str) -> Via:
        """One Via value (an element, not a comma-separated list)."""
        text = text.strip(WHITESPACE)
        found = _SENT_PROTOCOL.match(text)
        if found is None:
            raise SipParseError(f"malformed Via {excerpt(text)}")
        host, port, end = parse_host_port(text, found.end(), "Via")
        return cls(found[3].upper(), host, port, parse_params(text, end), f"{found[1]}/{found[2]}".upper())

    @property
    def branch(self) -> str | None:
        """Transaction identifier, as written."""
        return self.params.get("branch")

    @property
    def has_unique_branch(self) -> bool:
        """The branch identifies the transaction by itself (RFC 3261 §17.2.3).

        False for RFC 2543 peers and for a cookie with nothing behind it (RFC 4475 §3.2.1): match those the old way.
        """
        branch = self.branch
        return branch is not None and len(branch) > len(BRANCH_COOKIE) and branch.startswith(BRANCH_COOKIE)

    @property
    def received(self) -> str | None:
        """Address the request really came from; IPv6 without brackets, whichever way it was written."""
        value = self.params.get("received")
        return value.strip("[]") if value else None

    @property
    def wants_rport(self) -> bool:
        """The sender asks for responses to the port it sent from (RFC 3581 §3)."""
        return "rport" in self.params

    @property
    def rport(self) -> int | None:
        """Port the request really came from, once a server has filled it in."""
        value = self.params.get("rport")
        return parse_number(value, MAX_PORT, "rport") if value else None

    def with_params(self, **params: str | int | None) -> Via:
        """A copy with parameters set or replaced; None makes a flag."""
        new = {name: None if value is None else str(value) for name, value in params.items()}
        return replace(self, params={**self.params, **new})

    def __str__(self) -> str:
        return f"{self.protocol}/{self.transport} {format_host_port(self.host, self.port)}{format_params(self.params)}"
