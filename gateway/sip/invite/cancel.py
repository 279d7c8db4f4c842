"""The CANCEL of an INVITE of ours (RFC 3261 §9.1)."""

from __future__ import annotations

from gateway.sip.dialog import MAX_FORWARDS
from gateway.sip.message import Request, make_request


def make_cancel(invite: Request, headers: tuple[tuple[str, str], ...]) -> Request:
    """CANCEL has the INVITE's Request-URI, Call-ID, From, To, Route, CSeq number and its very Via (RFC 3261 §9.1)."""
    fields = [
        ("Via", invite.headers.get("Via") or ""),
        MAX_FORWARDS,
        *(("Route", route) for route in invite.headers.get_all("Route")),
        ("From", invite.headers.get("From") or ""),
        ("To", invite.headers.get("To") or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq.number} CANCEL"),
        *headers,
    ]
    return make_request("CANCEL", invite.uri, headers=fields)
