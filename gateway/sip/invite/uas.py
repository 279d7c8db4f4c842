"""One INVITE at the side that is asked (RFC 3261 §13.3, §14.2): ringing, the answer, and its repetition until ACK."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from gateway.base.errors import LocalProtocolError
from gateway.sip.capabilities import ALLOW, CONTENT_TYPE, SUPPORTED, offer_of
from gateway.sip.flow import Flow
from gateway.sip.grammar import MAX_UINT32, SipParseError, parse_number
from gateway.sip.identity import demands_sips
from gateway.sip.invite.context import CallContext
from gateway.sip.message import Request, Response, make_response
from gateway.sip.transaction.invite_server import InviteServer
from gateway.sip.transaction.machine import TransactionKey

RING_REPEAT_S = 60.0
"""RFC 3261 §13.3.1.1: a provisional response is repeated every minute, lest proxies give the call up."""

HeaderList = Iterable[tuple[str, str]]


class UasState(enum.Enum):
    """Where an INVITE we received stands."""

    PROCEEDING = "proceeding"
    """No final answer yet."""
    ANSWERED = "answered"
    """2xx sent, repeated until its ACK comes."""
    DONE = "done"


class InviteUas:
    """The server side of an INVITE or re-INVITE.

    Its timers live in the call's table: ``ring`` repeats a provisional answer, ``limit`` bounds the ringing,
    ``repeat`` sends the 2xx again (T1 doubling to T2), ``ack`` gives it up after 64*T1 (RFC 3261 §13.3.1.4).
    """

    TIMERS = ("ring", "limit", "repeat", "ack")

    def __init__(self, context: CallContext, call: str, server: InviteServer, local_tag: str, now: float) -> None:
        self.request: Request = server.request
        self.state = UasState.PROCEEDING
        self.offer = offer_of(server.request)
        self._context = context
        self._call = call
        self._server = server
        self._local_tag = local_tag
        self._interval_s = context.timers.t1
        self._last: Response | None = None
        expires_s = _expires_s(server.request)
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
        self._context.deadlines.set((self._call, timer), now + after_s)

    def _disarm(self) -> None:
        for timer in self.TIMERS:
            self._context.deadlines.clear((self._call, timer))

    def ring(self, status: int, headers: HeaderList, now: float) -> None:
        """A provisional answer other than 100 (180, 181, 182, 183)."""
        if not 101 <= status <= 199:
            raise LocalProtocolError(f"{status} is not a ringing status; use 101 to 199")
        self._require(UasState.PROCEEDING, "ring")
        self._respond(status, now, headers=(self._contact(), ALLOW, *headers))
        self._arm("ring", now, RING_REPEAT_S)

    def answer(self, body: bytes, headers: HeaderList, now: float) -> None:
        """200 OK, again and again until its ACK comes."""
        self._require(UasState.PROCEEDING, "answer")
        self._disarm()
        self.state = UasState.ANSWERED
        ours = (self._contact(), ALLOW, SUPPORTED, CONTENT_TYPE)
        self._respond(200, now, headers=(*ours, *headers), body=body)
        self._arm("repeat", now, self._interval_s)
        self._arm("ack", now, self._context.timers.give_up_s)

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
        self.state = UasState.DONE

    def handle_timer(self, timer: str, now: float) -> None:
        """``ring`` and ``repeat``; what the other two mean is the call's to decide."""
        if self._last is None:
            return
        if timer == "ring" and self.state is UasState.PROCEEDING:
            self._server.send_response(self._last, now)
            self._arm("ring", now, RING_REPEAT_S)
        elif timer == "repeat" and self.state is UasState.ANSWERED:
            self._context.stats.answers_repeated += 1
            self._server.send_response(self._last, now)
            self._interval_s = min(2 * self._interval_s, self._context.timers.t2)
            self._arm("repeat", now, self._interval_s)

    def _contact(self) -> tuple[str, str]:
        is_sips = demands_sips(self.request)
        return ("Contact", self._context.identity.contact(self._server.flow, is_sips=is_sips))

    def _require(self, state: UasState, command: str) -> None:
        if self.state is not state:
            raise LocalProtocolError(f"cannot {command}: this INVITE is {self.state.value}")

    def _respond(
        self, status: int, now: float, *, reason: str | None = None, headers: HeaderList, body: bytes = b""
    ) -> None:
        fields = (*headers, self._context.identity.server)
        self._last = make_response(self.request, status, reason, to_tag=self._local_tag, headers=fields, body=body)
        self._server.send_response(self._last, now)


def _expires_s(invite: Request) -> int | None:
    """Expires of an INVITE (RFC 3261 §13.3.1); a senseless one sets no limit."""
    text = invite.headers.get("Expires")
    try:
        return None if text is None else parse_number(text, MAX_UINT32, "Expires")
    except SipParseError:
        return None
