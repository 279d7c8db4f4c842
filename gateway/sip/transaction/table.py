"""The live transactions of a user agent: finds the machine a message belongs to (RFC 3261 §17.1.3, §17.2.3)."""

from __future__ import annotations

import enum
from collections import Counter
from typing import Protocol

from gateway.sip.flow import Flow, default_port
from gateway.sip.message import Request, Response, parse_message
from gateway.sip.transaction.invite_client import InviteClient
from gateway.sip.transaction.invite_server import InviteOwner, InviteServer
from gateway.sip.transaction.large_request import LARGEST_DATAGRAM, TcpFirst
from gateway.sip.transaction.machine import Machine, TransactionContext, TransactionKey
from gateway.sip.transaction.non_invite_client import NonInviteClient
from gateway.sip.transaction.non_invite_server import NonInviteServer

Client = InviteClient | NonInviteClient
Server = InviteServer | NonInviteServer


class RequestFailure(enum.Enum):
    """Why a request of ours ended without a final answer."""

    TIMEOUT = "timeout"
    """Timer B or F: treated as 408 (RFC 3261 §8.1.3.1)."""
    FLOW = "flow"
    """The transport gave up: treated as 503 (RFC 3261 §8.1.3.1)."""


class ResponseOwner(Protocol):
    """The transaction user of a client transaction."""

    def receive_response(self, response: Response, now: float) -> None:
        """A response that is news."""

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        """There will be no final answer."""


