"""INVITE with Replaces (RFC 3891 §3): the call of ours whose place it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sip.admission import Allow
from gateway.sip.capabilities import refuse
from gateway.sip.flow import Flow
from gateway.sip.invite.parties import may_replace
from gateway.sip.message import Request
from gateway.sip.replaces import Replaces
from gateway.sip.validation import Refusal

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call
    from gateway.sip.invite.context import CallContext


def find_replaced(context: CallContext, invite: Request, admission: Allow, flow: Flow) -> Call | Refusal | None:
    """None without a Replaces. Raises SipParseError for a malformed one.

    481 for a dialog we do not know, and for one that is ringing here and so not ours to give away; 603 for one that is
    ending; 486 for a call that is talked on already where only an early dialog was meant. 403 where the call is
    another trunk's: who knows its tags is not thereby somebody it may be handed to. Phones replace one another.
    """
    count = invite.headers.count("Replaces")
    if not count:
        return None
    if count > 1 or "Join" in invite.headers:
        return refuse(400, "replaces", reason="Replaces twice, or with Join")
    replaces = Replaces.parse(invite.headers.get("Replaces") or "")
    call = context.dialogs.get((replaces.call_id, replaces.to_tag, replaces.from_tag))
    if call is None or (not call.is_talking and call.is_open and call.inviting is None):
        return refuse(481, "replaces_unknown_dialog")
    if not may_replace(call, admission, flow):
        return refuse(403, "anothers_call")
    if not call.is_open:
        return refuse(603, "replaces_ended_dialog")
    if call.is_talking and replaces.is_early_only:
        return refuse(486, "replaces_early_only")
    return call
