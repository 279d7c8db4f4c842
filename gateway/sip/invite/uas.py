"""One INVITE at the side that is asked (RFC 3261 §13.3, §14.2): ringing, the answer, and its repetition until ACK."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from gateway.base.errors import LocalProtocolError
from gateway.sip.capabilities import CONTENT_TYPE, offer_of, option_tags
from gateway.sip.dialog import Dialog
from gateway.sip.flow import Flow
from gateway.sip.headers import HeaderList
from gateway.sip.identity import demands_sips
from gateway.sip.invite.context import CallContext
from gateway.sip.invite.part import CallPart
from gateway.sip.invite.reliable import Numbered, Provisional, RAck, ReliableProvisionals
from gateway.sip.message import Request, Response, make_response
from gateway.sip.transaction.invite_server import InviteServer
from gateway.sip.transaction.machine import TransactionKey

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call

RING_REPEAT_S = 60.0
"""RFC 3261 §13.3.1.1: a provisional response is repeated every minute, lest proxies give the call up."""


class UasState(enum.Enum):
    """Where an INVITE we received stands."""

    PROCEEDING = "proceeding"
    """No final answer yet."""
    ANSWERED = "answered"
    """2xx sent, repeated until its ACK comes."""
    DONE = "done"


class InviteUas(CallPart):
    """The server side of an INVITE or re-INVITE.

    Its timers live in the call's table: ``ring`` repeats a provisional answer, ``limit`` bounds the ringing,
    ``repeat`` sends the 2xx again (T1 doubling to T2), ``ack`` gives it up after 64*T1 (RFC 3261 §13.3.1.4).
    """

    TIMERS = ("ring", "limit", "repeat", "ack")

    def __init__(self, context: CallContext, call: Call, server: InviteServer, dialog: Dialog, now: float) -> None:
        super().__init__(call)
        self.request: Request = server.request
        self.dialog = dialog
        self.state = UasState.PROCEEDING
        self.offer = offer_of(server.request)
        self._context = context
        self.reliable = ReliableProvisionals(context, call.id, server.request.cseq.number)
        self.is_settled = False
        """Offer and answer were exchanged by reliable provisional answers: the 2xx says no more of the session."""
        self._server = server
        self._held: tuple[bytes, tuple[tuple[str, str], ...]] | None = None
        self._interval_s = context.timers.t1
        self._last: Response | None = None
        expires_s = server.request.seconds("Expires")  # RFC 3261 §13.3.1; a senseless one sets no limit
        self.has_own_limit = expires_s is not None and expires_s < context.ring_limit_s
        """The caller itself said how long its INVITE is good for."""
        limit_s = expires_s if self.has_own_limit and expires_s is not None else context.ring_limit_s
        self._arm("limit", now, limit_s)

    @property
    def flow(self) -> Flow:
        """Where this INVITE came from and is answered."""
        return self._server.flow

    @property
    def key(self) -> TransactionKey:
        """The transaction it lives in."""
        return self._server.key

    def _arm(self, timer: str, now: float, after_s: float) -> None:
        self._context.deadlines.set((self._call.id, timer), now + after_s)

    def _disarm(self) -> None:
        for timer in self.TIMERS:
            self._context.deadlines.clear((self._call.id, timer))
        self.reliable.stop()

    def ring(
        self, status: int, headers: HeaderList, now: float, *, body: bytes = b"", is_reliable: bool | None = None
    ) -> None:
        """A provisional answer other than 100 (180, 181, 182, 183). ``is_reliable`` None: as configured.

        Whatever is wished for, the caller decides first: it may insist on PRACK, or know nothing of it.
        """
        if not 101 <= status <= 199:
            raise LocalProtocolError(f"{status} is not a ringing status; use 101 to 199")
        self._require(UasState.PROCEEDING, "ring")
        provisional = Provisional(status, tuple(headers), body)
        if self._is_reliable(is_reliable, body):
            self._send_reliably(self.reliable.send(provisional, now), now)
        else:
            self._provide(provisional, (), now)
        self._arm("ring", now, RING_REPEAT_S)

    def _is_reliable(self, is_wished: bool | None, body: bytes) -> bool:
        if "100rel" not in self._context.capabilities.extensions:
            return False
        if "100rel" in option_tags(self.request, "Require"):
            return True
        if "100rel" not in option_tags(self.request, "Supported"):
            return False
        if is_wished is not None:
            return is_wished
        return self._context.reliable == "required" or bool(body)

    def _send_reliably(self, due: Numbered | None, now: float) -> None:
        if due is not None:
            self._provide(due.provisional, (("Require", "100rel"), ("RSeq", str(due.rseq))), now)

    def _provide(self, provisional: Provisional, headers: HeaderList, now: float) -> None:
        capabilities = self._context.capabilities
        ours = [self._contact(), capabilities.allow, capabilities.supported]
        if provisional.body:
            ours.append(CONTENT_TYPE)
        fields = (*ours, *headers, *provisional.headers)
        self._respond(provisional.status, now, headers=fields, body=provisional.body)

    def acknowledge_provisional(self, prack: Request) -> bool:
        """A PRACK: True when a provisional answer of ours waited for it. Raises SipParseError."""
        acknowledged = self.reliable.acknowledge(RAck.of(prack))
        if acknowledged is None:
            return False
        answer = offer_of(prack) if self.offer is None else self.offer
        if acknowledged.body and answer is not None and not self.is_settled:
            self.is_settled = self.dialog.is_negotiated = True
            self.dialog.local_session = acknowledged.body
            self.dialog.remote_session = answer
        return True

    def resume(self, now: float) -> bool:
        """A PRACK was answered: the next provisional answer leaves, or the 2xx that waited. True: the latter."""
        if self.state is not UasState.PROCEEDING:
            return False
        self._send_reliably(self.reliable.resume(now), now)
        if self._held is None or self.reliable.holds_back_answer:
            return False
        (body, headers), self._held = self._held, None
        self._accept(body, headers, now)
        return True

    def answer(self, body: bytes, headers: HeaderList, now: float) -> bool:
        """200 OK, again and again until its ACK comes.

        False: not yet. A reliable provisional answer with a session description waits for its PRACK (RFC 3262 §3).
        """
        self._require(UasState.PROCEEDING, "answer")
        if self._held is not None:
            raise LocalProtocolError("cannot answer: this INVITE has its answer already")
        self.reliable.drop_waiting()
        if self.reliable.holds_back_answer:
            self._held = (body, tuple(headers))
            self._context.deadlines.clear((self._call.id, "limit"))
            return False
        self._accept(body, headers, now)
        return True

    def _accept(self, body: bytes, headers: HeaderList, now: float) -> None:
        self._disarm()
        self.state = UasState.ANSWERED
        context = self._context
        ours = [self._contact(), context.capabilities.allow, context.capabilities.supported]
        ours += self._call.session_timer.answer(self.request, now)
        if self.is_settled:
            body = b""  # RFC 6337 §3.1.1: the answer is given already, and what an UPDATE changed since must stand
        else:
            ours.append(CONTENT_TYPE)
            self.dialog.local_session = body
            self.dialog.remote_session = self.offer or b""
            self.dialog.is_negotiated = self.offer is not None
        self._respond(200, now, headers=(*ours, *headers), body=body)
        self._arm("repeat", now, self._interval_s)
        self._arm("ack", now, context.timers.give_up_s)

    def reject(self, status: int, reason: str | None, headers: HeaderList, now: float) -> None:
        """A final refusal; its transaction repeats it and takes its ACK."""
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"{status} is not a refusal; use 300 to 699")
        self._require(UasState.PROCEEDING, "reject")
        self.close()
        self._respond(status, now, reason=reason, headers=headers)

    def receive_ack(self, ack: Request) -> bool:
        """True when this is the ACK that was waited for. Later repetitions are absorbed."""
        if self.state is not UasState.ANSWERED or ack.cseq.number != self.request.cseq.number:
            return False
        self.close()
        return True

    def close(self) -> None:
        """Nothing is repeated any more, nothing waited for."""
        self._disarm()
        self._held = None
        self.state = UasState.DONE

    def handle_timer(self, timer: str, now: float) -> None:
        """``ring`` and ``repeat``; what the other two mean is the call's to decide."""
        if self._last is None:
            return
        if timer == "reliable":
            self._send_reliably(self.reliable.repeat(now), now)
        elif timer == "ring" and self.state is UasState.PROCEEDING:
            self._repeat_ringing(self._last, now)
            self._arm("ring", now, RING_REPEAT_S)
        elif timer == "repeat" and self.state is UasState.ANSWERED:
            self._context.stats.answers_repeated += 1
            self._server.send_response(self._last, now)
            self._interval_s = min(2 * self._interval_s, self._context.timers.t2)
            self._arm("repeat", now, self._interval_s)

    def _repeat_ringing(self, last: Response, now: float) -> None:
        """A reliable one, long acknowledged, is no news to the caller: it gets another number and no session."""
        if "RSeq" not in last.headers:
            self._server.send_response(last, now)
        elif not self.reliable.is_waiting:
            self._send_reliably(self.reliable.send(Provisional(last.status, (), b""), now), now)

    def _contact(self) -> tuple[str, str]:
        is_sips = demands_sips(self.request)
        user = self.dialog.contact_user
        return ("Contact", self._context.identity.contact(self._server.flow, user=user, is_sips=is_sips))

    def _require(self, state: UasState, command: str) -> None:
        if self.state is not state:
            raise LocalProtocolError(f"cannot {command}: this INVITE is {self.state.value}")

    def _respond(
        self, status: int, now: float, *, reason: str | None = None, headers: HeaderList, body: bytes = b""
    ) -> None:
        fields = (*headers, self._context.identity.server)
        self._last = make_response(
            self.request, status, reason, to_tag=self.dialog.local_tag, headers=fields, body=body
        )
        self._server.send_response(self._last, now)