class TransactionTable:
    """All machines by key. Look-ups, timers and removal cost O(1) or O(log n) however many calls are up."""

    def __init__(self, context: TransactionContext, *, limit: int, largest_datagram: int = LARGEST_DATAGRAM) -> None:
        context.forget = self._forget
        self._tcp_first = TcpFirst(largest_datagram)
        self._context = context
        self._limit = limit
        self._clients: dict[TransactionKey, tuple[Client, ResponseOwner]] = {}
        self._servers: dict[TransactionKey, Server] = {}
        self._initial: dict[TransactionKey, TransactionKey] = {}
        self._on_flow: dict[Flow, set[TransactionKey]] = {}
        self._asked_hosts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    @property
    def has_room(self) -> bool:
        """False when requests of strangers are to get 503."""
        return len(self) < self._limit

    @property
    def unfinished_refusals(self) -> int:
        """INVITE server transactions in Completed. Counted by a walk: not for every message."""
        return sum(isinstance(server, InviteServer) and server.awaits_ack for server in self._servers.values())

    def find_server(self, request: Request) -> Server | None:
        """The server transaction this request repeats; for an ACK the INVITE it acknowledges."""
        return self._servers.get(server_key(request, "INVITE" if request.method == "ACK" else request.method))

    def find_cancelled(self, cancel: Request, flow: Flow) -> InviteServer | None:
        """The INVITE this CANCEL means (RFC 3261 §9.2).

        Beyond the branch, the identifying headers and the source host must be those of the INVITE: a branch alone,
        seen or guessed by a third party, cancels nothing.
        """
        server = self._servers.get(server_key(cancel, "INVITE"))
        if not isinstance(server, InviteServer) or server.flow.remote[0] != flow.remote[0]:
            return None
        invite = server.request
        is_same = (
            cancel.call_id == invite.call_id
            and cancel.cseq.number == invite.cseq.number
            and cancel.from_.tag == invite.from_.tag
        )
        return server if is_same else None

    def is_merged(self, request: Request) -> bool:
        """True for a request that arrived before over another path (RFC 3261 §8.2.2.2): it gets 482."""
        key = self._initial.get(_merge_key(request))
        return key is not None and key != server_key(request, request.method)

    def open_invite_server(self, request: Request, flow: Flow, now: float, owner: InviteOwner) -> InviteServer:
        """A new INVITE; 100 Trying leaves at once."""
        server = self._add_invite_server(request, flow, owner)
        server.start(now)
        return server

    def refuse_invite(self, request: Request, response: Response, flow: Flow, now: float, owner: InviteOwner) -> None:
        """A new INVITE that is refused at once; its transaction repeats that and takes the ACK."""
        self._add_invite_server(request, flow, owner).send_response(response, now)

    def _add_invite_server(self, request: Request, flow: Flow, owner: InviteOwner) -> InviteServer:
        server = InviteServer(server_key(request, "INVITE"), request, flow, self._context, owner)
        self._add_server(server)
        return server

    def open_server(self, request: Request, flow: Flow) -> NonInviteServer:
        """A new request other than INVITE and ACK, which is answered at once."""
        server = NonInviteServer(server_key(request, request.method), request, flow, self._context)
        self._add_server(server)
        return server

    def open_slow_server(self, request: Request, flow: Flow, now: float) -> NonInviteServer:
        """The same for one whose answer somebody has to think about."""
        server = self.open_server(request, flow)
        server.start(now)
        return server

    def _add_server(self, server: Server) -> None:
        self._servers[server.key] = server
        if not server.request.to.tag:
            self._initial.setdefault(_merge_key(server.request), server.key)

    def send_request(self, request: Request, flow: Flow, now: float, owner: ResponseOwner) -> Client:
        """Start a client transaction for a request of ours (never an ACK)."""
        if request.method == "INVITE":
            return self.send_invite(request, flow, now, owner)
        chosen = self._tcp_first.choose(request, flow, now)
        client = NonInviteClient(_client_key(request, request.method), request, chosen, self._context)
        self._start(client, owner, now, may_fall_back=chosen is not flow)
        return client

    def send_invite(
        self, request: Request, flow: Flow, now: float, owner: ResponseOwner, tcp_above: int | None = None
    ) -> InviteClient:
        """Start the client transaction of an INVITE. ``tcp_above``: another limit for datagrams than usual."""
        chosen = self._tcp_first.choose(request, flow, now, tcp_above)
        client = InviteClient(_client_key(request, "INVITE"), request, chosen, self._context)
        self._start(client, owner, now, may_fall_back=chosen is not flow)
        return client

    def _start(self, client: Client, owner: ResponseOwner, now: float, *, may_fall_back: bool) -> None:
        self._clients[client.key] = (client, owner)
        self._on_flow.setdefault(client.flow, set()).add(client.key)
        self._asked_hosts[client.flow.remote[0]] += 1
        client.may_fall_back = may_fall_back
        client.start(now)

    def fall_back(self, client: Client, now: float) -> bool:
        """Send by UDP what went by TCP for its size alone and met with nothing. False when that is not the case."""
        if not client.may_fall_back or client.has_heard:
            return False
        self._off_flow(client)
        client.may_fall_back = False
        client.restart(self._tcp_first.refused(client.request, client.flow, now), now)
        self._on_flow.setdefault(client.flow, set()).add(client.key)
        return True

    def awaits_response_from(self, flow: Flow) -> bool:
        """Some request of ours, not yet forgotten, went to the host at the far end of ``flow``."""
        return flow.remote[0] in self._asked_hosts

    def receive_response(self, response: Response, flow: Flow, now: float) -> bool:
        """False when the response belongs to no transaction of ours and is dropped (RFC 6026 §8.9).

        A request that went over a connection is answered over one, by the host it went to (RFC 3261 §18.2.2): a
        response of anybody else is forged. Over UDP a peer with several addresses may answer from another one, so there
        the branch, which nobody can guess, decides alone.
        """
        found = self._clients.get(_client_key(response, response.cseq.method))
        if found is None:
            return False
        client, owner = found
        asked = client.flow
        if asked.is_reliable and (asked.transport, asked.remote[0]) != (flow.transport, flow.remote[0]):
            return False
        if client.receive_response(response, now):
            owner.receive_response(response, now)
        return True

    def flow_failed(self, flow: Flow, now: float) -> None:
        """Requests sent on ``flow`` will not arrive. Server transactions stay (RFC 6026 §7.1): the peer may return."""
        for key in list(self._on_flow.get(flow, ())):
            self._give_up(key, now)

    def request_failed(self, data: bytes, now: float) -> None:
        """This request of ours will not arrive. An ACK that does not is asked for by the next repeated response."""
        request = parse_message(data)
        if isinstance(request, Request):
            self._give_up(_client_key(request, request.method), now)

    def _give_up(self, key: TransactionKey, now: float) -> None:
        client, owner = self._clients.get(key, (None, None))
        if client is not None and owner is not None and client.awaits_final and not self.fall_back(client, now):
            client.terminate()
            owner.request_failed(RequestFailure.FLOW, now)

    def handle_timeout(self, now: float) -> None:
        """Fire every timer that is due."""
        for key, letter in self._context.deadlines.pop_due(now):
            server = self._servers.get(key)
            if server is not None:
                server.handle_timer(letter, now)
                continue
            found = self._clients.get(key)
            if found is not None and found[0].handle_timer(letter, now):
                found[1].request_failed(RequestFailure.TIMEOUT, now)

    def next_deadline(self) -> float | None:
        """The earliest timer of any machine."""
        return self._context.deadlines.next_deadline()

    def _forget(self, machine: Machine) -> None:
        if self._clients.pop(machine.key, None) is not None:
            self._leave_flow(machine)
            return
        server = self._servers.pop(machine.key, None)
        if server is not None:
            merge_key = _merge_key(server.request)
            if self._initial.get(merge_key) == server.key:
                del self._initial[merge_key]

    def _leave_flow(self, machine: Machine) -> None:
        host = machine.flow.remote[0]
        self._asked_hosts[host] -= 1
        if not self._asked_hosts[host]:
            del self._asked_hosts[host]
        self._off_flow(machine)

    def _off_flow(self, machine: Machine) -> None:
        keys = self._on_flow.get(machine.flow)
        if keys is not None:
            keys.discard(machine.key)
            if not keys:
                del self._on_flow[machine.flow]


def _client_key(message: Request | Response, method: str) -> TransactionKey:
    """RFC 3261 §17.1.3: branch and method, which tells a CANCEL from its INVITE."""
    return ("client", message.via.branch or "", method)


def server_key(request: Request, method: str) -> TransactionKey:
    """What a request and its repetitions, its ACK and its CANCEL have in common (RFC 3261 §17.2.3).

    A branch without the cookie, or with nothing after it, is not unique: then the rules for RFC 2543 peers apply,
    without the To tag, which an ACK has and its INVITE has not.
    """
    via = request.via
    if via.has_unique_branch:
        port = via.port or default_port(via.transport)
        return ("server", via.branch or "", via.host.lower(), str(port), method)
    number = str(request.cseq.number)
    return ("server 2543", request.uri, request.from_.tag or "", request.call_id, number, str(via), method)


def _merge_key(request: Request) -> TransactionKey:
    return ("merge", request.call_id, request.from_.tag or "", str(request.cseq.number), request.method)
