"""Dialogs (RFC 3261 §12): tags, sequence numbers, route set and remote target; the one maker of in-dialog requests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.sip.address import Address
from gateway.sip.digest import DigestClient
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError, excerpt
from gateway.sip.identity import Identity
from gateway.sip.message import Request, Response, make_request
from gateway.sip.routing import next_hop, request_path, without_method
from gateway.sip.source import reach
from gateway.sip.uri import SipUri

DialogId = tuple[str, str, str]
"""Call-ID, local tag, remote tag (RFC 3261 §12)."""

MAX_FORWARDS = ("Max-Forwards", "70")

_MOST_HOSTS = 8
"""Hosts of one peer that a call may move between and still have its challenges answered."""


@dataclass(slots=True)
class Dialog:
    """One peer-to-peer relation. ``local`` and ``remote`` are From/To values as they go on the wire, with tags.

    ``route_set`` holds Route elements, nearest hop first. ``remote_cseq`` is None until the peer has sent a request.
    """

    call_id: str
    local_tag: str
    remote_tag: str
    local: str
    remote: str
    target: str
    route_set: tuple[str, ...]
    flow: Flow
    local_cseq: int
    remote_cseq: int | None = None
    contact_user: str | None = None
    """User part of our Contact in this dialog; None: the user agent's own."""
    is_negotiated: bool = False
    """A first exchange of offer and answer is complete: UPDATE may begin another (RFC 3311 §5.1)."""
    local_session: bytes = b""
    """The session description of ours that is in force: a refresh repeats it (RFC 4028 §7.4)."""
    remote_session: bytes = b""
    """The peer's."""
    remote_rseq: int | None = None
    """The last reliable provisional response that was acknowledged (RFC 3262 §4)."""
    digest: DigestClient | None = None
    """Answers challenges of requests in this dialog; None: they are refusals."""
    digest_hosts: set[str] | None = None
    """The only hosts whose challenges are answered; None: any, for a call of ours goes where we sent it."""
    _credentials: tuple[tuple[str, str], ...] = ()
    """The answer to a challenge, for the request that is to be sent once more."""

    def __post_init__(self) -> None:
        request_path(self.target, self.route_set)  # a route set that cannot be followed opens no dialog
        if "\0" in "".join((self.call_id, self.local, self.remote, self.target, *self.route_set)):
            raise SipParseError("NUL in the headers of a dialog")

    @property
    def id(self) -> DialogId:
        """The key this dialog is found by."""
        return (self.call_id, self.local_tag, self.remote_tag)

    @classmethod
    def of_uas(cls, invite: Request, local_tag: str, flow: Flow, local_cseq: int) -> Dialog:
        """The dialog an INVITE opens at the called side (RFC 3261 §12.1.1). Raises SipParseError."""
        return cls(
            call_id=invite.call_id,
            local_tag=local_tag,
            remote_tag=invite.from_.tag or "",
            local=f"{_without_nul(invite, 'To')};tag={local_tag}",
            remote=_without_nul(invite, "From"),
            target=contact_uri(invite) or str(invite.from_.uri),
            route_set=tuple(invite.headers.split("Record-Route")),
            flow=flow,
            local_cseq=local_cseq,
            remote_cseq=invite.cseq.number,
        )

    @classmethod
    def of_uac(cls, invite: Request, response: Response, flow: Flow) -> Dialog:
        """The dialog a 101-299 opens at the calling side (RFC 3261 §12.1.2).

        The response must have passed ``check_response``. Beyond that nothing in it is an error: a 2xx without a usable
        Contact needs its ACK all the same, and gets it at the INVITE's own target.
        """
        return cls(
            call_id=invite.call_id,
            local_tag=invite.from_.tag or "",
            remote_tag=response.to.tag or "",
            local=invite.headers.get("From") or "",
            remote=_without_nul(response, "To"),
            target=_contact_or(response, invite.uri),
            route_set=tuple(reversed(_record_routes(response))),
            flow=flow,
            local_cseq=invite.cseq.number,
            local_session=invite.body,
        )

    def confirm(self, response: Response) -> None:
        """The 2xx that makes an early dialog a full one: route set and target are its own (RFC 3261 §13.2.2.4).

        The sequence number goes on: a PRACK or UPDATE has used some already.
        """
        self.target = _contact_or(response, self.target)
        self.route_set = tuple(reversed(_record_routes(response)))
        request_path(self.target, self.route_set)

    def contact(self, identity: Identity) -> str:
        """Our Contact in this dialog: ``sips:`` where the peer's target is (RFC 3261 §8.1.1.8)."""
        return identity.contact(self.flow, user=self.contact_user, is_sips=self.target.startswith("sips:"))

    def make_request(
        self,
        method: str,
        branch: str,
        identity: Identity,
        *,
        cseq: int | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """Every in-dialog request there is (RFC 3261 §12.2.1.1).

        Without ``cseq`` the next number is taken; an ACK is given that of its INVITE.
        """
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        uri, routes = request_path(self.target, self.route_set)
        credentials = () if method == "ACK" else self._take_credentials(method, uri, body)
        fields = [
            ("Via", identity.via(self.flow, branch)),
            MAX_FORWARDS,
            *(("Route", route) for route in routes),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
            identity.user_agent,
            *credentials,
            *headers,
        ]
        return make_request(method, uri, headers=fields, body=body)

    def _take_credentials(self, method: str, uri: str, body: bytes) -> tuple[tuple[str, str], ...]:
        """Those that answer a challenge, else such as served before: then nobody need ask (RFC 3261 §22.2)."""
        credentials, self._credentials = self._credentials, ()
        if credentials or self.digest is None or not self._is_at_its_host:
            return credentials
        return self.digest.authorize(method, uri, body)

    @property
    def _is_at_its_host(self) -> bool:
        return self.digest_hosts is None or self.flow.remote[0] in self.digest_hosts

    def may_answer(self, host: str) -> None:
        """The call has moved to another host of those whose challenges may be answered."""
        if self.digest_hosts is not None and len(self.digest_hosts) < _MOST_HOSTS:
            self.digest_hosts.add(host)

    def answers_challenge(self, request: Request, response: Response) -> bool:
        """Whether ``request``, refused by ``response``, is to be sent once more: made anew, it has the credentials."""
        if self.digest is None or response.status not in (401, 407) or not self._is_at_its_host:
            return False
        credentials = self.digest.answer(response, request.method, request.uri, request.body)
        self._credentials = credentials or ()
        return credentials is not None

    def leave_flow(self) -> bool:
        """The connection this dialog lived on has failed: what comes next goes to where its path leads (§8.1.2).

        Only an address is followed, and only by the same transport. A private one behind a public peer is what a NAT
        hides; this machine, or its link, behind a peer that is elsewhere is an attack on them. False: the flow stays,
        and the endpoint tries where its peer said that it listens.
        """
        hop = next_hop(self.target, self.route_set)
        flow = self.flow
        if hop is None or hop[0] != flow.transport or flow.is_websocket or not flow.is_reliable:
            return False
        if hop[1] == flow.remote or reach(hop[1][0]) < reach(flow.remote[0]):
            return False
        self.flow = replace(flow, remote=hop[1], connection=0, fallback=None)
        return True

    def is_out_of_order(self, request: Request) -> bool:
        """RFC 3261 §12.2.2: a number lower than the last is refused with 500.

        An equal number, which only a faulty peer sends, is let pass unless it would be a second INVITE: ending a call
        whose BYE reuses its INVITE's number beats letting it run on.
        """
        if self.remote_cseq is None:
            return False
        number = request.cseq.number
        return number < self.remote_cseq or (number == self.remote_cseq and request.method == "INVITE")

    def take_cseq(self, request: Request) -> None:
        """Remember the number of a request that was accepted for processing."""
        self.remote_cseq = max(request.cseq.number, self.remote_cseq or 0)

    def refresh_target(self, message: Request | Response) -> None:
        """A re-INVITE, or its 2xx, may move the remote target (RFC 3261 §12.2.1.2, §12.2.2)."""
        self.target = contact_uri(message) or self.target

    def try_refresh_target(self, response: Response) -> None:
        """The same for an answer, which nobody refuses: a senseless Contact moves nothing."""
        with contextlib.suppress(SipParseError):
            self.refresh_target(response)


def contact_uri(message: Request | Response) -> str | None:
    """The URI of the only Contact, fit for a Request-URI; None when there is none.

    Raises SipParseError for several, for ``*``, and for what is no SIP URI (RFC 3261 §8.1.1.8).
    """
    contacts = message.contacts
    if not contacts:
        if "Contact" in message.headers:
            raise SipParseError("Contact * in a dialog")
        return None
    if len(contacts) > 1:
        raise SipParseError("more than one Contact")
    uri = contacts[0].uri
    if not isinstance(uri, SipUri):
        raise SipParseError(f"Contact is not a sip: or sips: URI: {excerpt(str(uri))}")
    return str(without_method(uri))


def _without_nul(message: Request | Response, name: str) -> str:
    """The raw value. A display name may hold an escaped NUL, which we do not send on: then the name is left out."""
    raw = message.headers.get(name) or ""
    if "\0" not in raw:
        return raw
    address = Address.parse(raw)
    return f"<{address.uri}>;tag={address.tag}" if address.tag else f"<{address.uri}>"


def _contact_or(response: Response, otherwise: str) -> str:
    try:
        return contact_uri(response) or otherwise
    except SipParseError:
        return otherwise


def _record_routes(response: Response) -> list[str]:
    """The elements as written; none when they are senseless, for then no proxy can have meant them."""
    try:
        _ = response.record_routes
    except SipParseError:
        return []
    return response.headers.split("Record-Route")
