"""What the call layer may ask of a call by its id: the part of the user agent's face that is about live calls."""

from __future__ import annotations

from gateway.base.errors import LocalProtocolError
from gateway.sip.headers import HeaderList
from gateway.sip.invite.call import Call
from gateway.sip.invite.context import CallContext
from gateway.sip.invite.glare import Renew
from gateway.sip.invite.refer import REFER_LIMIT_S


class CallCommands:
    """Commands on calls. Each raises LocalProtocolError for a call that is over or stands elsewhere; ``hang_up`` none.

    ``now`` is monotonic seconds.
    """

    def __init__(self, context: CallContext) -> None:
        self._context = context
        self._calls = context.calls

    def _call(self, call: str) -> Call:
        try:
            return self._calls[call]
        except KeyError:
            raise LocalProtocolError(f"no call {call!r}: it has ended or never was") from None

    # Answering

    def ring(
        self,
        call: str,
        now: float,
        status: int = 180,
        headers: HeaderList = (),
        *,
        body: bytes = b"",
        is_reliable: bool | None = None,
    ) -> None:
        """Send a provisional answer (101-199) to an offered call; with ``body`` it is early media.

        ``is_reliable`` asks for PRACK or does without, where the caller leaves the choice; None: as configured.
        """
        self._call(call).ring(status, headers, now, body=body, is_reliable=is_reliable)

    def answer(self, call: str, body: bytes, now: float, headers: HeaderList = ()) -> None:
        """Send 200 with our SDP; it is repeated until its ACK comes.

        While a reliable provisional answer with SDP waits for its PRACK, the 200 waits with it.
        """
        self._call(call).answer(body, headers, now)

    def reject(self, call: str, status: int, now: float, reason: str | None = None, headers: HeaderList = ()) -> None:
        """Send a final refusal (300-699) to an offered call."""
        self._call(call).reject(status, reason, headers, now)

    def hang_up(self, call: str, now: float, headers: HeaderList = ()) -> None:
        """BYE, CANCEL or 480, whatever the state asks. A call that is over already stays so."""
        found = self._calls.get(call)
        if found is not None:
            found.hang_up(headers, now)

    # Changing the session

    def answer_offer(self, call: str, body: bytes, now: float) -> None:
        """Accept the offer of a ``CallReoffered``, or the one that answered a ``reoffer`` without a body."""
        self._call(call).changes.answer_offer(body, now)

    def refuse_offer(self, call: str, status: int, now: float, headers: HeaderList = ()) -> None:
        """Refuse the offer of a ``CallReoffered``: the call goes on as it was."""
        self._call(call).changes.refuse_offer(status, tuple(headers), now)

    def reoffer(
        self, call: str, body: bytes, now: float, *, renew: Renew | None = None, prefer_update: bool = False
    ) -> None:
        """Change the session; ``ReofferAnswered`` or ``ReofferRefused`` follows. Glare is sorted out in here.

        By re-INVITE, or by UPDATE where that is preferred and the peer takes it, or where the call is not answered
        yet. An empty body asks the peer for its offer. After glare it is sent again, as ``renew`` then makes it.
        """
        self._call(call).changes.reoffer(body, now, prefer_update=prefer_update, renew=renew)

    def update(self, call: str, now: float) -> None:
        """Refresh session and Contact without touching the media; no event follows."""
        self._call(call).changes.update(now)

    # Transfers

    def refer(
        self,
        call: str,
        target: str,
        now: float,
        *,
        replaces: str | None = None,
        headers: HeaderList = (),
        limit_s: float = REFER_LIMIT_S,
    ) -> None:
        """Ask the peer to call ``target`` (a URI); ``ReferProgress`` or ``ReferRefused`` follows.

        ``replaces`` is another call of ours whose place the peer's new call shall take: an attended transfer. The
        target may then be "": the far end of that call. After ``limit_s`` without an outcome a final 408 is told.
        """
        other = self._call(replaces) if replaces is not None else None
        self._call(call).transfers.refer(target, other, headers, limit_s, now)

    def accept_refer(self, call: str, refer_id: str, now: float) -> None:
        """202 to the REFER of a ``CallReferred``; tell how it goes by ``notify_refer``."""
        self._call(call).received_transfers.accept(refer_id, now)

    def refuse_refer(
        self, call: str, refer_id: str, now: float, *, status: int = 603, headers: HeaderList = ()
    ) -> None:
        """Decline the REFER of a ``CallReferred``."""
        self._call(call).received_transfers.refuse(refer_id, status, headers, now)

    def notify_refer(self, call: str, refer_id: str, status: int, reason: str | None, now: float) -> None:
        """Tell the peer how the call goes that it asked for; a status of 200 or above is the last word."""
        self._call(call).received_transfers.notify(refer_id, status, reason, now)

    # Other requests

    def info(self, call: str, content_type: str, body: bytes, now: float) -> None:
        """Send an INFO; whatever it is answered, the call goes on, unless the peer knows it no more."""
        self._call(call).request("INFO", body, content_type, now)

    def ping(self, call: str, now: float) -> None:
        """Ask by OPTIONS whether the peer still has the call; ``CallEnded`` (DIALOG_GONE) follows when it has not."""
        self._call(call).request("OPTIONS", b"", "", now, is_vital=True)
