"""Who a call is with: which hosts speak in it without being asked who they are, and as whom others must be let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sip.admission import ALLOW, Allow
from gateway.sip.flow import Flow

if TYPE_CHECKING:
    from gateway.sip.invite.call import Call


def lives_at(call: Call, flow: Flow) -> bool:
    """Whether what comes on ``flow`` comes from where the call is: the host it lives on, or one it was placed to.

    A carrier may end a call from another of the hosts it was offered to, which settings may list for another trunk, the
    one that its calls come in by. A browser there is not the carrier: any page speaks from the address of its reader.
    """
    if call.flow is not None and call.flow.remote[0] == flow.remote[0]:
        return True
    return not flow.is_websocket and _was_placed_to(call, flow)


def is_with(call: Call, admission: Allow) -> bool:
    """Whether who was let in as ``admission`` is who the call is with: one trunk, or one account."""
    if call.admission is None:
        return True
    return call.admission == admission and not _is_with_nobody(call)


def may_replace(call: Call, admission: Allow, flow: Flow) -> bool:
    """Whether an INVITE may take the call's place: one of its own trunk; phones replace one another."""
    if call.admission is None:
        return True
    if call.admission.trunk == admission.trunk and not _is_with_nobody(call):
        return True
    return bool(admission.trunk) and not flow.is_websocket and _was_placed_to(call, flow)


def _is_with_nobody(call: Call) -> bool:
    """We have placed it to somebody at a server of his own: no trunk and no account has a part in it."""
    return call.inviting is not None and call.admission == ALLOW


def _was_placed_to(call: Call, flow: Flow) -> bool:
    return call.inviting is not None and flow.remote[0] in call.inviting.hosts
