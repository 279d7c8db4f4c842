"""An INVITE that takes the place of a live call's far end (RFC 3891): the conversation goes on with whoever sent it."""

from __future__ import annotations

from gateway.base.errors import CapacityError, LocalProtocolError, RemoteProtocolError
from gateway.call.assembly import CallAssembly
from gateway.call.call import Call
from gateway.call.capacity import NotTaken
from gateway.call.identity import FarEnd
from gateway.call.legs import Signalling
from gateway.call.live_calls import LiveCalls
from gateway.sip.events import CallOffered


class Takeover:
    """Negotiates at once and answers at once: nobody rings, and no session is opened.

    Raises NotTaken where nothing can be agreed on; then the call goes on as it was.
    """

    def __init__(
        self, call: Call, event: CallOffered, far_end: FarEnd, *, assembly: CallAssembly, calls: LiveCalls
    ) -> None:
        self._call = call
        self._event = event
        self._far_end = far_end
        self._calls = calls
        try:
            self._leg = assembly.leg(call, event, calls=calls)
        except CapacityError as error:
            raise NotTaken(503, "No capacity", "no_media_port", error.retry_after_s, str(error)) from error
        except RemoteProtocolError as error:
            raise NotTaken(error.status, str(error), "media_negotiation") from error
        try:
            self._body, self._agreed = self._leg.respond(call, event.offer)
        except BaseException as error:
            self._leg.close()
            if isinstance(error, RemoteProtocolError):
                raise NotTaken(error.status, str(error), "media_negotiation") from error
            raise

    def answer(self, signalling: Signalling, now: float) -> None:
        """200, then the move. Signalling ends the replaced dialog within the 200, so the call must have its new name
        by then; an INVITE that was cancelled in the meantime gets the call nothing but its old name back."""
        call, former, former_sip_call = self._call, self._call.identity, self._call.sip_call
        assert former_sip_call is not None
        self._calls.rename(call, self._event.call)
        try:
            signalling.answer(self._event.call, self._body, former.headers.answer)
        except LocalProtocolError:
            self._calls.rename(call, former_sip_call)
            self._leg.close()
            return
        call.move(self._leg, self._agreed, self._far_end, now, by="replaces")
        self._calls.moved(call)
